"""The agent turns that this process listens to, so that a cancel can reach one of them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from reelqueue.domain.upstream import TurnControl


class LiveTurns:
    """Open turns by job id. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._turns: dict[str, TurnControl] = {}

    @contextmanager
    def listening(self, job_id: str, control: TurnControl) -> Iterator[None]:
        """While in the block, a cancel of the job ends this turn."""
        with self._lock:
            self._turns[job_id] = control
        try:
            yield
        finally:
            with self._lock:
                self._turns.pop(job_id, None)

    def cancel(self, job_id: str) -> bool:
        """End the job's turn if it runs here. Its stream breaks; the step settles what it did."""
        with self._lock:
            control = self._turns.get(job_id)
        if control is not None:
            control.abort()
        return control is not None

    def __len__(self) -> int:
        return len(self._turns)
