"""What the dispatcher needs: its statements, and someone who rings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from reelqueue.domain.bells import Bell
from reelqueue.domain.jobs import Queue


class BrokerDown(Exception):
    """The broker did not take the bells. Nothing is lost: their rows are rung again."""


class Bells(Protocol):
    """Rings workers. `worker.bells` does it with Celery."""

    def ring(self, bells: Sequence[Bell]) -> None:
        """Publish one message a bell, in one batch. Raises `BrokerDown`."""
        ...


class DispatchStore(Protocol):
    """`store.dispatch.Dispatch`."""

    def room(self) -> dict[Queue, int]: ...
    def mark_due(self, queue: Queue, most: int) -> list[Bell]: ...
    def admit(self, most: int, *, each: int) -> list[Bell]: ...
    def settle(self) -> int: ...
    def redial(self, most: int) -> list[Bell]: ...
    def seconds_to_next_due(self) -> float | None: ...


class AdmissionGate(Protocol):
    """`store.breakers.Breakers`, as the dispatcher uses it."""

    def admission(self) -> int | None: ...
    def tell_late(self) -> int: ...


class SweepStore(Protocol):
    """`store.sweep.Sweep`."""

    def take_over(self) -> int: ...
    def restore_flags(self) -> int: ...
    def ask_for_room(self) -> int: ...
    def fail_poisoned(self) -> int: ...
    def fail_overdue(self) -> int: ...
