"""What came for a job after it had ended, as the job shows it."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime

from reelqueue.domain.outputs import Result


class RecoveryKind(enum.StrEnum):
    """What may still arrive: the files of exports, or the work of a turn."""

    RENDER = "render"
    TURN = "turn"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveredFile:
    """The file of one output, kept for a time. `output` is its index, from 0."""

    output: int
    result: Result


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """The files that came, or the version that a turn left behind. A version is kept for good: it never expires."""

    files: tuple[RecoveredFile, ...]
    """In the order of the outputs."""
    version: int | None
    at: datetime
    """When the last of it came."""
    expires_at: datetime | None
    gone: bool
    """Whether the files' time is over, by the database's clock."""

    @property
    def result(self) -> Result | None:
        """The first output's that has one, as for a job that succeeded."""
        return None if not self.files else self.files[0].result

    def file(self, output: int) -> Result | None:
        """The file of the output at that index."""
        return next((file.result for file in self.files if file.output == output), None)
