"""`reelqueue listen`: the feed on one side, a receiver on the other, and a line for each event that goes across."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from datetime import datetime
from typing import Final

from reelqueue.cli.hooks.feed import Feed, FeedEvent
from reelqueue.cli.hooks.lines import Lines
from reelqueue.cli.hooks.sending import Forwarder, Message, message_of

_AHEAD: Final = 500
"""Events that are read before they can be sent on. A receiver that stops at a breakpoint shall not fill the memory."""

_LOOK_S: Final = 0.1


class Listener:
    """Sends each event on once, one after the other, in the order of the feed.

    A failed try is shown and not repeated: the developer decides when, with `again`. `position` is that of the last
    event that was sent on, whether or not it was taken.
    """

    def __init__(self, feed: Feed, forwarder: Forwarder, lines: Lines) -> None:
        self._feed = feed
        self._forwarder = forwarder
        self._lines = lines
        self._events: queue.Queue[FeedEvent] = queue.Queue(_AHEAD)
        self._again = threading.Event()
        self._stop = threading.Event()
        self._failure: Exception | None = None
        self._last: Message | None = None
        self.position = 0
        self.sent = 0
        self.failed = 0

    def again(self) -> None:
        """Send the last message once more, with the same id. Any thread may ask."""
        self._again.set()

    def stop(self) -> None:
        """End `run` after what is under way. Any thread may ask."""
        self._stop.set()

    def run(self, after: int) -> None:
        """Follow the feed from a position until `stop`. Raises what `Feed.follow` raises, and KeyboardInterrupt."""
        self.position = after
        reader = threading.Thread(target=self._read, args=(after,), name="feed", daemon=True)
        reader.start()
        try:
            while not self._stop.is_set():
                self._turn()
        finally:
            self._stop.set()
        if self._failure is not None:
            raise self._failure

    def _turn(self) -> None:
        if self._again.is_set():
            self._again.clear()
            self._repeat()
        try:
            event = self._events.get(timeout=_LOOK_S)
        except queue.Empty:
            # Only once all that came before it has been sent.
            if self._failure is not None:
                self._stop.set()
            return
        self._last = message_of(event, self.sent + 1)
        self._send(self._last, again=False)
        self.position = event.seq

    def _repeat(self) -> None:
        if self._last is None:
            self._lines.say("Nothing was sent yet.")
        else:
            self._send(self._last, again=True)

    def _send(self, message: Message, *, again: bool) -> None:
        at = datetime.now().astimezone()
        outcome = self._forwarder.send(message)
        self._lines.sent(message, outcome, at=at, again=again)
        if not again:
            self.sent += 1
            self.failed += not outcome.delivered

    def _read(self, after: int) -> None:
        try:
            for event in self._feed.follow(after, stop=self._stop, told=self._told):
                self._put(event)
        except Exception as error:  # noqa: BLE001 - it is raised again, by the thread that can tell somebody
            self._failure = error

    def _put(self, event: FeedEvent) -> None:
        while not self._stop.is_set():
            try:
                self._events.put(event, timeout=_LOOK_S)
            except queue.Full:
                continue
            return

    def _told(self, reason: str | None, seconds: float) -> None:
        if reason is None:
            self._lines.say("Connected again.", connected=True)
        else:
            self._lines.say(f"{reason}; again in {seconds:.0f} s", connected=False, reason=reason)


def key_handler(listener: Listener) -> Callable[[str], None]:
    """What the keys do."""
    actions = {"r": listener.again, "q": listener.stop}

    def pressed(key: str) -> None:
        if (action := actions.get(key.lower())) is not None:
            action()

    return pressed
