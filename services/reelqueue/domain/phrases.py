"""Word lists as patterns: one alternative a line, so that a rule on words can be read and reviewed."""

from __future__ import annotations


def either(lines: str) -> str:
    """A group of the lines' patterns, tried in their order. Blank lines part nothing."""
    return f"(?:{'|'.join(_alternatives(lines))})"


def words(lines: str) -> str:
    """The same, where each match begins and ends at the edge of a word; "it's" is one word.

    For languages that part their words.
    """
    return rf"(?<![\w'’]){either(lines)}(?![\w'’])"


def _alternatives(lines: str) -> list[str]:
    stripped = (line.strip() for line in lines.splitlines())
    return [line for line in stripped if line]
