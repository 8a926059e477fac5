"""The edits a timeline knows. Times are milliseconds."""

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class AddTitle:
    """Show `text` for the first `ms`."""

    text: str
    ms: int


@dataclass(frozen=True, slots=True)
class RemoveTitles:
    """Take every text track away."""


@dataclass(frozen=True, slots=True)
class AddMusic:
    """Lay music under the whole timeline, in place of what music there is."""

    name: str


@dataclass(frozen=True, slots=True)
class RemoveMusic:
    """Take every audio track away."""


@dataclass(frozen=True, slots=True)
class SetVolume:
    """Set the volume of the music, 0.0 to 1.0."""

    volume: float


@dataclass(frozen=True, slots=True)
class TrimStart:
    """Cut the first `ms` off."""

    ms: int


@dataclass(frozen=True, slots=True)
class TrimEnd:
    """Cut the last `ms` off."""

    ms: int


@dataclass(frozen=True, slots=True)
class SetDuration:
    """Make the whole timeline `ms` long."""

    ms: int


@dataclass(frozen=True, slots=True)
class ChangeSpeed:
    """Play `factor` times faster."""

    factor: float


@dataclass(frozen=True, slots=True)
class AddEffect:
    """Lay an effect, a grade or a transition over the whole timeline."""

    name: str


Edit: TypeAlias = (
    AddTitle
    | RemoveTitles
    | AddMusic
    | RemoveMusic
    | SetVolume
    | TrimStart
    | TrimEnd
    | SetDuration
    | ChangeSpeed
    | AddEffect
)


@dataclass(frozen=True, slots=True)
class Canvas:
    """The size of the picture in pixels, both even."""

    width: int
    height: int

    def aspect_ratio(self) -> str:
        """Spell the ratio the usual way when it is a usual one, else as `W:H`."""
        known = {(9, 16): "9:16", (16, 9): "16:9", (1, 1): "1:1", (4, 5): "4:5", (4, 3): "4:3", (3, 4): "3:4"}
        for (across, down), name in known.items():
            if abs(self.width * down - self.height * across) <= max(across, down) * 2:
                return name
        return f"{self.width}:{self.height}"


PORTRAIT = Canvas(1080, 1920)
