"""An event stream as a client reads it."""

from __future__ import annotations

import json
import threading
from typing import Any

import httpx


class EventStream:
    """Read in a thread, until it ends or the response is closed."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self.events: list[dict[str, Any]] = []
        self.pings = 0
        self.place: int | None = None
        """What the client would send as `Last-Event-ID`."""
        self.retry: int | None = None
        self.ended = threading.Event()
        threading.Thread(target=self._read, daemon=True).start()

    @property
    def durable(self) -> list[tuple[int, str]]:
        return [(int(one["id"]), one["event"]) for one in self.events if "id" in one]

    @property
    def progress(self) -> list[int]:
        return [one["data"]["progress"] for one in self.events if one["event"] == "progress"]

    def _read(self) -> None:
        block: dict[str, Any] = {}
        try:
            for line in self.response.iter_lines():
                if line.startswith(":"):
                    self.pings += 1
                elif line.startswith("retry: "):
                    self.retry = int(line[7:])
                elif line:
                    name, _, value = line.partition(": ")
                    block[name] = json.loads(value) if name == "data" else value
                elif block:
                    self._take(block)
                    block = {}
        except httpx.HTTPError:
            return
        self.ended.set()

    def _take(self, block: dict[str, Any]) -> None:
        if "id" in block:
            self.place = int(block["id"])
        if "data" in block:
            self.events.append(block)
