"""What the upstream tells us, as values: what steps read. The shapes on the wire are the business of `nemo`."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

ANONYMOUS_PREFIX: Final = "anon_"


@dataclass(frozen=True, slots=True)
class Credential:
    """A bearer token, ready for use. Its repr never shows it."""

    token_id: str
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class AnonymousToken:
    """A fresh anonymous token: about 100 credits and seven days (contract §4.1)."""

    token: str = field(repr=False)
    user_id: str | None
    credits: float | None
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class NemoSession:
    """One timeline upstream. `session_id` is 19 digits in a string: never a number (contract §4.2)."""

    session_id: str
    task_id: str | None
    user_id: str | None


@dataclass(frozen=True, slots=True)
class Balance:
    """Credits: `frozen` is reserved by running operations, `total` is both (contract §4.5)."""

    available: float
    frozen: float
    total: float


@dataclass(frozen=True, slots=True)
class UploadedFile:
    """One file as the upstream acknowledged it. Only `name` is certain (contract §4.4); `duration_s` is in seconds."""

    name: str
    kind: str | None = None
    url: str | None = None
    hash: str | None = None
    duration_s: float | None = None
    width: int | None = None
    height: int | None = None


@dataclass(frozen=True, slots=True)
class SessionState:
    """What `/api/state` says of a session.

    `draft` is the timeline exactly as read (opaque; sent back unmodified), or `None` before the first edit. The media
    lists are as read, with whatever keys they have (contract §7.3).
    """

    draft: Mapping[str, Any] | None
    uploads: tuple[Mapping[str, Any], ...]
    generated: tuple[Mapping[str, Any], ...]
    canvas: Mapping[str, Any] | None


class RenderPhase(enum.StrEnum):
    """Where an export stands, whatever word the upstream used for it (contract §8.3)."""

    PENDING = "pending"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class RenderReport:
    """One poll of an export. `progress` is 0 to 100; `url` may be missing even when completed (contract §4.8)."""

    phase: RenderPhase
    progress: float | None
    url: str | None = field(repr=False, default=None)
    error: str | None = None


class TurnEnd(enum.StrEnum):
    """How the stream of a turn ended. There is no end event; the close of the connection is the end (contract §5.1)."""

    CLOSED = "closed"
    ERROR_FRAME = "error_frame"


@dataclass(frozen=True, slots=True)
class TurnReport:
    """What one agent turn said and did, as far as the stream showed it.

    `texts` are the finished visible texts in order (no thoughts, nothing twice; contract §5.3). `tools` are the names
    of tools called, in order. `error` and `error_code` are set when the stream carried an error (contract §5.4).
    """

    end: TurnEnd
    texts: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    heartbeats: int = 0
    unknown_events: int = 0
    error: str | None = None
    error_code: str | None = None


@dataclass(frozen=True, slots=True)
class TurnProgress:
    """Something the open stream showed, for whoever watches: a finished text, a tool's name, or a heartbeat."""

    kind: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class OutputSpec:
    """The export that was asked for, in the upstream's words (contract §4.7)."""

    format: str = "mp4"
    quality: str = "high"
