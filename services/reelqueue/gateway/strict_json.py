"""JSON as RFC 8259 has it, and a little stricter: what two parsers could read differently is refused.

Limits come first: nesting is measured before anything is built, so that no input can exhaust the stack.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any, Final

from reelqueue.errors import JsonDuplicateKey, JsonInvalid
from reelqueue.gateway.errors import RequestInvalid, Violation

MAX_DEPTH: Final = 32
MAX_MEMBERS: Final = 1_000
"""Of one object. Nothing we take has a tenth of that, and saying what is wrong with each costs more than reading it."""
_UNREADABLE_DEPTH: Final = 1_000
"""Deeper than any parser goes: not looked at further, and called unreadable."""
_MOST_VIOLATIONS: Final = 20
_INT64: Final = 2**63

# C0 but tab, line feed and carriage return; DEL and C1; the marks that reorder text (embeddings, overrides, isolates);
# the invisible tag characters.
_FORBIDDEN: Final = "\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\U000e0000-\U000e007f"
_FORBIDDEN_TEXT: Final = re.compile(f"[{_FORBIDDEN}]")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
# Whether a document needs the walk over its values at all: a forbidden character, an escape that may make one, a number
# that may not fit 64 bits. Nearly none does, and this is one pass in C.
_SUSPECT: Final = re.compile(rf"[{_FORBIDDEN}]|\\[ubf]|[0-9]{{19}}|[0-9][eE]\+?[0-9]{{3}}")
# Matches at every quote, closed or not, so that no text makes it look twice at the same place.
_STRING: Final = re.compile(r'"(?:[^"\\]+|\\.|\\\Z)*+(?:"|\Z)', re.DOTALL)
_NO_BRACKET: Final = re.compile(r"[^][{}]+")


def parse_json(body: bytes) -> Any:
    """The value in the body.

    Raises `JsonInvalid` for what is not JSON in UTF-8, `JsonDuplicateKey`, and `RequestInvalid` for nesting over
    `MAX_DEPTH`, for numbers out of range and for text with characters that hide, reorder or cannot be stored.
    """
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise JsonInvalid("The body is not UTF-8.") from error
    return parse_json_text(text)


def parse_json_text(text: str, *, at: str = "") -> Any:
    """As `parse_json`; `at` is a pointer that goes before those of violations."""
    _check_depth(text, at=at)
    try:
        value = _DECODER.decode(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise JsonInvalid(pointer=at or None) from error
    except JsonInvalid as error:
        error.pointer = at or None
        raise
    if _SUSPECT.search(text):
        violations = [violation for _, violation in zip(range(_MOST_VIOLATIONS), _walk(value, at), strict=False)]
        if violations:
            raise RequestInvalid(*violations)
    return value


def text_violation(text: str, pointer: str) -> Violation | None:
    """What is wrong with the characters of a text, if anything."""
    if _SURROGATE.search(text):
        return Violation(code="text_invalid_unicode", message="Half of a surrogate pair stands alone.", pointer=pointer)
    if _FORBIDDEN_TEXT.search(text):
        return Violation(
            code="text_control_characters",
            message="Control, bidirectional-override and tag characters are not allowed.",
            pointer=pointer,
        )
    return None


def pointer_to(*path: str | int) -> str:
    """An RFC 6901 pointer. Names are cut at 64 characters: the caller knows its own names."""
    return "".join("/" + str(part)[:64].replace("~", "~0").replace("/", "~1") for part in path)


def _check_depth(text: str, *, at: str) -> None:
    """Take away innermost brackets, `MAX_DEPTH` times; what is left then is too deep. Linear, and all of it in C."""
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return
    brackets = _NO_BRACKET.sub("", _STRING.sub("", text)).translate({0x7B: "[", 0x7D: "]"})
    for _ in range(MAX_DEPTH):
        if not brackets:
            return
        brackets = brackets.replace("[]", "")
    if "[]" not in brackets:
        return  # all gone, or unbalanced: then the decoder says so
    if len(brackets) - len(brackets.lstrip("[")) > _UNREADABLE_DEPTH - MAX_DEPTH:
        raise JsonInvalid("The body is nested too deeply to be read.")
    raise RequestInvalid(
        Violation(code="json_too_deep", message=f"Nesting is limited to {MAX_DEPTH} levels.", pointer=at)
    )


def _walk(value: Any, pointer: str) -> Iterator[Violation]:
    if isinstance(value, str):
        violation = text_violation(value, pointer)
        if violation:
            yield violation
    elif isinstance(value, dict):
        for name, member in value.items():
            wrong = text_violation(name, pointer)
            if wrong:
                yield wrong
            else:
                yield from _walk(member, pointer + pointer_to(name))
    elif isinstance(value, list):
        for position, item in enumerate(value):
            yield from _walk(item, pointer + pointer_to(position))
    elif _out_of_range(value):
        yield Violation(code="number_out_of_range", message="Numbers must fit 64 bits.", pointer=pointer)


def _out_of_range(value: Any) -> bool:
    if isinstance(value, float):
        return math.isinf(value)
    return isinstance(value, int) and not -_INT64 <= value < _INT64


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(pairs) > MAX_MEMBERS:
        raise RequestInvalid(
            Violation(
                code="json_too_many_members", message=f"An object takes at most {MAX_MEMBERS} members.", pointer=""
            )
        )
    members = dict(pairs)
    if len(members) != len(pairs):
        raise JsonDuplicateKey
    return members


def _integer(digits: str) -> int:
    """Python takes its time over thousands of digits; past 64 bits any number will do, since it is refused."""
    return int(digits) if len(digits) <= 20 else _INT64


def _no_constant(_: str) -> Any:
    raise JsonInvalid("NaN and Infinity are not JSON.")


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_unique, parse_int=_integer, parse_constant=_no_constant)
