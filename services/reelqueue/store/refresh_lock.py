"""One at a time, over all processes: the right to fetch a fresh upstream token.

This is the one place where a database connection is held while we talk to someone else. Fifty jobs that meet a dead
token at once would use up what the upstream allows an address (ten anonymous tokens in seven days, contract §4.1) in a
second, and a row lock would need an open transaction. So it is an advisory lock of a session: no transaction is open,
no row is locked, and if this process dies the server lets go of the lock by itself. The price is one connection per
refresh under way, and a refresh is a matter of once a week.

If the connection breaks during the call, the lock is gone and a second refresh may begin. Nothing is lost by that but
a call: the token's generation decides which of the two is kept.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final
from weakref import WeakValueDictionary

from sqlalchemy import text

from reelqueue.errors import DependencyUnavailable
from reelqueue.store.engine import RETRY_AFTER_S, Database

WAIT_S: Final = 60.0
"""How long to wait for another's refresh: longer than a call to the upstream may take, its one repeat included."""

_SPACE: Final = 0x70CE
"""Two-number advisory locks are a space apart from the migrations' lock; this is our corner of it."""

_PATIENCE = text("SELECT set_config('lock_timeout', :ms, false), set_config('statement_timeout', :ms, false)")
_LOCK = text("SELECT pg_advisory_lock(CAST(:space AS integer), CAST(:name AS integer))")


class RefreshLock:
    """Advisory locks by name."""

    def __init__(self, database: Database, *, wait_s: float = WAIT_S) -> None:
        self._database = database
        self._wait_s = wait_s
        self._guard = threading.Lock()
        self._turns: WeakValueDictionary[str, threading.Lock] = WeakValueDictionary()

    @contextmanager
    def held(self, name: str) -> Iterator[None]:
        """Hold the lock inside the block. Raises `DependencyUnavailable` after `wait_s` seconds of waiting.

        Threads of this process queue up before they take a connection, so that a crowd of them takes one.
        """
        with self._turn(name), self._database.statement() as connection:
            # Out of the pool: closing it, whatever happened inside, ends the session and thereby the lock.
            connection.detach()
            connection.execute(_PATIENCE, {"ms": f"{self._wait_s * 1000:.0f}"})
            connection.execute(_LOCK, {"space": _SPACE, "name": _number(name)})
            yield

    @contextmanager
    def _turn(self, name: str) -> Iterator[None]:
        with self._guard:
            turn = self._turns.setdefault(name, threading.Lock())
        if not turn.acquire(timeout=self._wait_s):
            raise DependencyUnavailable("The token is still being refreshed.", retry_after=RETRY_AFTER_S)
        try:
            yield
        finally:
            turn.release()


def _number(name: str) -> int:
    """A name as PostgreSQL's `integer`. Two names with one number wait for each other, and that is all."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big", signed=True)
