"""The twin's memory on disk: one JSON file, rewritten whole."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter

from nemotwin.accounts import Account, Token
from nemotwin.ledger import Book
from nemotwin.renders import Render
from nemotwin.sessions import Session

SAVE_EVERY_SECONDS: Final = 0.5
SAVE_SHARE: Final = 20
"""A save waits at least so many times as long as the last one took, so that saving never takes over 5 % of the time."""


@dataclass(slots=True, kw_only=True)
class Snapshot:
    """All that outlives a restart. Faults and settings do not: they belong to a run."""

    virtual_now: float = 0.0
    accounts: list[Account] = field(default_factory=list)
    tokens: list[Token] = field(default_factory=list)
    claims: list[str] = field(default_factory=list)
    sessions: list[Session] = field(default_factory=list)
    renders: list[Render] = field(default_factory=list)
    book: Book = field(default_factory=Book)


_ADAPTER = TypeAdapter(Snapshot)


def load(path: Path) -> Snapshot:
    """Read a snapshot; an empty one if there is no file."""
    if not path.exists():
        return Snapshot()
    return _ADAPTER.validate_json(path.read_bytes())


def save(path: Path, snapshot: Snapshot) -> None:
    """Write a snapshot in place of the last, readable by the owner only (it holds tokens)."""
    partial = path.with_suffix(".part")
    partial.touch(mode=0o600)
    partial.write_bytes(_ADAPTER.dump_json(snapshot))
    partial.replace(path)


async def keep_saving(path: Path, take: Callable[[], Snapshot | None]) -> None:
    """Save what `take` returns, again and again until cancelled; `None` means nothing has changed."""
    pause = SAVE_EVERY_SECONDS
    while True:
        await asyncio.sleep(pause)
        if (snapshot := take()) is not None:
            began = time.monotonic()
            save(path, snapshot)
            pause = max(SAVE_EVERY_SECONDS, SAVE_SHARE * (time.monotonic() - began))
