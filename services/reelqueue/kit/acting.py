"""For whom the running code works. The store reads it each time it takes a connection.

A context variable: it belongs to one request's task and to the threads that task sends work to. Code that forgot to
say for whom it works is left to what its process was wired with, and in a gateway that is nobody.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

EVERYBODY: Final = "*"
"""The service itself, whose work belongs to no one tenant."""
NOBODY: Final = ""
"""Sees no row of any tenant, and may write none."""

_whose: ContextVar[str | None] = ContextVar("whose", default=None)


def acting() -> str | None:
    """A tenant's id, `EVERYBODY`, `NOBODY`, or `None` where nobody has said."""
    return _whose.get()


def act_for(whose: str) -> None:
    """From here on, to the end of this task: for a request, once it is known whose it is."""
    _whose.set(whose)


@contextmanager
def acting_for(whose: str) -> Iterator[None]:
    """Inside the block."""
    token = _whose.set(whose)
    try:
        yield
    finally:
        _whose.reset(token)
