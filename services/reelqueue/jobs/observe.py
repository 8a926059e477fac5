"""One look at a session: what it holds now, and what the token's balance is."""

from __future__ import annotations

from reelqueue.domain.sessions import Project
from reelqueue.domain.tokens import TokenScope
from reelqueue.domain.turns import Snapshot
from reelqueue.domain.upstream import Balance
from reelqueue.errors import RateLimited, TokenRejected, UpstreamError
from reelqueue.jobs.ports import Upstream
from reelqueue.jobs.session import known_session
from reelqueue.jobs.token_desk import TokenDesk

TRIES = 2
"""How often one look asks for the balance."""


class Observer:
    """Looks at sessions. Reading costs nothing and changes nothing."""

    def __init__(self, upstream: Upstream, desk: TokenDesk) -> None:
        self._upstream = upstream
        self._desk = desk

    def look(self, project: Project) -> Snapshot:
        """The session and the balance. Raises what reading the state raises, and RateLimited.

        A balance that cannot be read is asked for once more: without it nobody ever knows what the turn cost. If that
        fails too it is `None`. A 429 is waited out (contract §3), and nothing is sent meanwhile.
        """
        session_id = known_session(project)
        balance = self._balance(project.token_id)
        state = self._desk.using(
            project.token_id,
            lambda credential: self._upstream.state(credential, session_id),
            proves=TokenScope.READ,
        )
        return Snapshot.of(state, balance)

    def _balance(self, token_id: str) -> Balance | None:
        for _ in range(TRIES):
            try:
                return self._desk.using(token_id, self._upstream.balance)
            except RateLimited:
                raise
            except TokenRejected:
                break
            except UpstreamError:
                continue
        return None
