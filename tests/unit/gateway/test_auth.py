"""Keys from memory: how long, how many, and who asks the database."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from starlette.requests import Request

from fakes.loop import soon
from reelqueue.domain.api_keys import ApiKey, make_key
from reelqueue.errors import AuthenticationRequired, DependencyUnavailable, ScopeMissing
from reelqueue.gateway.auth import TTL_S, Authenticator, Principal
from reelqueue.gateway.threads import Threads
from reelqueue.kit.ids import new_id

PEPPER = b"pepper" * 6


class HandClock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        return datetime(2030, 1, 1, tzinfo=UTC) + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


class Rows:
    """Keys by id; counts the looks."""

    def __init__(self) -> None:
        self.keys: dict[str, ApiKey] = {}
        self.looks: list[str] = []
        self.down = False
        self.gate = threading.Event()
        self.gate.set()

    def find(self, key_id: str) -> ApiKey | None:
        self.looks.append(key_id)
        self.gate.wait(10)
        if self.down:
            raise DependencyUnavailable
        return self.keys.get(key_id)

    def touch(self, key_ids: Any) -> None:
        raise NotImplementedError

    def add(self, **changes: Any) -> str:
        key_id = new_id("api_key")
        made = make_key(key_id.encode().ljust(32)[:32], key_id=key_id, pepper=PEPPER)
        fields: dict[str, Any] = {
            "id": key_id,
            "tenant_id": "ten_1",
            "name": "n",
            "mac": made.mac,
            "scopes": frozenset({"jobs:read"}),
            "created_at": datetime(2029, 1, 1, tzinfo=UTC),
            "expires_at": None,
            "revoked_at": None,
            "last_used_at": None,
        }
        self.keys[key_id] = ApiKey(**{**fields, **changes})
        return made.text


@pytest.fixture
def rows() -> Rows:
    return Rows()


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def authenticator(rows: Rows, clock: HandClock) -> Iterator[Authenticator]:
    threads = Threads(quick=4)
    yield Authenticator(rows, pepper=PEPPER, clock=clock, threads=threads)
    threads.stop()


def asking(*values: str) -> Request:
    headers = [(b"authorization", value.encode("latin-1")) for value in values]
    return Request({"type": "http", "headers": headers, "method": "GET", "path": "/"})


def principal(authenticator: Authenticator, *values: str) -> Principal:
    return asyncio.run(authenticator.principal(asking(*values)))


def test_a_key_is_looked_up_once_for_a_while(authenticator: Authenticator, rows: Rows, clock: HandClock) -> None:
    key = rows.add()
    for _ in range(3):
        assert principal(authenticator, f"Bearer {key}").tenant_id == "ten_1"
    assert len(rows.looks) == 1
    clock.seconds = TTL_S
    principal(authenticator, f"bearer {key}")
    assert len(rows.looks) == 2


def test_a_revoked_key_is_refused_within_five_seconds(
    authenticator: Authenticator, rows: Rows, clock: HandClock
) -> None:
    key = rows.add()
    found = principal(authenticator, f"Bearer {key}")
    row = rows.keys[found.key_id]
    rows.keys[found.key_id] = ApiKey(
        **{name: getattr(row, name) for name in row.__slots__} | {"revoked_at": clock.now()}
    )
    clock.seconds = 5.0
    with pytest.raises(AuthenticationRequired):
        principal(authenticator, f"Bearer {key}")


def test_an_expiring_key_ends_on_time_though_it_is_remembered(
    authenticator: Authenticator, rows: Rows, clock: HandClock
) -> None:
    key = rows.add(expires_at=clock.now() + timedelta(seconds=1))
    principal(authenticator, f"Bearer {key}")
    clock.seconds = 1.0
    with pytest.raises(AuthenticationRequired):
        principal(authenticator, f"Bearer {key}")
    assert len(rows.looks) == 1


def test_unknown_keys_are_remembered_too(authenticator: Authenticator, rows: Rows) -> None:
    key = rows.add()
    rows.keys.clear()
    for _ in range(3):
        with pytest.raises(AuthenticationRequired):
            principal(authenticator, f"Bearer {key}")
    assert len(rows.looks) == 1


def test_guesses_do_not_push_real_keys_out_and_take_bounded_room(
    authenticator: Authenticator, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reelqueue.gateway.auth.MOST_REMEMBERED", 5)
    real = rows.add()
    principal(authenticator, f"Bearer {real}")
    guesses = [rows.add() for _ in range(20)]
    for key_id in list(rows.keys)[1:]:
        del rows.keys[key_id]
    for guess in guesses:
        with pytest.raises(AuthenticationRequired):
            principal(authenticator, f"Bearer {guess}")
    looks = len(rows.looks)
    principal(authenticator, f"Bearer {real}")
    assert len(rows.looks) == looks
    assert len(authenticator._unknown._entries) == 5


def test_many_who_come_at_once_ask_once(authenticator: Authenticator, rows: Rows) -> None:
    key = rows.add()
    rows.gate.clear()

    async def main() -> list[Principal]:
        asked = [asyncio.create_task(authenticator.principal(asking(f"Bearer {key}"))) for _ in range(30)]
        await soon(lambda: rows.looks)
        asked[0].cancel()  # one that leaves takes the answer from nobody
        rows.gate.set()
        return await asyncio.gather(*asked[1:])

    assert {one.tenant_id for one in asyncio.run(main())} == {"ten_1"}
    assert len(rows.looks) == 1


def test_a_database_that_is_down_is_no_401_and_not_remembered(authenticator: Authenticator, rows: Rows) -> None:
    key = rows.add()
    rows.down = True
    with pytest.raises(DependencyUnavailable):
        principal(authenticator, f"Bearer {key}")
    rows.down = False
    assert principal(authenticator, f"Bearer {key}").tenant_id == "ten_1"


def test_what_has_not_the_form_of_a_key_never_reaches_the_database(authenticator: Authenticator, rows: Rows) -> None:
    key = rows.add()
    for values in (
        (),
        ("",),
        (key,),
        ("Basic " + key,),
        ("Bearer",),
        ("Bearer ",),
        (f"Bearer  {key}",),
        (f"Bearer {key} ",),
        (f"Bearer {key[:-1]}",),
        (f"Bearer {key.swapcase()}",),
        ("Bearer " + "a" * 1_000_000,),
        (f"Bearer {key}", f"Bearer {key}"),
        (f"Bearer {key}", "Bearer nonsense"),
    ):
        with pytest.raises(AuthenticationRequired):
            principal(authenticator, *values)
    assert rows.looks == []


def test_scopes() -> None:
    who = Principal(tenant_id="t", key_id="k", scopes=frozenset({"jobs:read"}))
    who.require("jobs:read")
    with pytest.raises(ScopeMissing) as caught:
        who.require("jobs:write")
    assert caught.value.detail == {"scope": "jobs:write"}


def test_which_keys_were_used(authenticator: Authenticator, rows: Rows) -> None:
    key = rows.add()
    used = principal(authenticator, f"Bearer {key}").key_id
    assert authenticator.take_used() == {used}
    assert authenticator.take_used() == frozenset()
