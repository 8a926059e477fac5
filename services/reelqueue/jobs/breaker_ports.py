"""What the breakers need of the store."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

from reelqueue.domain.breakers import Breaker, Failure, Phase, ProbeEnd


class BreakerView(Protocol):
    """`store.breakers.View`."""

    @property
    def now(self) -> datetime: ...
    @property
    def breakers(self) -> Mapping[Phase, Breaker]: ...


class BreakerStore(Protocol):
    """`store.breakers.Breakers`, as workers use it."""

    def view(self) -> BreakerView: ...
    def failed(self, phase: Phase, failure: Failure) -> tuple[Breaker, bool]: ...
    def take_probe(self, phase: Phase, probe: str) -> bool: ...
    def probed(self, phase: Phase, probe: str, outcome: ProbeEnd) -> Breaker: ...
