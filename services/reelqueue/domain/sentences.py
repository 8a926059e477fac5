"""Where sentences and clauses begin and end, English and Chinese. All of it keeps every character in its place.

Texts come with their quotations blanked out (`quoted.without_quotes`), so that what is quoted is never cut.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

Span = tuple[int, int]
"""From which character on, and up to which, the second not included."""

_END: Final = re.compile(
    r"[。！？…]+[”’」』》）)\]\"'*_]*"
    r"|(?<![.!?])(?:(?<!\be\.g)(?<!\bi\.e)(?<!\betc)(?<!\bvs)(?<!\bapprox)[.!?]|[.!?]{2})[.!?]*[”’\")\]'*_]*(?=\s|$)"
)
_MARKER: Final = re.compile(r"\s*(?:[-*•·>#]+|\(?\d{1,2}[.)、])\s*$")
_CLAUSE_END: Final = re.compile(
    r"[;；，]|,(?=\s)|[:：](?=\s|[^\x00-\x7f])|\s[—–-]{1,2}(?=\s)|——|—"
    r"|\s(?=(?:and|or|but|so|then|while|where|which|if|when|once)\s)"
)


def sentences(line: str) -> Iterator[Span]:
    """The sentences of a line, each with the white space after it. A list marker belongs to what follows it."""
    start = 0
    for found in _END.finditer(line):
        if found.end() <= start or _MARKER.fullmatch(line, start, found.end()):
            continue
        end = found.end()
        while end < len(line) and line[end].isspace():
            end += 1
        yield start, end
        start = end
    if start < len(line):
        yield start, len(line)


def clauses(sentence: str) -> Iterator[Span]:
    """The clauses of a sentence, each with the separator after it."""
    start = 0
    for found in _CLAUSE_END.finditer(sentence):
        if found.end() > start:
            yield start, found.end()
            start = found.end()
    if start < len(sentence):
        yield start, len(sentence)
