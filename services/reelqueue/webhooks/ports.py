"""What deliveries need of the store."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from reelqueue.domain.lanes import Failing, Health
from reelqueue.domain.outgoing import LaneClaim, Outgoing, Try


class LaneStore(Protocol):
    """`store.lanes.Lanes`."""

    def claim(self, lane_id: str, worker_id: str) -> LaneClaim | None: ...
    def let_go(self, lane_id: str, worker_id: str) -> bool: ...
    def more(self, claim: LaneClaim) -> tuple[Outgoing, ...]: ...
    def record(
        self, claim: LaneClaim, tries: Sequence[Try], health: Health, *, news: Failing | None = None
    ) -> bool: ...
    def finish(
        self,
        claim: LaneClaim,
        tries: Sequence[Try],
        health: Health,
        *,
        news: Failing | None = None,
        not_before: datetime | None = None,
    ) -> None: ...
    def disable(self, claim: LaneClaim, tries: Sequence[Try], health: Health, *, reason: str) -> bool: ...
