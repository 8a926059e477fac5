"""What the upstream tells us, as values: what steps read. The shapes on the wire are the business of `nemo`."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from reelqueue.domain.pace import UNKNOWN, Pace
from reelqueue.errors import TurnInterrupted

ANONYMOUS_PREFIX: Final = "anon_"


@dataclass(frozen=True, slots=True)
class Credential:
    """A bearer token, ready for use, and how fast it may be used. Its repr never shows the token."""

    token_id: str
    token: str = field(repr=False)
    pace: Pace = field(default=UNKNOWN, compare=False, repr=False)


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
    """One file as the upstream acknowledged it. Only `name` is certain (contract §4.4); `duration_s` is in seconds.

    `applied` is `False` when the upstream says it keeps the file but did not add it to the session.
    """

    name: str
    kind: str | None = None
    url: str | None = None
    hash: str | None = None
    duration_s: float | None = None
    width: int | None = None
    height: int | None = None
    applied: bool = True


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
    """How the stream of a turn ended. There is no end event; the close of the connection is the end (contract §5.1).

    `INTERRUPTED` is met only inside a `TurnCut`: the report of what a broken stream showed before it broke.
    """

    CLOSED = "closed"
    ERROR_FRAME = "error_frame"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class TurnReport:
    """What one agent turn said and did, as far as the stream showed it.

    `texts` are the finished visible texts in order (no thoughts, nothing twice; contract §5.3). `tools` are the names
    of tools called, in order. `error` is set when the stream carried one (contract §5.4). Its code, if it had one, is
    in one of two places by its origin, since the same digits mean different things: `error_code` is the agent's, a word
    of its model or framework; `gateway_code` is the number of an envelope, from the gateway in front of the agent.
    """

    end: TurnEnd
    texts: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    heartbeats: int = 0
    unknown_events: int = 0
    error: str | None = None
    error_code: str | None = None
    gateway_code: int | None = None


@dataclass(frozen=True, slots=True)
class TurnProgress:
    """Something the open stream showed, for whoever watches.

    `kind` is `text` (finished), `tool` (its name, when it is called), `result` (its name, each time it answers; a long
    tool answers first that it has begun), or `heartbeat`.
    """

    kind: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class OutputSpec:
    """The export that was asked for, in the upstream's words (contract §4.7)."""

    format: str = "mp4"
    quality: str = "high"


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file on this machine's disk, to be sent up under `name`."""

    path: Path
    name: str
    media_type: str


@dataclass(frozen=True, slots=True)
class ClaimToken:
    """Opens the project in a browser and has no API rights (contract §4.11). `expires_in_s` is about seven days."""

    token: str = field(repr=False)
    expires_in_s: float | None = None


@dataclass(frozen=True, slots=True)
class TurnLimits:
    """How long a turn may take, and how long it may show nothing but heartbeats, in seconds (contract §6.4)."""

    total_s: float = 900.0
    idle_s: float = 600.0


class TurnControl:
    """The caller's hold on one turn while `run_turn` blocks. For one turn only.

    `gate` is called once, on the thread of `run_turn`, when the connection stands and before the first byte of the
    request: the place to commit the intent. If it raises, nothing is sent and its exception comes out of `run_turn`.
    """

    def __init__(self, gate: Callable[[], None], limits: TurnLimits | None = None) -> None:
        self.gate = gate
        self.limits = limits or TurnLimits()
        self._aborted = False
        self._bytes_sent = 0
        self._hang_up: Callable[[], None] | None = None

    @property
    def aborted(self) -> bool:
        """Whether `abort` was called."""
        return self._aborted

    @property
    def bytes_sent(self) -> int:
        """Request bytes handed to the socket so far. 0 proves that nothing was sent; more proves nothing."""
        return self._bytes_sent

    def abort(self) -> None:
        """End the turn from any thread: `run_turn` raises `NotSent` or `TurnCut` soon after. Safe to repeat.

        Closing a live stream may cancel the paid work behind it (contract §5.5).
        """
        self._aborted = True
        if self._hang_up is not None:
            self._hang_up()

    def bind(self, hang_up: Callable[[], None]) -> None:
        """For the client: how to end the connection that now stands. Called at once if `abort` came first."""
        self._hang_up = hang_up
        if self._aborted:
            hang_up()

    def count(self, size: int) -> None:
        """For the client: that many request bytes are about to be handed to the socket."""
        self._bytes_sent += size


class CutReason(enum.StrEnum):
    """Why a turn's stream is not to be trusted to have ended."""

    ABORTED = "aborted"
    IDLE = "idle"
    TOO_LONG = "too_long"
    BROKEN = "broken"
    UNREADABLE = "unreadable"
    GATEWAY = "gateway"
    """A code inside the stream that tells nothing of the turn behind it, such as 503."""


class TurnCut(TurnInterrupted):
    """The editing stream broke off; what it did is being found out."""

    def __init__(self, *, reason: CutReason, partial: TurnReport) -> None:
        """`partial` is what the stream showed before; it is no part of `detail`, which is public."""
        super().__init__(detail={"reason": reason.value})
        self.reason = reason
        self.partial = partial
