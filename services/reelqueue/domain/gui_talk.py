"""Agent text for somebody who has no screen (contract §10.2).

The upstream answers as if there were an editor to click in. What it says of the film stays, to the byte. What it says
of buttons goes, clause by clause, and what that was about comes back as hints: the gateway does these things itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from reelqueue.domain.gui_phrases import CONTENT_FOLLOWS, GUI, HINTS, SPEAKS_OF_ITSELF, STORY_FOLLOWS, Hint
from reelqueue.domain.phrases import words
from reelqueue.domain.quoted import without_quotes
from reelqueue.domain.sentences import Span, clauses, sentences

NOTHING_DONE: Final[Mapping[Hint, str]] = MappingProxyType({})
LONGEST_CLAUSE: Final = 400
"""How much of a clause is looked at, in characters: nobody gives an order at greater length."""
_MOST_PASSES: Final = 50
"""Taking one thing out may bring another to light. Each pass shortens the text; no sane one needs more than three."""

_MARKER: Final = re.compile(r"\s*(?:(?:[-*•·>#]+|\(?\d{1,2}[.)、])\s+)?")
_TAIL: Final = re.compile(r"[.!?。！？…]*[”’」』》）)\]\"'*_]*\s*$")
_PARENTHESES: Final = re.compile(r"[ \t]?\([^()（）]*\)|（[^()（）]*）")
_SEPARATORS: Final = " \t,，;；—–-"
_JOINER: Final = re.compile(r"(?:(?:and|but|so|then|while)\b|并且?|然后|而且)[\s,，]*", re.IGNORECASE)
_NEWS: Final = re.compile(r"\b(?:i|we|i['’](?:ve|ll|m)|we['’](?:ve|ll|re))\b|\bha(?:s|ve) been\b|我|已")
_DEPENDENT: Final = re.compile(
    words(
        """
        to|if|when|whenever|while|once|for|in|on|at|from|with|after|before|until|unless|by|via|as|since|so that|that|which
        where|or|then|just|simply|please|next|now|finally|first|second|also|alternatively|otherwise|instead|additionally|here
        """
    )
    + "|(?:如|若|当|想|要|待|等|为了|一旦|即|就|便|以|来|可|进行|然后|再|从而|选择|或|请|接着|最后|首先)"
)
_DEPENDENT_END: Final = re.compile(r"(?:后|时|的话|之前|前)$")
_SUBJECT: Final = re.compile(
    r"(?:(?:the|your|our|it|it['’]s|this|that|there|they|these|all|everything)\b"
    r".*\b(?:is|are|was|were|will|has|have|now|\w{2,}ed)\b)"
    r"|(?:目前|现在|这|该|标题|字幕|音乐|配乐|背景|画面|视频|时间线|片段|特效|效果)"
)
_LIST_AHEAD: Final = re.compile(r"\b(?:steps?|options?|ways?|things|following)\b|如下|步骤|方式|以下")
_ON_SCREEN: Final = re.compile(
    r"button|panel|menu|icon|corner|toolbar|sidebar|\btab\b|download|按钮|面板|菜单|图标|即可|就可以|就能|会自动|将自动|下载|保存"
)
_HAN: Final = re.compile(r"[\u3400-\u9fff]")


@dataclass(frozen=True, slots=True)
class Translated:
    """A text without GUI talk, and what that talk was about, in order, each once. An empty text was nothing else."""

    text: str
    hints: tuple[Hint, ...] = ()


@dataclass(frozen=True, slots=True)
class TranslatedTexts:
    """Several texts of one turn. Those of which nothing is left are gone."""

    texts: tuple[str, ...]
    hints: tuple[Hint, ...]


def translate(text: str, done: Mapping[Hint, str] = NOTHING_DONE) -> Translated:
    """Take GUI talk out of a text; for each hint that `done` has a sentence for, that sentence is put at the end.

    A text without GUI talk comes back as it is. Translating twice changes nothing more, provided that `done` speaks of
    no buttons itself.
    """
    hints: dict[Hint, None] = {}
    left = text
    for _ in range(_MOST_PASSES):
        shorter = _without_gui(left, hints)
        if shorter == left:
            break
        left = shorter
    for hint in hints:
        if hint in done:
            left = f"{left}{_seam(left)}{done[hint]}"
    return Translated(left, tuple(hints))


def translate_all(texts: Iterable[str]) -> TranslatedTexts:
    """Translate the texts of a turn, each by itself."""
    done = [translate(text) for text in texts]
    hints = dict.fromkeys(hint for one in done for hint in one.hints)
    return TranslatedTexts(tuple(one.text for one in done if one.text.strip()), tuple(hints))


def _seam(text: str) -> str:
    if not text:
        return ""
    return " " if text.rstrip().endswith((".", "!", "?", "。", "！", "？")) else "\n"


def _without_gui(text: str, hints: dict[Hint, None]) -> str:
    """One pass. Both halves of the work, the text and the same text with quotations blanked, keep step by line."""
    kept: list[str | None] = []
    lines = text.split("\n")
    for line, masked in zip(lines, without_quotes(text).split("\n"), strict=True):
        kept.append(_line(line, masked, hints))
    if kept == lines:
        return text
    return "\n".join(_closed_up(kept))


def _line(line: str, masked: str, hints: dict[Hint, None]) -> str | None:
    """The line without GUI talk, or `None` when nothing of it is left."""
    parts = [
        (line[start:end], _sentence(line[start:end], masked[start:end], hints)) for start, end in sentences(masked)
    ]
    if all(before == after for before, after in parts):
        return line
    rest = "".join(after for _, after in parts).rstrip()
    return None if _MARKER.fullmatch(rest + " ") or not rest else rest


def _closed_up(kept: list[str | None]) -> list[str]:
    """The lines that are left, without headings that lost all they announced and blank lines that part nothing."""
    lines: list[str] = []
    lost_next = False
    for line in reversed(kept):
        if line is None:
            lost_next = True
            continue
        announced_nothing = not lines or not lines[-1].strip()
        if lost_next and announced_nothing and line.rstrip().endswith((":", "：")):
            continue
        if lost_next and announced_nothing and not line.strip():
            continue
        lost_next = False
        lines.append(line)
    lines.reverse()
    if kept and kept[0] is None:
        while lines and not lines[0].strip():
            lines.pop(0)
    return lines


def _sentence(raw: str, masked: str, hints: dict[Hint, None]) -> str:
    raw, masked = _without_asides(raw, masked, hints)
    parts = _judged(masked)
    if not any(is_gui for _, is_gui in parts):
        return raw
    for (start, end), is_gui in parts:
        if is_gui:
            hints.setdefault(_hint(raw[start:end].lower()))
    begin = _match_end(_MARKER, masked)
    tail = _TAIL.search(masked)
    stop = max(tail.start() if tail else len(masked), begin)
    runs: list[str] = []
    for run, opens in _runs(parts, begin, stop):
        if text := _standing(raw, run, opens=opens):
            runs.append(text)
    if not runs:
        return ""
    comma = "，" if _HAN.search(runs[-1]) else ", "
    return raw[:begin] + comma.join(runs) + raw[stop:]


def _judged(masked: str) -> list[tuple[Span, bool]]:
    """Each clause, and whether it is GUI talk. What a colon announces as content is content."""
    judged: list[tuple[Span, bool]] = []
    told, shown = False, False
    for start, end in clauses(masked):
        clause = masked[start:end].lower()
        judged.append(((start, end), not (told or shown) and _is_gui(clause)))
        told = told or STORY_FOLLOWS.search(clause) is not None
        shown = CONTENT_FOLLOWS.search(clause) is not None
    return judged


def _is_gui(clause: str) -> bool:
    head = clause[:LONGEST_CLAUSE]
    return SPEAKS_OF_ITSELF.search(head) is None and GUI.search(head) is not None


def _hint(clause: str) -> Hint:
    return next((hint for hint, pattern in HINTS.items() if pattern.search(clause)), "edit")


def _without_asides(raw: str, masked: str, hints: dict[Hint, None]) -> tuple[str, str]:
    """The sentence without parentheses that are GUI talk."""
    for found in reversed(list(_PARENTHESES.finditer(masked))):
        start, end = found.span()
        inside = found.group().strip(" \t()（）")
        if any(is_gui for _, is_gui in _judged(inside)):
            hints.setdefault(_hint(raw[start:end].lower()))
            raw, masked = raw[:start] + raw[end:], masked[:start] + masked[end:]
    return raw, masked


def _runs(parts: list[tuple[Span, bool]], begin: int, stop: int) -> list[tuple[list[Span], bool]]:
    """Neighbouring clauses that are no GUI talk, cut to the sentence's body; the flag says that they open it."""
    runs: list[tuple[list[Span], bool]] = []
    follows_gui = True
    for place, (span, is_gui) in enumerate(parts):
        start, end = max(span[0], begin), min(span[1], stop)
        if is_gui:
            follows_gui = True
        elif start < end:
            if follows_gui:
                runs.append(([], place == 0))
            runs[-1][0].append((start, end))
            follows_gui = False
    return runs


