"""How the values of a rule are written: times, counts, sessions, faults. Each reader raises `ValueError`."""

import re
from dataclasses import dataclass
from typing import Any, Final, TypeGuard, cast

from pydantic import ValidationError

from nemotwin.faults import Fault, UnknownFaultError
from nemotwin.mishaps import CATALOG

LONGEST_SECONDS: Final = 1e9
"""Some thirty years."""

_SECONDS: Final = {"s": 1, "m": 60, "h": 3600}


def _is_whole(given: Any) -> TypeGuard[int]:
    """YAML's `true` is an `int` to Python, and none to anybody else."""
    return isinstance(given, int) and not isinstance(given, bool)


def seconds(given: Any) -> float:
    """Read `40s`, `1.5m`, `2h`, or a plain number of seconds."""
    found = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)([smh])", given, re.ASCII) if isinstance(given, str) else None
    if found is not None:
        return float(found.group(1)) * _SECONDS[found.group(2)]
    if (_is_whole(given) or isinstance(given, float)) and 0 <= given < LONGEST_SECONDS:
        return float(given)
    raise ValueError("a time like 40s, 1.5m or 2h is expected")


@dataclass(frozen=True, slots=True)
class Calls:
    """Which of the calls that fit a rule it takes, counted from 1: `first` to `last` (`None`: all after)."""

    first: int
    last: int | None

    def __contains__(self, number: int) -> bool:
        return self.first <= number and (self.last is None or number <= self.last)

    def __str__(self) -> str:
        last = "+" if self.last is None else f"-{self.last}" if self.last > self.first else ""
        return f"{self.first}{last}"


def calls(given: Any) -> Calls:
    """Read `1`, `2-6` or `3+`."""
    found = re.fullmatch(r"([1-9]\d{0,8})(?:(\+)|-([1-9]\d{0,8}))?", str(given), re.ASCII)
    if found is None:
        raise ValueError("a count like 1, 2-6 or 3+ is expected")
    first = int(found.group(1))
    last = None if found.group(2) else int(found.group(3) or first)
    if last is not None and last < first:
        raise ValueError("the count ends before it begins")
    return Calls(first, last)


def session_id(given: Any) -> str:
    """Read a session's id, which YAML takes for a number unless it is quoted."""
    text = str(given) if _is_whole(given) else given
    if not isinstance(text, str) or not re.fullmatch(r"\*|\d{19}", text, re.ASCII):
        raise ValueError('19 digits, or "*" for every session, are expected')
    return text


def finish(given: Any) -> bool | str:
    """Read `true`, `false` or `half`."""
    if isinstance(given, bool) or given == "half":
        return cast("bool | str", given)
    raise ValueError("true, false or half is expected")


@dataclass(frozen=True, slots=True)
class Named:
    """A fault of the catalogue with its parameters."""

    name: str
    fault: Fault


def named_faults(given: Any) -> tuple[Named, ...]:
    """Read one fault or a list: a name, or `{name: …, parameter: …}`."""
    return tuple(_fault(one) for one in (given if isinstance(given, list) else [given]))


def _fault(given: Any) -> Named:
    params: dict[Any, Any] = dict(given) if isinstance(given, dict) else {"name": given}
    name = params.pop("name", None)
    name = str(name) if _is_whole(name) else name
    if not isinstance(name, str) or not all(isinstance(key, str) for key in params):
        raise ValueError("the name of a fault is expected, or a mapping with its name and its parameters")
    if name not in CATALOG:
        raise ValueError(f"no such fault: {name}; GET /_twin/faults lists them")
    try:
        return Named(name, CATALOG[name].make(params))
    except UnknownFaultError as error:
        raise ValueError(str(error)) from error
    except ValidationError as error:
        found = error.errors()[0]
        raise ValueError(f"{name}, {'.'.join(map(str, found['loc']))}: {found['msg']}") from error
