"""Single values out of JSON that promises nothing: what does not fit is nothing, never an error.

What comes out can be stored, compared and shown: no control characters, no lone surrogates, no NaN, no number that is
longer than the page.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final, TypeGuard

LONGEST_LINE: Final = 200
LONGEST_MS: Final = 10**10
"""About 115 days. A longer one is no length of a film."""
LOUDEST: Final = 4.0
"""A volume above this fraction is read as a percentage: no editor offers more than 400 %."""


def is_mapping(value: object) -> TypeGuard[Mapping[str, Any]]:
    """Whether it is a JSON object."""
    return isinstance(value, Mapping)


def as_number(value: object) -> float | None:
    """A finite number, or nothing."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def as_milliseconds(value: object) -> int | None:
    """A length or a place on a timeline."""
    number = as_number(value)
    return round(number) if number is not None and 0 <= number <= LONGEST_MS else None


def as_count(value: object) -> int | None:
    """A whole number that is not negative, such as pixels."""
    number = as_number(value)
    return int(number) if number is not None and number.is_integer() and 0 <= number < 2**31 else None


def as_volume(value: object) -> float | None:
    """A volume as a fraction. No unit is public (contract §7.1); a number above `LOUDEST` is read as percent."""
    number = as_number(value)
    if number is None or not 0 <= number <= 100 * LOUDEST:
        return None
    return round(number if number <= LOUDEST else number / 100, 4)


def as_line(value: object) -> str | None:
    """A text as one line of at most `LONGEST_LINE` characters; nothing where no character can be shown."""
    if not isinstance(value, str):
        return None
    shown = (char if char.isprintable() else " " if char.isspace() else "" for char in value[: 4 * LONGEST_LINE])
    return " ".join("".join(shown).split())[:LONGEST_LINE].strip() or None
