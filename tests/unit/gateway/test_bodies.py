"""A body that comes in pieces, late or too long."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
from starlette.requests import ClientDisconnect, Request

from reelqueue.errors import BodyTooLarge, RequestTimedOut
from reelqueue.gateway.bodies import Body

Message = dict[str, Any]


def request(messages: Sequence[Message | None], length: str | None = None) -> tuple[Request, list[Message]]:
    """A request whose body comes as these messages; `None` never comes. And what of it was taken."""
    taken: list[Message] = []
    left = list(messages)

    async def receive() -> Message:
        message = left.pop(0)
        if message is None:
            await asyncio.Event().wait()
            raise AssertionError
        taken.append(message)
        return message

    headers = [] if length is None else [(b"content-length", length.encode())]
    return Request({"type": "http", "headers": headers, "method": "POST", "path": "/"}, receive), taken


def piece(data: bytes, *, more: bool = True) -> Message:
    return {"type": "http.request", "body": data, "more_body": more}


def run(call: Callable[[], Awaitable[Any]]) -> Any:
    async def main() -> Any:
        return await call()

    return asyncio.run(main())


def test_pieces_become_one() -> None:
    given, _ = request([piece(b"a"), piece(b""), piece(b"bc"), piece(b"d", more=False)])
    assert run(Body(given, limit=4, max_s=5).whole) == b"abcd"


@pytest.mark.parametrize("length", ["5", "99999999999999999999999999", "-1", "+4", "4 4", "0x4", "٤"])
def test_a_declared_length_over_the_limit_or_out_of_form_is_refused_unread(length: str) -> None:
    given, taken = request([piece(b"abcde", more=False)])
    given.scope["headers"].append((b"content-length", length.encode("utf-8")))
    with pytest.raises(BodyTooLarge):
        Body(given, limit=4, max_s=5)
    assert taken == []


def test_the_count_stops_it_at_once() -> None:
    given, taken = request([piece(b"abc"), piece(b"de"), piece(b"f"), piece(b"", more=False)], length="1")
    with pytest.raises(BodyTooLarge) as caught:
        run(Body(given, limit=4, max_s=5).whole)
    assert caught.value.detail == {"limit_bytes": 4}
    assert len(taken) == 2


def test_a_body_that_stops_coming() -> None:
    given, _ = request([piece(b"a"), None])
    with pytest.raises(RequestTimedOut):
        run(Body(given, limit=4, max_s=0.05).whole)


def test_a_body_that_drips_has_a_total_not_a_pause() -> None:
    async def receive() -> Message:
        await asyncio.sleep(0.02)
        return piece(b"x")

    given = Request({"type": "http", "headers": [], "method": "POST", "path": "/"}, receive)
    with pytest.raises(RequestTimedOut):
        run(Body(given, limit=10**9, max_s=0.2).whole)


def test_bytes_that_come_fast_enough_earn_time() -> None:
    """Ten times the allowed time, at a rate that is fine."""

    async def receive() -> Message:
        nonlocal left
        await asyncio.sleep(0.02)
        left -= 1
        return piece(b"x" * 1_048_576, more=left > 0)

    left = 20
    given = Request({"type": "http", "headers": [], "method": "POST", "path": "/"}, receive)
    assert len(run(Body(given, limit=10**9, max_s=0.2).whole)) == 20 * 1_048_576


def test_a_client_that_leaves() -> None:
    given, _ = request([piece(b"a"), {"type": "http.disconnect"}])
    with pytest.raises(ClientDisconnect):
        run(Body(given, limit=4, max_s=5).whole)
