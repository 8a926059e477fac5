"""Listening to the database: who is woken instead of asking again and again."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from sqlalchemy import make_url

from reelqueue.store.engine import CONNECT_TIMEOUT_S, KEEPALIVES
from reelqueue.store.roles import APP_ROLE

RECONNECT_S = 1.0
RECONNECTED = "reconnected"


@dataclass(frozen=True, slots=True)
class Notice:
    """A channel and what was said on it. On the channel `reconnected` notices may have been missed: look again."""

    channel: str
    payload: str


class Notices:
    """One connection that listens. It comes back by itself; a notice is a hint and may be lost."""

    def __init__(self, url: str, channels: Sequence[str]) -> None:
        self._url = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
        self._channels = tuple(channels)
        self._closed = threading.Event()
        self._tick_s = 0.5

    def listen(self) -> Iterator[Notice | None]:
        """Notices as they come, and `None` at least every half second so that the caller can look at its clock.

        Ends after `close()`. Every (re)connection starts with `Notice(RECONNECTED, "")`.
        """
        while not self._closed.is_set():
            try:
                yield from self._listen_once()
            except psycopg.OperationalError:
                yield None
                self._closed.wait(RECONNECT_S)

    def _listen_once(self) -> Iterator[Notice | None]:
        with self._connect() as link:
            for channel in self._channels:
                link.execute(f'LISTEN "{channel}"')
            yield Notice(RECONNECTED, "")
            while not self._closed.is_set():
                for notice in link.notifies(timeout=self._tick_s, stop_after=1):
                    yield Notice(notice.channel, notice.payload)
                yield None

    def _connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(
            self._url,
            autocommit=True,
            connect_timeout=CONNECT_TIMEOUT_S,
            application_name="reelqueue-listen",
            options=f"-c role={APP_ROLE}",
            # Whoever only listens would never learn that the other side is gone.
            **KEEPALIVES,
        )

    def close(self) -> None:
        """Stop within half a second. May be called from any thread."""
        self._closed.set()
