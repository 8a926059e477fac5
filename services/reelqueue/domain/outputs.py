"""What a job exports: each output that was asked for, how far it is, and the file it came to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

RENDERED: Final = 100
"""The progress of an output whose file is ready upstream."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The finished file. `bytes` is its size; `blob_key` is ours and never public."""

    blob_key: str
    sha256: str
    bytes: int
    duration_ms: int
    width: int
    height: int
    container: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """What to export: the upstream's words for container and quality (contract §4.7)."""

    format: str = "mp4"
    quality: str = "high"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportError:
    """Why one output failed, in public words. `link` is where a person can do something about it."""

    code: str
    message: str
    link: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """How far one output is. It is settled once it has a result or an error."""

    progress: int = 0
    result: Result | None = None
    error: ExportError | None = None

    @property
    def is_settled(self) -> bool:
        """Whether nothing more will be done about it."""
        return self.result is not None or self.error is not None


UNTOUCHED: Final = Export()
