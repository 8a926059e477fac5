"""Query strings, read strictly: no unknown name, no repeat, no coercion."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from datetime import datetime
from typing import Final, NoReturn, TypeVar
from urllib.parse import parse_qsl

from starlette.requests import Request

from reelqueue.gateway.errors import RequestInvalid, Violation
from reelqueue.gateway.schemas.moments import parse_moment
from reelqueue.gateway.strict_json import text_violation

T = TypeVar("T")
MOST_MEMBERS: Final = 100
DEFAULT_LIMIT: Final = 20
MAX_LIMIT: Final = 100
_NUMBER: Final = re.compile(r"0|[1-9][0-9]{0,9}")
LARGEST_NUMBER: Final = 9_999_999_999
"""The largest that a query can name."""


class Query:
    """The members of one query string. Each reader takes its member away; `done` refuses what is left."""

    def __init__(self, request: Request) -> None:
        """Raises `RequestInvalid` for more than a hundred members and for text that is no text."""
        raw = request.scope["query_string"]
        self._members: dict[str, list[str]] = {}
        try:
            pairs = parse_qsl(
                raw.decode("ascii"),
                keep_blank_values=True,
                max_num_fields=MOST_MEMBERS,
                encoding="utf-8",
                errors="strict",
            )
        except (ValueError, UnicodeError):
            _refuse("", "The query is malformed or too long.")
        for name, value in pairs:
            if text_violation(name, "") or text_violation(value, ""):
                _refuse("" if text_violation(name, "") else name, "Control characters are not allowed.")
            self._members.setdefault(name, []).append(value)

    def one(self, name: str) -> str | None:
        """The value, if the member is there. Raises for a repeat."""
        values = self._members.pop(name, [])
        if len(values) > 1:
            _refuse(name, "Send this once.")
        return values[0] if values else None

    def words(self, name: str, known: Collection[str]) -> frozenset[str]:
        """Words, as repeats of the member or separated by commas, each one of `known`."""
        words = frozenset(word for value in self._members.pop(name, []) for word in value.split(","))
        if not words <= set(known):
            _refuse(name, f"This takes {', '.join(sorted(known))}.")
        return words

    def prefixed(self, name: str) -> dict[str, str]:
        """`name[key]=value` members, by key."""
        found = {}
        for member in [m for m in self._members if m.startswith(f"{name}[") and m.endswith("]")]:
            key = member[len(name) + 1 : -1]
            value = self.one(member)
            assert value is not None
            found[key] = value
        return found

    def number(self, name: str, *, default: int, least: int, most: int) -> int:
        """A plain decimal number within bounds."""
        found = self.maybe_number(name, least=least, most=most)
        return default if found is None else found

    def maybe_number(self, name: str, *, least: int = 0, most: int) -> int | None:
        """A plain decimal number within bounds, if the member is there."""
        text = self.one(name)
        if text is None:
            return None
        if not _NUMBER.fullmatch(text) or not least <= int(text) <= most:
            _refuse(name, f"This takes a whole number from {least} to {most}.")
        return int(text)

    def is_word(self, name: str, word: str) -> bool:
        """Whether the member is this word; it is taken away only then."""
        if self._members.get(name) != [word]:
            return False
        del self._members[name]
        return True

    def moment(self, name: str) -> datetime | None:
        """An RFC 3339 time."""
        return self._read(name, parse_moment, "This takes an RFC 3339 time with its offset.")

    def label(self, name: str) -> str | None:
        """A text of 1 to 255 characters."""
        return self._read(name, lambda text: text if 1 <= len(text) <= 255 else None, "This takes 1 to 255 characters.")

    def limit(self) -> int:
        """How many items a page has."""
        return self.number("limit", default=DEFAULT_LIMIT, least=1, most=MAX_LIMIT)

    def done(self) -> None:
        """Refuse what nobody read: a misspelt filter must not silently match everything."""
        unknown = sorted(self._members)[:20]
        if unknown:
            raise RequestInvalid(
                *(
                    Violation(code="field_unknown", message="There is no such parameter.", parameter=name[:64] or "?")
                    for name in unknown
                )
            )

    def _read(self, name: str, parse: Callable[[str], T | None], rule: str) -> T | None:
        text = self.one(name)
        if text is None:
            return None
        value = parse(text)
        if value is None:
            _refuse(name, rule)
        return value


def _refuse(name: str, rule: str) -> NoReturn:
    raise RequestInvalid(Violation(code="field_invalid", message=rule, parameter=name[:64] or "?"))
