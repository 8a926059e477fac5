"""One call at a time on a thread of its own, while its caller goes on: bells are rung while the next jobs are found."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor


class Aside:
    """For one caller. What is begun ends in the order in which it was begun; at most one call is under way."""

    def __init__(self, name: str) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._under_way: Future[None] | None = None

    def begin(self, call: Callable[[], None]) -> None:
        """Begin the call once the one before it has ended. Raises what that one raised; then this one is not begun."""
        self.finish()
        self._under_way = self._thread.submit(call)

    def finish(self) -> None:
        """Wait for what is under way. Raises what it raised, once."""
        under_way, self._under_way = self._under_way, None
        if under_way is not None:
            under_way.result()
