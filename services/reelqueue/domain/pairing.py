"""Which thing of one list is which of another, by the best likeness first."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")
Likeness = Callable[[T], Hashable | None]
"""What two things must share to be the same; `None` says that this one cannot be told by it."""


@dataclass(frozen=True, slots=True)
class Pairing(Generic[T]):
    """`pairs` in the order of the second list; `gone` and `new` in their own."""

    pairs: tuple[tuple[T, T], ...]
    gone: tuple[T, ...]
    new: tuple[T, ...]


def pair_up(before: Sequence[T], after: Sequence[T], *likenesses: Likeness[T]) -> Pairing[T]:
    """Pair the things of two lists: each likeness in turn takes, in order, what the ones before it left over."""
    partner: dict[int, int] = {}
    left = list(range(len(before)))
    for likeness in likenesses:
        waiting: defaultdict[Hashable, deque[int]] = defaultdict(deque)
        for place in left:
            if (key := likeness(before[place])) is not None:
                waiting[key].append(place)
        for place, thing in enumerate(after):
            key = None if place in partner else likeness(thing)
            if key is not None and waiting.get(key):
                partner[place] = waiting[key].popleft()
        taken = set(partner.values())
        left = [place for place in left if place not in taken]
    return Pairing(
        pairs=tuple((before[partner[place]], thing) for place, thing in enumerate(after) if place in partner),
        gone=tuple(before[place] for place in left),
        new=tuple(thing for place, thing in enumerate(after) if place not in partner),
    )
