"""Who is being streamed to, and whether their keys still let them.

A stream is let in once and may last for hours. So the keys of all that are open are looked at again, together, as often
as a key that comes with a request is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final

from reelqueue.domain.api_keys import ApiKey
from reelqueue.domain.tenants import TenantState
from reelqueue.errors import DependencyUnavailable
from reelqueue.gateway.auth import TTL_S, Principal
from reelqueue.gateway.hub import Watch
from reelqueue.gateway.tenancy_ports import ApiKeyRows
from reelqueue.gateway.threads import Threads
from reelqueue.kit.clock import Clock

LOOK_EVERY_S: Final = TTL_S


@dataclass(frozen=True, slots=True, eq=False)
class _Guest:
    scope: str
    watch: Watch


class Guests:
    """The open streams of one event loop, by their keys."""

    def __init__(self, rows: ApiKeyRows, *, clock: Clock, threads: Threads) -> None:
        self._rows = rows
        self._clock = clock
        self._threads = threads
        self._guests: dict[str, set[_Guest]] = {}

    @contextmanager
    def seat(self, principal: Principal, scope: str, watch: Watch) -> Iterator[None]:
        """For the length of the block, dismiss the watch once the key may no longer do what the scope says."""
        guest = _Guest(scope, watch)
        self._guests.setdefault(principal.key_id, set()).add(guest)
        try:
            yield
        finally:
            guests = self._guests[principal.key_id]
            guests.discard(guest)
            if not guests:
                del self._guests[principal.key_id]

    async def keep_looking(self) -> None:
        """Look every few seconds, until canceled. A database that does not answer dismisses nobody."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            if self._guests:
                try:
                    await self.look()
                except DependencyUnavailable:
                    continue

    async def look(self) -> None:
        """Dismiss those whose keys have ended since they came. Raises `DependencyUnavailable`."""
        looked_for = list(self._guests)
        keys = await self._threads.quick(partial(self._rows.find_all, looked_for))
        for key_id in looked_for:
            # Some have gone meanwhile; those who came were let in just now.
            for guest in self._guests.get(key_id, ()):
                if not self._may_stay(keys.get(key_id), guest.scope):
                    guest.watch.dismiss()

    def _may_stay(self, key: ApiKey | None, scope: str) -> bool:
        return (
            key is not None
            and key.is_live(self._clock.now())
            and key.tenant_state is TenantState.ACTIVE
            and scope in key.scopes
        )
