"""What stands in quotation marks is content: a title to show, a name, somebody's words. Rules on words look past it."""

from __future__ import annotations

import re
from typing import Final

BLANK: Final = "\0"
"""Stands for each character that was in quotation marks."""

_QUOTED: Final = re.compile(
    r"\"[^\"\n]{1,300}(?=\")"
    r"|“[^”\n]{1,300}(?=”)|„[^“”\n]{1,300}(?=[“”])|«[^»\n]{1,300}(?=»)"
    r"|「[^」\n]{1,300}(?=」)|『[^』\n]{1,300}(?=』)|《[^》\n]{1,300}(?=》)|‘[^’\n]{1,300}(?=’)"
    r"|`[^`\n]{1,300}(?=`)"
    r"|(?<!\w)'[^'\n]{1,300}(?='(?!\w))"
)


def without_quotes(text: str) -> str:
    """The text with every quoted character replaced by `BLANK`: same length, same places, the marks themselves kept."""
    parts: list[str] = []
    at = 0
    for start, end in _spans(text):
        parts += [text[at:start], BLANK * (end - start)]
        at = end
    return "".join(parts) + text[at:]


def quotations(text: str) -> tuple[str, ...]:
    """What is quoted, in order."""
    return tuple(text[start:end] for start, end in _spans(text))


def _spans(text: str) -> list[tuple[int, int]]:
    """Where the quoted insides begin and end. A straight mark closes before another one may open."""
    spans: list[tuple[int, int]] = []
    at = 0
    while found := _QUOTED.search(text, at):
        spans.append((found.start() + 1, found.end()))
        at = found.end() + 1
    return spans
