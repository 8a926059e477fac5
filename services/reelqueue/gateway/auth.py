"""Who is asking: API keys, looked up once every few seconds.

A key's row is kept in memory for at most `TTL_S`, which is how long a revoked key, or one of a suspended tenant, may
still be let in. Keys that do
not exist are remembered apart from those that do, so that guesses cannot push real keys out.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from starlette.requests import Request

from reelqueue.domain.api_keys import ApiKey, admits, parse_key
from reelqueue.domain.tenants import TenantState
from reelqueue.errors import AuthenticationRequired, ScopeMissing, TenantSuspended
from reelqueue.gateway.tenancy_ports import ApiKeyRows
from reelqueue.gateway.threads import Threads
from reelqueue.kit.clock import Clock

TTL_S: Final = 4.0
"""Under the five seconds in which a revoked key must be refused everywhere."""
MOST_REMEMBERED: Final = 10_000
_BEARER: Final = "bearer "


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Whose request this is, and what its key may do."""

    tenant_id: str
    key_id: str
    scopes: frozenset[str]
    requests_per_minute: int | None = None

    def require(self, scope: str) -> None:
        """Raises `ScopeMissing`."""
        if scope not in self.scopes:
            raise ScopeMissing(detail={"scope": scope})


class _Memory:
    """Key rows by id, for `TTL_S` and in bounded number; the oldest go first."""

    def __init__(self) -> None:
        self._entries: OrderedDict[str, tuple[float, ApiKey | None]] = OrderedDict()

    def get(self, key_id: str, now: float) -> tuple[bool, ApiKey | None]:
        """Whether something fresh is remembered, and what."""
        entry = self._entries.get(key_id)
        if entry is None or now >= entry[0]:
            return False, None
        return True, entry[1]

    def put(self, key_id: str, key: ApiKey | None, *, until: float) -> None:
        """Remember."""
        self._entries.pop(key_id, None)
        self._entries[key_id] = (until, key)
        if len(self._entries) > MOST_REMEMBERED:
            self._entries.popitem(last=False)


class Authenticator:
    """Turns an `Authorization` header into a `Principal`. For one event loop."""

    def __init__(self, rows: ApiKeyRows, *, pepper: bytes, clock: Clock, threads: Threads) -> None:
        self._rows = rows
        self._pepper = pepper
        self._clock = clock
        self._threads = threads
        self._known = _Memory()
        self._unknown = _Memory()
        self._lookups: dict[str, asyncio.Task[ApiKey | None]] = {}
        self._used: set[str] = set()

    async def principal(self, request: Request) -> Principal:
        """Raises `AuthenticationRequired`, which never says why, `TenantSuspended` and `DependencyUnavailable`."""
        parsed = parse_key(bearer_of(request))
        if parsed is None:
            raise AuthenticationRequired
        key = await self._find(parsed.id)
        if not admits(key, parsed, pepper=self._pepper, now=self._clock.now()):
            raise AuthenticationRequired
        assert key is not None
        if key.tenant_state is not TenantState.ACTIVE:
            raise TenantSuspended
        self._used.add(key.id)
        return Principal(
            tenant_id=key.tenant_id,
            key_id=key.id,
            scopes=key.scopes,
            requests_per_minute=key.requests_per_minute,
        )

    def take_used(self) -> frozenset[str]:
        """The keys used since the last call, for `last_used_at`."""
        used, self._used = frozenset(self._used), set()
        return used

    async def _find(self, key_id: str) -> ApiKey | None:
        now = self._clock.monotonic()
        for memory in (self._known, self._unknown):
            fresh, key = memory.get(key_id, now)
            if fresh:
                return key
        lookup = self._lookups.get(key_id)
        if lookup is None:
            # One look for all requests that come meanwhile, and not one of them can cancel it for the others.
            lookup = asyncio.get_running_loop().create_task(self._look(key_id, now))
            self._lookups[key_id] = lookup
            lookup.add_done_callback(self._forgetting(key_id))
        return await asyncio.shield(lookup)

    async def _look(self, key_id: str, now: float) -> ApiKey | None:
        key = await self._threads.quick(partial(self._rows.find, key_id))
        memory = self._unknown if key is None else self._known
        memory.put(key_id, key, until=now + TTL_S)
        return key

    def _forgetting(self, key_id: str) -> Callable[[asyncio.Task[ApiKey | None]], None]:
        def forget(task: asyncio.Task[ApiKey | None]) -> None:
            self._lookups.pop(key_id, None)
            if not task.cancelled():
                task.exception()  # taken note of, though every request that wanted it may be gone

        return forget


def bearer_of(request: Request) -> str:
    """The token of the one `Authorization` header. Two of them might be read differently by two readers."""
    given = request.headers.getlist("authorization")
    if len(given) != 1 or len(given[0]) > 200 or not given[0].lower().startswith(_BEARER):
        raise AuthenticationRequired
    return given[0][len(_BEARER) :]
