"""Webhook receivers in a process of their own, and what they had."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Final

import httpx

from benchmarks.crew import Site, answers
from benchmarks.patience import ROOT, Patience
from benchmarks.receiving import ADDRESSES, SLOW
from reelqueue.dev.ports import LOOPBACK
from reelqueue.dev.process import Role


@dataclass(frozen=True, slots=True)
class Hook:
    """One POST: when it had come whole (the machine's monotonic clock), to whom, and what it was called.

    `delivery_seq` is the endpoint's own number of it, if it said one.
    """

    at: float
    path: str
    id: str
    delivery_seq: int | None


class Hooks:
    """The process, and questions to it."""

    ROLE: Final = "receivers"

    def __init__(self, site: Site, *, slow_s: float = 0.0) -> None:
        self._port, self._slow_s = site.free_port(), slow_s
        self._env = site.environment()

    def role(self) -> Role:
        """The process, to be kept up."""
        argv = [sys.executable, "-m", "benchmarks.receiving", str(self._port), str(self._slow_s)]
        return Role(self.ROLE, argv, env=self._env, cwd=ROOT, ready=lambda: answers(self._port, "/count"))

    def path(self, name: str, *, slow: bool = False) -> str:
        """Where a receiver of that name is."""
        return f"{SLOW if slow else '/hook/'}{name}"

    def url(self, path: str) -> str:
        """The URL of a path."""
        return f"http://{LOOPBACK}:{self._port}{path}"

    def url_of(self, number: int, path: str) -> str:
        """The URL of a path, at the host of the customer of that number."""
        return f"http://{ADDRESSES[number % len(ADDRESSES)]}:{self._port}{path}"

    def count(self) -> int:
        """How many POSTs came, to all of them."""
        return int(self._ask("/count"))

    def body(self) -> str:
        """The body of the last one."""
        return self._ask("/body")

    def seen(self, after: int = 0) -> list[Hook]:
        """What came, in order, without the first so many."""
        return [hook_from(line) for line in self._ask(f"/seen?{after}").splitlines()]

    def wait(self, count: int, patience: Patience) -> None:
        """Until so many came."""
        patience.wait(lambda: self.count() >= count, f"webhook {count}", every_s=0.05)

    def _ask(self, path: str) -> str:
        return httpx.get(self.url(path), timeout=30, trust_env=False).raise_for_status().text


def hook_from(line: str) -> Hook:
    """A line of `/seen`."""
    at, path, message_id, number = line.split(" ")
    return Hook(float(at), path, message_id, None if number == "-" else int(number))
