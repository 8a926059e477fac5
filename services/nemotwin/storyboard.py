"""Read a draft the way the renderer does: which pictures, for how long, with what text and sound."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nemotwin.drafts import AUDIO, DEFAULT_VOLUME, TEXT, VIDEO
from nemotwin.edits import PORTRAIT

LONGEST_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Shot:
    """A picture (its path, or `None` for a plain card) and its share of the film in seconds."""

    picture: str | None
    seconds: float


@dataclass(frozen=True, slots=True)
class Caption:
    """A text and when it is seen, in seconds."""

    text: str
    start: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Storyboard:
    """Everything a film is made from. Width and height are even; `volume` 0.0 is silence."""

    width: int
    height: int
    fps: int
    shots: tuple[Shot, ...]
    captions: tuple[Caption, ...]
    volume: float

    @property
    def seconds(self) -> float:
        """The length of the film."""
        return sum(shot.seconds for shot in self.shots)


class UnrenderableError(ValueError):
    """The draft has nothing to render; the message is what the render's `error` says."""


def from_draft(
    draft: Any, *, output: Mapping[str, Any], pictures: Mapping[str, str], fps: int, max_side: int
) -> Storyboard:
    """Read a draft (an object, or a string of JSON). `pictures` are the paths by `sim_src`.

    Raises `UnrenderableError` where there is no video segment.
    """
    if isinstance(draft, str):
        draft = _parsed(draft)
    tracks = draft.get("t") if isinstance(draft, dict) else None
    tracks = [track for track in tracks or [] if isinstance(track, dict)]
    shots = [
        Shot(
            pictures.get(segment.get("sim_src", "")), min(max(float(segment.get("d", 0)) / 1000, 0.1), LONGEST_SECONDS)
        )
        for segment in _segments(tracks, VIDEO)
    ]
    if not shots:
        raise UnrenderableError("draft has no segments")
    captions = tuple(
        Caption(str(segment["sim_text"]), segment.get("sim_start", 0) / 1000, segment.get("d", 0) / 1000)
        for segment in _segments(tracks, TEXT)
        if segment.get("sim_text")
    )
    volumes = [track.get("m", {}).get("sim_volume", DEFAULT_VOLUME) for track in tracks if track.get("tt") == AUDIO]
    width, height = _size(draft.get("m", {}), output, max_side)
    wished = output.get("fps")
    return Storyboard(
        width=width,
        height=height,
        fps=wished if isinstance(wished, int) and 1 <= wished <= 60 else fps,
        shots=tuple(shots),
        captions=captions,
        volume=max(volumes, default=0.0),
    )


def renderable(draft: Any) -> bool:
    """Say whether `from_draft` would find anything to show."""
    try:
        from_draft(draft, output={}, pictures={}, fps=1, max_side=64)
    except UnrenderableError:
        return False
    return True


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise UnrenderableError("draft is not JSON") from error


def _segments(tracks: list[dict[str, Any]], kind: int) -> list[dict[str, Any]]:
    return [segment for track in tracks if track.get("tt") == kind for segment in track.get("sg") or []]


def _size(meta: Mapping[str, Any], output: Mapping[str, Any], max_side: int) -> tuple[int, int]:
    """Take the draft's size, scaled to the short side that `output.resolution` names, within `max_side`."""
    width, height = int(meta.get("width") or PORTRAIT.width), int(meta.get("height") or PORTRAIT.height)
    scale = 1.0
    resolution = str(output.get("resolution") or "").removesuffix("p")
    if resolution.isdigit():
        scale = int(resolution) / min(width, height)
    scale = min(scale, max_side / max(width, height))
    return max(round(width * scale / 2) * 2, 16), max(round(height * scale / 2) * 2, 16)
