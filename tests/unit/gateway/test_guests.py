"""Whose streams are ended."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from reelqueue.domain.api_keys import ApiKey
from reelqueue.domain.tenants import TenantState
from reelqueue.gateway.auth import Principal
from reelqueue.gateway.guests import Guests
from reelqueue.gateway.hub import Hub, Watch
from reelqueue.gateway.threads import Threads
from reelqueue.kit.clock import SystemClock

NOW = datetime.now(UTC)
SCOPE = "jobs:read"
KEY = ApiKey(
    id="key_a",
    tenant_id="ten_a",
    name="n",
    mac=b"",
    scopes=frozenset({SCOPE, "webhooks"}),
    created_at=NOW,
    expires_at=None,
    revoked_at=None,
    last_used_at=None,
)


class Rows:
    """Keys by id; `meanwhile` happens during a look."""

    def __init__(self) -> None:
        self.keys = {"key_a": KEY, "key_b": replace(KEY, id="key_b")}
        self.meanwhile: Callable[[], object] = lambda: None

    def find_all(self, key_ids: Collection[str]) -> dict[str, ApiKey]:
        found = {key_id: self.keys[key_id] for key_id in key_ids if key_id in self.keys}
        self.meanwhile()
        return found

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(name)


@pytest.fixture
def rows() -> Rows:
    return Rows()


@pytest.fixture
def guests(rows: Rows) -> Iterator[Guests]:
    threads = Threads(quick=1)
    yield Guests(rows, clock=SystemClock(), threads=threads)
    threads.stop()


def seated(guests: Guests, seats: ExitStack, key_id: str, scope: str = SCOPE) -> Watch:
    watch = Watch(Hub(lambda: None, lambda _: {}))  # type: ignore[arg-type, return-value]
    principal = Principal(tenant_id="ten_a", key_id=key_id, scopes=frozenset({scope}))
    seats.enter_context(guests.seat(principal, scope, watch))
    return watch


@pytest.mark.parametrize(
    ("change", "stays"),
    [
        ({}, True),
        ({"expires_at": NOW + timedelta(days=1)}, True),
        ({"expires_at": NOW - timedelta(seconds=1)}, False),
        ({"revoked_at": NOW}, False),
        ({"tenant_state": TenantState.SUSPENDED}, False),
        ({"scopes": frozenset({"webhooks"})}, False),
        (None, False),
    ],
)
def test_a_key_that_may_not_any_more_ends_its_streams_and_no_others(
    guests: Guests, rows: Rows, change: dict[str, Any] | None, stays: bool
) -> None:
    if change is None:
        del rows.keys["key_a"]
    else:
        rows.keys["key_a"] = replace(KEY, **change)
    with ExitStack() as seats:
        mine, again, other = (seated(guests, seats, key) for key in ("key_a", "key_a", "key_b"))
        asyncio.run(guests.look())
        assert [watch.closing for watch in (mine, again, other)] == [not stays, not stays, False]
    assert guests._guests == {}


def test_a_scope_that_is_gone_ends_only_what_needs_it(guests: Guests, rows: Rows) -> None:
    rows.keys["key_a"] = replace(KEY, scopes=frozenset({"webhooks"}))
    with ExitStack() as seats:
        job, feed = seated(guests, seats, "key_a"), seated(guests, seats, "key_a", "webhooks")
        asyncio.run(guests.look())
        assert (job.closing, feed.closing) == (True, False)


def test_who_comes_or_goes_during_a_look_is_not_mistaken(guests: Guests, rows: Rows) -> None:
    with ExitStack() as late, ExitStack() as early:
        seated(guests, early, "key_a")
        came: list[Watch] = []
        rows.meanwhile = lambda: (early.close(), came.append(seated(guests, late, "key_b")))
        asyncio.run(guests.look())
        assert [watch.closing for watch in came] == [False]
