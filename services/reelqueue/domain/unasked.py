"""Which new tracks nobody asked for.

After the raw clip the upstream adds music, titles, effects and colour by itself (contract §6.3). Whether the
instruction asked for such a thing is decided by its words, English and Chinese. In doubt it did ask: to call something
unasked that was wished for is the worse mistake.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from reelqueue.domain.quoted import quotations, without_quotes
from reelqueue.domain.timeline import Kind, Track


class Extra(enum.StrEnum):
    """What the second stage adds."""

    MUSIC = "music"
    TITLE = "title"
    EFFECT = "effect"
    COLOUR = "colour"


_WORDS: Final[Mapping[Extra, re.Pattern[str]]] = MappingProxyType(
    {
        Extra.MUSIC: re.compile(
            r"\b(?:bgm|music\w*|soundtracks?|songs?|audio|tunes?|beats?|lo-?fi|jazz|piano|guitar|orchestra\w*|melod\w+"
            r"|score|sounds?|sfx|voice-?\s?overs?|narrat\w+|instrumental|rhythm)\b"
            r"|音乐|音樂|配乐|配樂|背景乐|歌|音效|配音|旁白|伴奏|旋律|声音|钢琴|爵士"
        ),
        Extra.TITLE: re.compile(
            r"\b(?:titles?|text|captions?|headings?|headlines?|subtitles?|lettering|saying|says|reading|words"
            r"|lower[- ]thirds?|slogans?|taglines?|watermarks?|credits|labels?|cta|call[- ]to[- ]action|typography)\b"
            r"|标题|標題|字幕|文字|文案|写着|写上|文本|标语|水印"
        ),
        Extra.EFFECT: re.compile(
            r"\b(?:effects?|fx|vfx|fad(?:e[sd]?|ing)|transitions?|zoom\w*|filters?|vignettes?|stickers?|emojis?|overlays?"
            r"|glitch\w*|blur\w*|slow[- ]motion|slow[- ]mo|ken burns|particles?|sparkl\w+|light leaks?|film grain)\b"
            r"|特效|效果|转场|轉場|淡入|淡出|变焦|贴纸|滤镜|动效|慢动作|虚化|模糊"
        ),
        Extra.COLOUR: re.compile(
            r"\b(?:colou?r\w*|grad(?:e[sd]?|ing)|luts?|tints?|tones?|warmer|cooler|colder|bright(?:er|en\w*|ness)|darker"
            r"|darken\w*|contrast\w*|saturat\w+|vibrant|vintage|sepia|monochrome|black[- ]and[- ]white|b&w|exposure"
            r"|filters?|looks?)\b"
            r"|调色|調色|颜色|顏色|色调|色彩|滤镜|暖色|冷色|亮度|对比度|饱和|黑白|复古"
        ),
    }
)
_EVERYTHING: Final = re.compile(
    r"\b(?:finishing touches|post[- ]?production|polish\w*|fully (?:produced|edited)|the works|everything you need)\b"
    r"|后期|后期制作|精修|润色|完整制作"
)
_CLAUSES: Final = re.compile(
    r"[.!?;。！？；\n]+|[,，]|\b(?:but|instead|then)\b|但是?|而是|然后"
    r"|\b(?:and|with)\s+(?=(?:add|put|make|use|give|set|include|insert|create|show|write|have|apply)\b)"
    r"|(?:并且?|再|另外)(?=[加添用配])"
)
_NEGATION: Final = re.compile(
    r"\b(?:no|not|without|don['’]?t|do not|never|skip|omit|remove|delete|strip|drop|avoid|mute|free of|leave out|neither|nor)\b"
    r"|不要|不用|不需要|无需|不加|不带|别|去掉|删除|删掉|移除|没有|静音|无(?=[音配字标特滤])"
)
_GOES_ON: Final = re.compile(r"\s*(?:and|or|nor|any|和|或|以及)?\s*(?:the|a|an|any|other)?\s*")
_WISH: Final = re.compile(r"\b(?:add|put|use|give|include|insert|apply|want|with|write|show)\b|加|添|配上|放|用|写")
_NAME_WORDS: Final = re.compile(r"[^\W\d_]{5,}")
_VAGUE_NAMES: Final = frozenset({"effect", "effects", "track", "layer", "untitled", "video"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What an instruction asks for among the things the second stage adds, and what it forbids."""

    asked: frozenset[Extra]
    forbidden: frozenset[Extra]


def wishes_in(instruction: str) -> Wishes:
    """Read an instruction. What is both asked for and forbidden ("remove the music and add jazz") is asked for."""
    plain = without_quotes(instruction).lower()
    asked: set[Extra] = set(Extra) if _EVERYTHING.search(plain) else set()
    forbidden: set[Extra] = set()
    for clause, negated_from in _clauses(plain):
        for extra, words in _WORDS.items():
            for found in words.finditer(clause):
                (forbidden if negated_from is not None and found.start() >= negated_from else asked).add(extra)
    return Wishes(asked=frozenset(asked), forbidden=frozenset(forbidden - asked))


def unasked(added: Iterable[Track], instruction: str) -> tuple[Track, ...]:
    """The new tracks that the instruction neither asked for nor quoted. New video is never among them."""
    wishes = wishes_in(instruction)
    quoted = [text.casefold().strip() for text in quotations(instruction)]
    return tuple(track for track in added if not _is_asked(track, wishes, quoted, instruction.casefold()))


def _is_asked(track: Track, wishes: Wishes, quoted: list[str], instruction: str) -> bool:
    if track.kind is Kind.VIDEO or _is_quoted(track, quoted):
        return True
    extras = _extras(track)
    if extras & wishes.asked:
        return True
    if track.kind is not Kind.OTHER or extras <= wishes.forbidden:
        return False
    words = set(_NAME_WORDS.findall((track.name or "").casefold())) - _VAGUE_NAMES
    return any(word in instruction for word in words)


def _is_quoted(track: Track, quoted: list[str]) -> bool:
    labels = [track.name, *(segment.text for segment in track.segments)]
    return any(label.casefold().strip() in quoted for label in labels if label)


def _extras(track: Track) -> frozenset[Extra]:
    """What the track is. A type without a public number is told by its name, and may else be either."""
    if track.kind is Kind.AUDIO:
        return frozenset({Extra.MUSIC})
    if track.kind is Kind.TEXT:
        return frozenset({Extra.TITLE})
    name = (track.name or "").lower()
    told = frozenset(extra for extra in (Extra.EFFECT, Extra.COLOUR) if _WORDS[extra].search(name))
    return told or frozenset({Extra.EFFECT, Extra.COLOUR})


def _clauses(plain: str) -> Iterator[tuple[str, int | None]]:
    """Each clause, and from which character on it forbids. A list goes on forbidding: "no music, text or effects"."""
    negated = False
    for clause in _CLAUSES.split(plain):
        found = _NEGATION.search(clause)
        start = found.start() if found else 0 if negated and _continues(clause) else None
        negated = start is not None
        yield clause, start


def _continues(clause: str) -> bool:
    if _WISH.search(clause):
        return False
    begin = _GOES_ON.match(clause)
    at = begin.end() if begin else 0
    return any(words.match(clause, at) for words in _WORDS.values())
