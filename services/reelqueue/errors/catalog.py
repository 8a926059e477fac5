"""All classes of the tree, and the way back from a code that was written down."""

from __future__ import annotations

from collections.abc import Iterator

from reelqueue.errors.root import ReelqueueError


def every_class() -> Iterator[type[ReelqueueError]]:
    """Each class that is known by now, the root first, then level by level."""
    waiting: list[type[ReelqueueError]] = [ReelqueueError]
    while waiting:
        found = waiting.pop(0)
        waiting += found.__subclasses__()
        yield found


def class_of_code(code: str) -> type[ReelqueueError] | None:
    """The class that a public code stands for: the one nearest to the root. `None` for a code that is gone."""
    return next((found for found in every_class() if found.code == code), None)
