"""Where calls that block run, so that the event loop never does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import Final, TypeVar

T = TypeVar("T")
SLOW_THREADS: Final = 32
"""For disks and other people's servers: these may take minutes and must not hold up a read of a row."""


class Threads:
    """Two pools: `quick` for a statement or a commit, `slow` for everything that may take long.

    A call works for whom its caller works for (`kit.acting`): it takes the caller's context along.
    """

    def __init__(self, *, quick: int) -> None:
        self._quick = ThreadPoolExecutor(quick, thread_name_prefix="gateway-quick")
        self._slow = ThreadPoolExecutor(SLOW_THREADS, thread_name_prefix="gateway-slow")

    async def quick(self, call: Callable[[], T]) -> T:
        """The call's outcome."""
        return await asyncio.get_running_loop().run_in_executor(self._quick, copy_context().run, call)

    async def slow(self, call: Callable[[], T]) -> T:
        """The call's outcome."""
        return await asyncio.get_running_loop().run_in_executor(self._slow, copy_context().run, call)

    def start_slow(self, call: Callable[[], T]) -> Future[T]:
        """The call under way, for whoever must know when it has ended though nobody awaits it any more."""
        return self._slow.submit(copy_context().run, call)

    def stop(self) -> None:
        """Take no more calls and wait for those under way."""
        self._quick.shutdown(wait=True)
        self._slow.shutdown(wait=True)
