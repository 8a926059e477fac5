"""Where a message goes: export, credits, status and upload are handled here and free; everything else is the agent's.

The table is the upstream's own (contract §10.1). Its keywords are read as phrases, clause by clause: a keyword counts
where the clause says nothing else. So "export-quality colours please", "add the text "Download now"" and "regenerate
it" reach the agent, and "add a title, then export" does both, in that order. When in doubt, it is the agent's.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from reelqueue.domain.quoted import BLANK, without_quotes
from reelqueue.domain.routing_phrases import CHATTER, MAKES_ANEW, VOCABULARIES, Intent

LONGEST_CLAUSE: Final = 200
"""A longer clause is no plain request for anything."""

_CLAUSE_END: Final = re.compile(
    r"(?<![.!?;。！？；\n])[.!?;。！？；\n]+(?=\s|$|[^\x00-\x7f])|[,，、]|\s[-–—]\s"
    r"|\b(?:and )?then\b|\b(?:and|after that|afterwards|finally)\b|然后|接着|之后|最后|并且?|再(?=导|下|保|输)"
)
_REST: Final = re.compile(r"[^\W_]|" + BLANK)
_COMPOUND: Final = re.compile(r"(?<=[a-z])-(?=[a-z])")
_SCRIPT_EDGE: Final = re.compile(r"(?<=[\u3400-\u9fff])(?=[a-z0-9])|(?<=[a-z0-9])(?=[\u3400-\u9fff])")
_NAMED: Final = re.compile(rf"[\"“'‘「『《`]{BLANK}+[\"”'’」』》`]")
_WRAPPED: Final = re.compile(r"\s*[\"“'‘「『`]([^\"“”'‘’「」『』`\n]{1,60})[\"”'’」』`]\s*")
_LOOSE_END: Final = re.compile(r"(?:[\s,，、;；—–-]|\b(?:and|then)\b|然后|接着|最后|再|并且?)+$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Routed:
    """What a message wants, in order. `text` is what goes to the agent, `None` where nothing does."""

    steps: tuple[Intent, ...]
    text: str | None = None

    @property
    def intent(self) -> Intent:
        """The message in one word: the agent's where it is concerned at all."""
        return Intent.AGENT if Intent.AGENT in self.steps else self.steps[0]


@dataclass(frozen=True, slots=True)
class _Clause:
    start: int
    text: str
    intent: Intent | None
    """`None`: it only praises, thanks or greets, or says more of what a clause beside it asks for."""


def route(message: str, *, has_files: bool = False) -> Routed:
    """Decide what a message wants. `has_files` says that files came with it; they are uploaded before anything else."""
    if wrapped := _WRAPPED.fullmatch(message):
        message = wrapped.group(1)
    asked = [clause for clause in _clauses(message) if clause.intent is not None]
    agents = [place for place, clause in enumerate(asked) if clause.intent in {Intent.AGENT, Intent.UPLOAD}]
    if not any(clause.intent is Intent.AGENT for clause in asked):
        return _routed(_intents(asked), None, message, has_files=has_files)
    before, after = asked[: agents[0]], asked[agents[-1] + 1 :]
    end = after[0].start if after else len(message)
    text = message[asked[agents[0]].start if before else 0 : end].strip()
    steps = [*_intents(before), Intent.AGENT, *_intents(after)]
    return _routed(steps, _LOOSE_END.sub("", text) if after else text, message, has_files=has_files)


def _intents(clauses: Iterable[_Clause]) -> list[Intent]:
    """What the clauses ask for, in order, each once."""
    return list(dict.fromkeys(clause.intent for clause in clauses if clause.intent is not None))


def _routed(steps: list[Intent], text: str | None, message: str, *, has_files: bool) -> Routed:
    if has_files:
        steps = [Intent.UPLOAD, *(step for step in steps if step is not Intent.UPLOAD)]
    return Routed(tuple(steps), text) if steps else Routed((Intent.AGENT,), message)


def _clauses(message: str) -> list[_Clause]:
    plain = without_quotes(_plain(message))
    clauses: list[_Clause] = []
    start = 0
    for end, after in [*((found.start(), found.end()) for found in _CLAUSE_END.finditer(plain)), (len(plain),) * 2]:
        clause = plain[start:end]
        if _REST.search(clause):
            clauses.append(_Clause(start, clause, _intent_of(clause)))
        start = after
    named = {clause.intent for clause in clauses} & VOCABULARIES.keys()
    return [replace(clause, intent=None) if _only_adds(clause, named) else clause for clause in clauses]


def _only_adds(clause: _Clause, named: Iterable[Intent | None]) -> bool:
    """Whether a clause that names nothing itself has only words that belong to what another clause asks for."""
    if clause.intent is not Intent.AGENT:
        return False
    spaced = _spaced(clause.text)
    beside = (VOCABULARIES[intent].beside for intent in named if intent is not None)
    return any(not _REST.search(words.sub(" ", spaced)) for words in beside)


def _plain(message: str) -> str:
    """The message in lower case and plain letters, each character in its place."""
    folded = (unicodedata.normalize("NFKC", char).lower() for char in message.replace("’", "'"))
    return "".join(new if len(new) == 1 else old for new, old in zip(folded, message, strict=True))


def _intent_of(clause: str) -> Intent | None:
    if len(clause) > LONGEST_CLAUSE or MAKES_ANEW.search(clause):
        return Intent.AGENT
    spaced = _spaced(clause)
    for intent, vocabulary in VOCABULARIES.items():
        named_things = spaced if intent is Intent.CREDITS else _NAMED.sub(" ", spaced)
        rest, named = vocabulary.names.subn(" ", named_things)
        if named and not _REST.search(vocabulary.beside.sub(" ", rest)):
            return intent
    return None if CHATTER.match(clause) else Intent.AGENT


def _spaced(clause: str) -> str:
    """With white space where one script meets another, and with compounds as one word: they name something else."""
    return _SCRIPT_EDGE.sub(" ", _COMPOUND.sub("_", " ".join(clause.split())))
