"""What the twin saw and did, kept for assertions: nothing is ever removed but by a reset."""

import hashlib
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import TypeAdapter

from nemotwin.clock import Clock

_TOKEN = re.compile(r"nmv_usr_[A-Za-z0-9_\-]+")
ATTRIBUTION = ("x-skill-source", "x-skill-version", "x-skill-platform")
REQUESTS_KEPT = 20_000
"""Requests beyond this are counted only; a load test makes millions, and everything else is kept in full."""

TurnOutcome = Literal["running", "completed", "failed", "canceled", "partial", "lost"]
ChargeOutcome = Literal["frozen", "charged", "released"]


def fingerprint(token: str) -> str:
    """Name a token without telling it: the first 16 hex digits of its SHA-256."""
    return hashlib.sha256(token.encode()).hexdigest()[:16]


def masked(text: str) -> str:
    """Replace every token in `text` by its fingerprint."""
    return _TOKEN.sub(lambda found: f"token:{fingerprint(found.group())}", text)


def headers_of(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers worth keeping: all but the credentials, which only their presence is told of."""
    return {name: "…" if name in {"authorization", "cookie"} else masked(value) for name, value in headers.items()}


def attributed(headers: Mapping[str, str]) -> bool:
    """Say whether all three attribution headers are there and not empty (`contract §2.4`)."""
    return all(headers.get(name) for name in ATTRIBUTION)


@dataclass(slots=True, kw_only=True)
class Entry:
    """One line of the ledger. `at` is virtual, `real_at` real epoch seconds."""

    at: float
    real_at: float
    token: str | None
    headers: dict[str, str] = field(default_factory=dict)
    attributed: bool = False


@dataclass(slots=True, kw_only=True)
class RequestEntry(Entry):
    """One HTTP request to either origin, answered by itself or by a fault."""

    method: str
    path: str
    endpoint: str
    origin: Literal["api", "cdn"]
    status: int | None = None
    fault: str | None = None


@dataclass(slots=True, kw_only=True)
class TokenEntry(Entry):
    """A token that was issued."""

    user_id: str
    client_id: str | None
    plan: str


@dataclass(slots=True, kw_only=True)
class SessionEntry(Entry):
    """A session that was created."""

    session_id: str
    task_id: str
    user_id: str


@dataclass(slots=True, kw_only=True)
class TurnEntry(Entry):
    """One message to the agent and what became of it. `duplicate_of` names an earlier turn of equal text."""

    turn_id: str
    session_id: str
    message: str
    intent: str
    silent: bool
    snake_case: bool
    duplicate_of: str | None
    outcome: TurnOutcome = "running"
    changed_state: bool = False
    disconnected: bool = False
    finished_at: float | None = None
    real_finished_at: float | None = None


@dataclass(slots=True, kw_only=True)
class UploadEntry(Entry):
    """One file that was stored."""

    session_id: str
    filename: str
    mode: Literal["multipart", "url"]
    sha256: str
    size: int
    duplicate: bool


@dataclass(slots=True, kw_only=True)
class RenderEntry(Entry):
    """One submitted render, accepted or not."""

    render_id: str
    session_id: str
    accepted: bool
    refusal: str | None = None
    draft_verbatim: bool = True
    status: str = "pending"


@dataclass(slots=True, kw_only=True)
class ChargeEntry(Entry):
    """Credits frozen for a turn, and whether they were charged or released."""

    charge_id: str
    user_id: str
    session_id: str
    turn_id: str
    kind: str
    amount: int
    outcome: ChargeOutcome = "frozen"


@dataclass(slots=True)
class Book:
    """All the lines, by kind."""

    tokens: list[TokenEntry] = field(default_factory=list)
    sessions: list[SessionEntry] = field(default_factory=list)
    turns: list[TurnEntry] = field(default_factory=list)
    uploads: list[UploadEntry] = field(default_factory=list)
    renders: list[RenderEntry] = field(default_factory=list)
    charges: list[ChargeEntry] = field(default_factory=list)
    requests: list[RequestEntry] = field(default_factory=list)
    requests_not_kept: int = 0
    tokens_in_urls: list[RequestEntry] = field(default_factory=list)
    bearers_at_cdn: list[RequestEntry] = field(default_factory=list)


_BOOK = TypeAdapter(Book)


class Ledger:
    """Writes the lines and finds the doubles."""

    def __init__(self, *, clock: Clock, book: Book | None = None, wall: Callable[[], float] = time.time) -> None:
        """Continue `book`, or begin an empty one."""
        self._clock = clock
        self._wall = wall
        self.book = book or Book()
        self._first_turn: dict[tuple[str, str], str] = {}
        for turn in self.book.turns:
            self._first_turn.setdefault((turn.session_id, turn.message), turn.turn_id)

    def marks(self, seen: Entry) -> dict[str, Any]:
        """Return what every line has: the times of now, and the token and headers of the request that was `seen`."""
        at, real_at = self.stamp()
        return {
            "at": at,
            "real_at": real_at,
            "token": seen.token,
            "headers": seen.headers,
            "attributed": seen.attributed,
        }

    def stamp(self) -> tuple[float, float]:
        """Return the virtual and the real time of now."""
        return self._clock.now(), self._wall()

    def first_turn(self, session_id: str, message: str, turn_id: str) -> str | None:
        """Return the turn that sent `message` in this session first, or `None` if `turn_id` is that turn."""
        first = self._first_turn.setdefault((session_id, message), turn_id)
        return None if first == turn_id else first

    def add_request(self, entry: RequestEntry, *, raw_url: str) -> None:
        """Note a request; a token in its URL, or a bearer at the CDN, is noted once more on its own list."""
        if _TOKEN.search(raw_url):
            self.book.tokens_in_urls.append(entry)
        if entry.origin == "cdn" and "authorization" in entry.headers:
            self.book.bearers_at_cdn.append(entry)
        if len(self.book.requests) < REQUESTS_KEPT:
            self.book.requests.append(entry)
        else:
            self.book.requests_not_kept += 1

    def dump(self) -> bytes:
        """Return the whole book as JSON."""
        return _BOOK.dump_json(self.book)
