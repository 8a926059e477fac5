"""Read an instruction, English or Chinese, by rule: what it asks for, not yet what will be done about it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from nemotwin.edits import (
    PORTRAIT,
    AddEffect,
    AddMusic,
    AddTitle,
    Canvas,
    ChangeSpeed,
    Edit,
    RemoveMusic,
    RemoveTitles,
    SetDuration,
    SetVolume,
    TrimEnd,
    TrimStart,
)

DEFAULT_TITLE_MS = 3000
LONGEST_MS = 120_000

_WORDS = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10}
_HAN = {"一": 1, "两": 2, "二": 2, "三": 3, "四": 4, "五": 5, "六": 6, "七": 7, "八": 8, "九": 9, "十": 10}
_NUMBER = rf"(\d+(?:\.\d+)?|{'|'.join(_WORDS)}|[{''.join(_HAN)}])"
_SECONDS = rf"{_NUMBER}[\s-]*(?:seconds?|secs?|s\b|秒钟?)"

_QUOTED = re.compile(r"\"([^\"]+)\"|“([^”]+)”|「([^」]+)」|『([^』]+)』|《([^》]+)》|‘([^’]+)’|(?<!\w)'([^']+)'(?!\w)")
_HOLE = re.compile(r"\x00(\d+)\x00")
_CLAUSES = re.compile(
    r"[.!?](?=\s|$)|[,;\n。，；！？、]+|\b(?:and then|and|then|plus|also|with)\b|(?:并且|然后|同时|以及|并|和|再加)"
)

_GENERATE = re.compile(
    r"\b(?:animat\w+|generat\w+|creat\w+|bring\w*\b.*\bto life|turn\b.*\binto"
    r"|make\b.*\b(?:video|clip|move|film|movie|reel)|produce\w*|storyboard)\b|生成|制作|创建|动画|动起来|做一?个|做成|拍"
)
_FILM = re.compile(r"\b(?:video|film|movie|clip|time-?lapse)\b|视频|短片")
_REGENERATE = re.compile(
    r"\b(?:regenerat\w+|redo|start over|generate (?:it )?again|generate another|another (?:clip|video|version)"
    r"|new (?:clip|video|version))\b|重新生成|再来一个|重做"
)
_SLIDESHOW = re.compile(r"\bslide ?show\b|幻灯片")
_TITLE = re.compile(
    r"\b(?:titles?|text|captions?|heading|headline|subtitles?|saying|says|words|lettering)\b|标题|字幕|文字|写着",
    re.IGNORECASE,
)
_MUSIC = re.compile(r"\b(?:bgm|music|soundtrack|song|audio|tune|beat|lo-?fi)\b|音乐|配乐|背景乐|歌")
_GENRES = ("lo-fi", "lofi", "jazz", "piano", "upbeat", "cinematic", "ambient", "classical", "rock", "acoustic", "epic")
_VOLUME = re.compile(r"\b(?:volume|quieter|louder|lower|softer)\b|音量|小声|大声")
_PERCENT = re.compile(r"(\d{1,3})\s*(?:%|percent|％)")
_REMOVE = re.compile(r"\b(?:remove|delete|strip|drop|without|no|mute)\b|去掉|删除|删掉|不要|移除|静音")
_TRIM = re.compile(r"\b(?:trim|cut|crop off|remove|delete|shorten|drop)\b|剪掉|裁掉|删掉|去掉|剪去")
_FIRST = re.compile(rf"\b(?:first|opening)\s+{_SECONDS}|(?:前|开头){_SECONDS}")
_LAST = re.compile(rf"\b(?:last|final)\s+{_SECONDS}|(?:最后|结尾|后){_SECONDS}")
_ANY_SECONDS = re.compile(_SECONDS)
_LASTING = re.compile(r"\W*(?:lasting|for|shown?|持续|显示)")
_SPEED = re.compile(
    r"\b(?:speed(?:ed)? (?:it )?up|faster|slow(?:ed)? (?:it )?down|slower|slow motion)\b|加速|减速|慢动作"
)
_FACTOR = re.compile(r"(\d+(?:\.\d+)?)\s*(?:x\b|倍)")
_SLOWER = re.compile(r"slow|减速|慢")
_EFFECT = re.compile(
    r"\b(?:fades?|effects?|colou?rs?|grad(?:e|ing)|filter|transitions?|zoom|vignette|vintage|warm|brighter"
    r"|cinematic look)\b|特效|滤镜|调色|转场|淡入|淡出|变焦"
)
_EXACT = re.compile(r"\b(\d{2,4})\s*[x×]\s*(\d{2,4})\b")
_SHORT_SIDE = re.compile(r"\b(2160|1440|1080|720|540|480|360|240)p\b")
_RATIOS = (
    (re.compile(r"\blandscape\b|\bhorizontal\b|16\s*[:：比]\s*9|横屏|横版"), (16, 9)),
    (re.compile(r"\bsquare\b|(?<!\d)1\s*[:：比]\s*1(?!\d)|方形|正方"), (1, 1)),
    (re.compile(r"(?<!\d)4\s*[:：比]\s*5"), (4, 5)),
    (re.compile(r"(?<!\d)4\s*[:：比]\s*3"), (4, 3)),
    (re.compile(r"\bportrait\b|\bvertical\b|9\s*[:：比]\s*16|竖屏|竖版"), (9, 16)),
)
_CHINESE = re.compile(r"[\u4e00-\u9fff]")
_ASK_ME = re.compile(r"\bask me\b|问我|先问")
_PICTURE = re.compile(
    r"\b(?:this|the|my|these|those|uploaded)\s+(?:\w+\s+)?(?:photos?|pictures?|images?)\b|照片|图片|这张"
)
_GREETING = re.compile(r"^\W*(?:hi|hello|hey|thanks?|thank you|你好|谢谢)\W*$")
_FILLER = re.compile(
    r"\b(?:please|can|could|you|i|want|need|would|like|to|a|an|the|me|my|us|it|this|that|some|something|nice|good|cool|better"
    r"|great|make|makes|create|generate|produce|do|video|videos|clip|film|movie|for|of|with|and|in|be|look|pop|one|new"
    r"|seconds?|second|short|long|animate|change|improve|edit)\b|请|帮我|我要|我想|想要|一个|一下|视频|生成|制作|创建|做|的|吧"
)


@dataclass(frozen=True, slots=True)
class Instruction:
    """What an instruction asks for."""

    text: str
    edits: tuple[Edit, ...]
    canvas: Canvas | None
    duration_ms: int | None
    generates: bool
    regenerates: bool
    slideshow: bool
    asks_to_be_asked: bool
    names_picture: bool
    greets: bool
    vague: bool
    chinese: bool
    quotes: bool


def read(text: str) -> Instruction:
    """Read an instruction. Never fails: what is not understood is `vague`."""
    quotes: list[str] = []

    def hole(found: re.Match[str]) -> str:
        quotes.append(next(group for group in found.groups() if group is not None))
        return f"\x00{len(quotes) - 1}\x00"

    plain = _QUOTED.sub(hole, text)
    low = plain.lower()
    edits: list[Edit] = []
    duration: int | None = None
    for clause in _CLAUSES.split(plain):
        found = list(_edits(clause, quotes))
        lengths = [edit.ms for edit in found if isinstance(edit, SetDuration)]
        if lengths and edits and isinstance(edits[-1], AddTitle) and _LASTING.match(clause.lower()):
            edits[-1] = AddTitle(edits[-1].text, lengths[0])
            continue
        edits.extend(edit for edit in found if not isinstance(edit, SetDuration))
        duration = lengths[0] if lengths and duration is None else duration
    return Instruction(
        text=text,
        edits=tuple(edits),
        canvas=_canvas(low),
        duration_ms=duration,
        generates=bool(_GENERATE.search(low) or (_FILM.search(low) and not edits)),
        regenerates=bool(_REGENERATE.search(low)),
        slideshow=bool(_SLIDESHOW.search(low)),
        asks_to_be_asked=bool(_ASK_ME.search(low)),
        names_picture=bool(_PICTURE.search(low)),
        greets=bool(_GREETING.search(low)),
        vague=not re.sub(r"[\W\d_]+", "", _FILLER.sub("", low)),
        chinese=bool(_CHINESE.search(text)),
        quotes=bool(quotes),
    )


def _edits(clause: str, quotes: list[str]) -> Iterator[Edit]:
    low = clause.lower()
    removes = _REMOVE.search(low)
    first, last, length = _ms(_FIRST, low), _ms(_LAST, low), _ms(_ANY_SECONDS, low)
    if _TITLE.search(low):
        if removes:
            yield RemoveTitles()
        else:
            yield AddTitle(_title_text(clause, quotes), first or length or DEFAULT_TITLE_MS)
        return
    if _MUSIC.search(low) or _VOLUME.search(low):
        yield from _music(clause, quotes, removes=removes is not None)
        return
    if _TRIM.search(low) and (first or last):
        yield TrimStart(first) if first else TrimEnd(last or 0)
        return
    if _SPEED.search(low):
        factor = float(found.group(1)) if (found := _FACTOR.search(low)) else 2.0
        yield ChangeSpeed(1 / max(factor, 1.0) if _SLOWER.search(low) else max(factor, 0.1))
        return
    if _EFFECT.search(low):
        yield AddEffect(clause.strip().strip("\x00")[:60])
    elif _HOLE.search(clause) and (first or not _GENERATE.search(low)):
        yield AddTitle(_title_text(clause, quotes), first or DEFAULT_TITLE_MS)
        return
    if length and not first and not last:
        yield SetDuration(min(length, LONGEST_MS))


def _music(clause: str, quotes: list[str], *, removes: bool) -> Iterator[Edit]:
    low = clause.lower()
    percent = _PERCENT.search(low)
    if removes:
        yield RemoveMusic()
        return
    if not _VOLUME.search(low) or re.search(r"\badd\b|加", low):
        quoted = _HOLE.search(clause)
        genre = next((name for name in _GENRES if name in low), "lo-fi")
        yield AddMusic(quotes[int(quoted.group(1))] if quoted else genre.capitalize().replace("Lofi", "Lo-fi"))
    if percent:
        yield SetVolume(min(int(percent.group(1)), 100) / 100)
    elif _VOLUME.search(low):
        yield SetVolume(1.0 if re.search(r"louder|大声", low) else 0.35)


def _title_text(clause: str, quotes: list[str]) -> str:
    if quoted := _HOLE.search(clause):
        return quotes[int(quoted.group(1))].strip()
    after = _TITLE.split(clause, maxsplit=1)[-1]
    after = re.split(r"\b(?:for|in|at|during)\b", after, maxsplit=1)[0]
    words = re.sub(r"^\W*(?:(?:called|named|that|reading|is|of|to|as)\b\W*)*", "", after).strip(" .!?:：")
    return words[:80] or "Title"


def _ms(pattern: re.Pattern[str], low: str) -> int | None:
    if found := pattern.search(low):
        word = next(group for group in found.groups() if group)
        return round(1000 * float(_WORDS.get(word) or _HAN.get(word) or word))
    return None


def _canvas(low: str) -> Canvas | None:
    if exact := _EXACT.search(low):
        return Canvas(_even(int(exact.group(1))), _even(int(exact.group(2))))
    short = int(found.group(1)) if (found := _SHORT_SIDE.search(low)) else None
    ratio = next((ratio for pattern, ratio in _RATIOS if pattern.search(low)), None)
    if ratio is None and short is None:
        return None
    across, down = ratio or (9, 16)
    side = min(short or PORTRAIT.width, PORTRAIT.width)
    if across >= down:
        return Canvas(_even(side * across / down), _even(side))
    return Canvas(_even(side), _even(side * down / across))


def _even(value: float) -> int:
    return max(2, min(round(value / 2) * 2, 3840))
