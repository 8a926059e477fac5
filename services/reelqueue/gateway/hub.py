"""One listener for all who wait: notices from the database wake the coroutines that watch a job or a feed.

A notice is a hint. Watchers read the row after they begin to watch and before they first wait, so no change can fall
between. Every few seconds one look compares the versions of all that is watched, so a lost hint costs no more than
that, and thousands of watchers cost one statement.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from reelqueue.domain.channels import FEED, JOB
from reelqueue.gateway.ports import Notice, Notices
from reelqueue.kit.logs import get_logger

CHANNELS: Final = (JOB, FEED)
"""Their payload is what is watched: a job's id, or the tenant's whose feed it is."""
RECONNECTED: Final = "reconnected"
LOOK_AGAIN_S: Final = 5.0
_RESTART_S: Final = 1.0
_NOTHING: Final = ""
"""No version of anything: who has not said what it read may have read an older one than a look finds first."""

_log = get_logger(__name__)


class Watch:
    """One coroutine's interest in one job or feed."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._woken = asyncio.Event()
        self._dismissed = False
        self._seen: str | None = _NOTHING

    def wake(self) -> None:
        """There may be something new. From the event loop."""
        self._woken.set()

    def saw(self, version: str | None) -> None:
        """Whoever watches has read this version; a look that finds the same wakes nobody. From the event loop."""
        self._seen = version

    def compare(self, version: str | None) -> None:
        """Wake up if this version is another than what was seen: nothing yet, or before. From the event loop."""
        if self._seen != version:
            self._seen = version
            self.wake()

    def dismiss(self) -> None:
        """Whoever watches is to go now. From the event loop."""
        self._dismissed = True
        self.wake()

    async def changed(self, within_s: float) -> bool:
        """Whether there may be something new: true as soon as that is so, false after `within_s` seconds without."""
        try:
            async with asyncio.timeout(max(0.0, within_s)):
                await self._woken.wait()
        except TimeoutError:
            return False
        self._woken.clear()
        return True

    @property
    def closing(self) -> bool:
        """Whether to end now, with what there is: the process is about to stop, or whoever watches may not any more."""
        return self._hub.closing or self._dismissed


class Hub:
    """For one event loop. `start` and `stop` belong to the application's lifespan."""

    def __init__(
        self, listener: Callable[[], Notices], versions: Callable[[Collection[str]], Mapping[str, str]]
    ) -> None:
        """`versions` says of each watched key what it is now, in a word that is another one after each change."""
        self._listener = listener
        self._versions = versions
        self._watches: dict[str, set[Watch]] = {}
        self._stopped = threading.Event()
        self._notices: Notices | None = None
        self._thread: threading.Thread | None = None
        self._looking: asyncio.Task[None] | None = None
        self._look_now = asyncio.Event()
        self.closing = False

    def start(self) -> None:
        """Begin to listen, in a thread of its own, and to look. From the event loop that will wait."""
        loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._listen, args=(loop,), name="gateway-hub", daemon=True)
        self._thread.start()
        self._looking = loop.create_task(self._look_again())

    def close(self) -> None:
        """Let every watcher answer now with what there is. From the event loop."""
        self.closing = True
        for watches in self._watches.values():
            _wake(watches)

    async def stop(self) -> None:
        """Close, and wait for the thread."""
        self.close()
        self._stopped.set()
        if self._looking is not None:
            self._looking.cancel()
        if self._notices is not None:
            self._notices.close()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)

    @contextmanager
    def watch(self, key: str) -> Iterator[Watch]:
        """Hear of changes to a job, or to a tenant's feed, for the length of the block."""
        watch = Watch(self)
        self._watches.setdefault(key, set()).add(watch)
        try:
            yield watch
        finally:
            watches = self._watches[key]
            watches.discard(watch)
            if not watches:
                del self._watches[key]

    # --- hints ---

    def _listen(self, loop: asyncio.AbstractEventLoop) -> None:
        while not self._stopped.is_set():
            try:
                self._notices = self._listener()
                for notice in self._notices.listen():
                    if self._stopped.is_set():
                        break
                    if notice is not None:
                        loop.call_soon_threadsafe(self._take, notice)
            except Exception:  # noqa: BLE001 - without hints there are still the looks
                _log.warning("hub.listener_failed", exc_info=True)
            self._stopped.wait(_RESTART_S)

    def _take(self, notice: Notice) -> None:
        if notice.channel == RECONNECTED:
            # What was missed is found by one look. To wake everybody would be a look each, all at once.
            self._look_now.set()
        elif notice.channel in CHANNELS:
            _wake(self._watches.get(notice.payload, ()))

    # --- looks ---

    async def _look_again(self) -> None:
        while True:
            try:
                async with asyncio.timeout(LOOK_AGAIN_S):
                    await self._look_now.wait()
            except TimeoutError:
                pass
            self._look_now.clear()
            if self._watches:
                await self._look()

    async def _look(self) -> None:
        keys = list(self._watches)
        try:
            found = await asyncio.to_thread(self._versions, keys)
        except Exception:  # noqa: BLE001 - a database that does not answer now is looked at again
            _log.warning("hub.look_failed", exc_info=True)
            return
        for key in keys:
            for watch in self._watches.get(key, ()):
                watch.compare(found.get(key))


def _wake(watches: Collection[Watch]) -> None:
    for watch in watches:
        watch.wake()
