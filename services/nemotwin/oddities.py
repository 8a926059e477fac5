"""Drafts with things in them that nobody has documented (`contract §7.1`, `§7.2`): a client must carry them along."""

import copy
from typing import Any, Literal, TypeAlias

Oddity: TypeAlias = Literal["strange", "huge"]

HUGE_BYTES = 4 * 1024 * 1024

_STRANGE_TRACKS: list[dict[str, Any]] = [
    {"tt": 99, "m": {"name": "Überblendung 转场 🎬"}, "sg": [{"sim_no_length": True}]},
    {"tt": "sim_sticker", "sg": []},
    {"sim_kind": "nothing known", "sg": None},
    {"tt": 42, "sg": [{"d": 1250.5, "sim_start": 0, "sim_keys": {"": [None, 1e-9, -0.0, 9007199254740993]}}]},
]


def odd(draft: dict[str, Any], oddity: Oddity) -> dict[str, Any]:
    """Return a draft with oddities in it, always the same ones, so that two readings of one draft are equal.

    `strange` has unknown kinds of tracks, tracks and segments that lack what others have, and unknown keys at every
    level; `huge` is some megabytes more.
    """
    result = copy.deepcopy(draft)
    if oddity == "huge":
        result["sim_padding"] = "x" * HUGE_BYTES
        return result
    result["sim_version"] = {"major": 3, "flags": [True, None]}
    result.setdefault("m", {})["sim_note"] = "naïve 标题"
    for track in result.get("t", []):
        track["sim_id"] = f"track-{track.get('tt')}"
        for segment in track.get("sg") or []:
            segment["sim_locked"] = False
    result.setdefault("t", []).extend(copy.deepcopy(_STRANGE_TRACKS))
    return result