def _standing(raw: str, run: list[Span], *, opens: bool) -> str:
    """The run as it can stand by itself, or nothing where it was only there for the GUI talk beside it."""
    run = [span for span in run if raw[slice(*span)].strip()]
    while run and _leans(raw[slice(*run[-1])]):
        run = run[:-1]
    while not opens and len(run) > 1 and _trails(raw, run[0]):
        run = run[1:]
    if not run:
        return ""
    text = raw[run[0][0] : run[-1][1]].strip(_SEPARATORS)
    if not opens:
        text = text[_match_end(_JOINER, text) :]
    low = text.lower()
    if _is_fragment(text) or not (_NEWS.search(low) or _tells(low, opens=opens)):
        return ""
    text = text.rstrip(":：")
    return text if opens or not "a" <= text[0] <= "z" else text[0].upper() + text[1:]


def _leans(clause: str) -> bool:
    """Whether a clause only prepares what follows it: "to change them,"."""
    low = clause.strip(_SEPARATORS).lower()
    low = low[_match_end(_JOINER, low) :]
    return not _NEWS.search(low) and (_DEPENDENT.match(low) is not None or _DEPENDENT_END.search(low) is not None)


def _trails(raw: str, clause: Span) -> bool:
    """Whether a clause behind GUI talk says when to do that: "Click Export when you're ready, and …".

    It is joined to it without a comma, or what follows begins anew with "and".
    """
    joined = raw[: clause[0]].rstrip()[-1:] not in _SEPARATORS
    anew = _JOINER.match(raw[clause[1] :].lstrip(_SEPARATORS)) is not None
    return _leans(raw[slice(*clause)]) and (joined or anew)


def _is_fragment(text: str) -> bool:
    han = len(_HAN.findall(text))
    return han < 3 if han else len(text.split()) < 2


def _tells(low: str, *, opens: bool) -> bool:
    """Whether a run says something of the film. Behind GUI talk that is less likely, and more is asked of it."""
    if low.endswith((":", "：")):
        return _SUBJECT.match(low) is not None and _LIST_AHEAD.search(low) is None
    return opens or (_SUBJECT.match(low) is not None and _ON_SCREEN.search(low) is None)


def _match_end(pattern: re.Pattern[str], text: str) -> int:
    found = pattern.match(text)
    return found.end() if found else 0
