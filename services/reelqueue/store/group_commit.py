"""Group commit: what arrives while a commit is in flight shares the next one.

No timer: a lone item goes out at once. The first thread to find nobody writing becomes the writer; it takes all that
is queued, writes it, hands each thread its own outcome, and goes on while more has come.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Generic, TypeVar

from reelqueue.errors import DependencyUnavailable

T = TypeVar("T")
R = TypeVar("R")


class GroupCommit(Generic[T, R]):
    """Turns `write_many` into a call for one item that many threads may make at once.

    `write_many` gets 1 to `most` items and returns as many outcomes in the same order. If it raises for several items
    they are written again one by one, so that one bad item cannot fail its neighbours; an error for one item is that
    item's own. `DependencyUnavailable` is everybody's.
    """

    def __init__(self, write_many: Callable[[Sequence[T]], Sequence[R]], *, most: int = 64) -> None:
        self._write_many = write_many
        self._most = most
        self._lock = threading.Lock()
        self._queue: list[tuple[T, Future[R]]] = []
        self._writing = False

    def submit(self, item: T) -> R:
        """Write one item and return its outcome, or raise its error. Blocks until it is committed."""
        future: Future[R] = Future()
        with self._lock:
            self._queue.append((item, future))
            lead = not self._writing
            if lead:
                self._writing = True
        if lead:
            self._drain(future)
        return future.result()

    def _drain(self, own: Future[R]) -> None:
        """Write until nothing is queued; a leader whose own item is done hands over to a thread that still waits."""
        while True:
            with self._lock:
                batch, self._queue = self._queue[: self._most], self._queue[self._most :]
                if not batch:
                    self._writing = False
                    return
            self._write(batch)
            if own.done():
                with self._lock:
                    if not self._queue:
                        self._writing = False
                        return
                # Somebody else's thread must not starve this one's caller: a new leader takes the rest.
                threading.Thread(target=self._drain, args=(Future(),), daemon=True).start()
                return

    def _write(self, batch: Sequence[tuple[T, Future[R]]]) -> None:
        try:
            outcomes = self._write_many([item for item, _ in batch])
        except DependencyUnavailable as error:
            # No item is to blame, and each would wait for the same database in turn.
            for _, future in batch:
                future.set_exception(error)
            return
        except Exception as error:  # noqa: BLE001 - handed to the thread that waits for it
            if len(batch) == 1:
                batch[0][1].set_exception(error)
                return
            for one in batch:
                self._write([one])
            return
        for (_, future), outcome in zip(batch, outcomes, strict=True):
            future.set_result(outcome)
