"""One listener for all who wait: notices from the database wake the coroutines that watch a job.

A notice is a hint. Watchers read the row after they begin to watch and before they first wait, so no change can fall
between; and they look again by themselves every few seconds, so a lost hint costs no more than that.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from reelqueue.gateway.ports import Notice, Notices
from reelqueue.kit.logs import get_logger

CHANNEL: Final = "rq_job"
RECONNECTED: Final = "reconnected"
LOOK_AGAIN_S: Final = 5.0
_RESTART_S: Final = 1.0

_log = get_logger(__name__)


class Watch:
    """One coroutine's interest in one job."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """There may be something new. From the event loop."""
        self._woken.set()

    async def changed(self, within_s: float) -> None:
        """Return when there may be something new, at the latest after `within_s` or `LOOK_AGAIN_S` seconds."""
        try:
            async with asyncio.timeout(max(0.0, min(within_s, LOOK_AGAIN_S))):
                await self._woken.wait()
        except TimeoutError:
            return
        self._woken.clear()

    @property
    def closing(self) -> bool:
        """Whether the process is about to stop: whoever waits should answer with what there is."""
        return self._hub.closing


class Hub:
    """For one event loop. `start` and `stop` belong to the application's lifespan."""

    def __init__(self, listener: Callable[[], Notices]) -> None:
        self._listener = listener
        self._watches: dict[str, set[Watch]] = {}
        self._stopped = threading.Event()
        self._notices: Notices | None = None
        self._thread: threading.Thread | None = None
        self.closing = False

    def start(self) -> None:
        """Begin to listen, in a thread of its own. From the event loop that will wait."""
        loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._listen, args=(loop,), name="gateway-hub", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Let every watcher answer now with what there is. From the event loop."""
        self.closing = True
        self._wake_all()

    async def stop(self) -> None:
        """Close, and wait for the thread."""
        self.close()
        self._stopped.set()
        if self._notices is not None:
            self._notices.close()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)

    @contextmanager
    def watch(self, job_id: str) -> Iterator[Watch]:
        """Hear of changes to a job for the length of the block."""
        watch = Watch(self)
        self._watches.setdefault(job_id, set()).add(watch)
        try:
            yield watch
        finally:
            watches = self._watches[job_id]
            watches.discard(watch)
            if not watches:
                del self._watches[job_id]

    def _listen(self, loop: asyncio.AbstractEventLoop) -> None:
        while not self._stopped.is_set():
            try:
                self._notices = self._listener()
                for notice in self._notices.listen():
                    if self._stopped.is_set():
                        break
                    if notice is not None:
                        loop.call_soon_threadsafe(self._take, notice)
            except Exception:  # noqa: BLE001 - without hints, watchers still look by themselves
                _log.warning("hub.listener_failed", exc_info=True)
            self._stopped.wait(_RESTART_S)

    def _take(self, notice: Notice) -> None:
        if notice.channel == RECONNECTED:
            self._wake_all()
        elif notice.channel == CHANNEL:
            for watch in self._watches.get(notice.payload, ()):
                watch.wake()

    def _wake_all(self) -> None:
        for watches in self._watches.values():
            for watch in watches:
                watch.wake()
