"""The one table: what NemoVideo, or the way to it, did; the class we raise; what the job does then.

`errors` and its neighbours look every class up here and know none by themselves. What a job does is decided in `jobs`,
by class and place; here it is written down, and a test compares each row with what the steps really do. From a class
on, the rest (public code, blame, fix) is in the class.

Numbers below 1000 mean the same as an HTTP status and in a body: the upstream's documents mix the two (contract §3).
For a turn the table answers the question on which money hangs: where its class is `TurnInterrupted` nothing proves that
the turn was not begun.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from reelqueue.domain.tokens import TokenScope
from reelqueue.errors import (
    ClientIdMissing,
    CreditsExhausted,
    ExportNotAllowed,
    FileTooLargeUpstream,
    FileUnsupportedUpstream,
    NoTimeline,
    NotSent,
    OutcomeUnknown,
    QuestionAsked,
    QuestionUnanswered,
    RateLimited,
    RenderFailed,
    RenderIdTaken,
    RenderTimedOut,
    RenderUnknown,
    ResultUnusable,
    SessionNotFound,
    TokenBlocked,
    TokenCooling,
    TokenRejected,
    TurnFailed,
    TurnInterrupted,
    UpstreamError,
    UpstreamForbidden,
    UpstreamProtocolError,
    UpstreamRefused,
    UpstreamRequestInvalid,
    UpstreamThrottled,
    UpstreamUnavailable,
)


class Call(enum.StrEnum):
    """The calls we make; what a number means can depend on which one it answers."""

    ANONYMOUS_TOKEN = "anonymous_token"  # noqa: S105 - a call's name
    CREATE_SESSION = "create_session"
    UPLOAD = "upload"
    BALANCE = "balance"
    STATE = "state"
    RUN_TURN = "run_turn"
    RENDER_SUBMIT = "render_submit"
    RENDER_POLL = "render_poll"
    RENDER_CANCEL = "render_cancel"
    RENDER_DOWNLOAD = "render_download"
    CLAIM_TOKEN = "claim_token"  # noqa: S105 - a call's name


class Where(enum.StrEnum):
    """In which place it is said."""

    ENVELOPE = "envelope"
    """A number in a JSON answer that is no HTTP status, or words where there is no number."""
    HTTP = "http"
    """The HTTP status, or the same number in a JSON answer."""
    STREAM = "stream"
    """A frame of the gateway inside a turn's stream: what an answer would say, after the head was accepted."""
    AGENT = "agent"
    """The agent's own words inside the stream: a frame with `error`, an event with `errorCode`, a last text."""
    RENDER = "render"
    """The report of an export."""
    FILE = "file"
    """The host of a finished file, which is not the API's."""
    TRANSPORT = "transport"
    """The way there and back."""
    THROTTLE = "throttle"
    """Our own limit of the token, before anything is sent."""
    STATE = "state"
    """What the session shows, or does not, when a turn is over."""


class Then(enum.Enum):
    """What the job does. The value is for people."""

    GOES_ON = "goes on without it"
    WAITS = "waits as long as it is told to, else 30 s, as all jobs of that token do; costs no attempt"
    TRIES_AGAIN = "tries the step again, a few times"
    ASKS_AGAIN = "asks for the same render again, for up to ten minutes"
    NEW_TOKEN = "fetches another anonymous token, once, and goes on; a supplied one is set aside and the job fails"  # noqa: S105 - a sentence
    NEW_SESSION = "makes a new session with all inputs; where earlier turns were paid for, it fails"
    NEW_RENDER = "exports again under a new id, once; then that output fails"
    NEEDS_CREDITS = "fails, or waits for more of them with `on_no_credits: wait`"
    RECONCILES = "looks at the session until it is known what the turn did; never sends it again"
    ASKS_OWNER = "asks its owner; fails if it may not, or is not answered in time"
    OUTPUT_FAILS = "gives up this one output; a job of one output fails"
    TRIES_OUTPUT_AGAIN = "tries again, a few times, at the URL as it is then; after that this one output fails"
    FAILS = "fails"


SCOPES: Final[Mapping[Call, TokenScope]] = MappingProxyType(
    {
        Call.BALANCE: TokenScope.READ,
        Call.STATE: TokenScope.READ,
        Call.CREATE_SESSION: TokenScope.WRITE,
        Call.RUN_TURN: TokenScope.WRITE,
        Call.UPLOAD: TokenScope.UPLOAD,
        Call.RENDER_SUBMIT: TokenScope.RENDER,
        Call.RENDER_POLL: TokenScope.RENDER,
    }
)
"""What a call is thought to need (contract §4.12). Only counted by, when it was refused: never checked beforehand."""

ErrorClass = type[UpstreamError]
ALL: Final = frozenset(Call)
TURN: Final = frozenset({Call.RUN_TURN})
FILES: Final = frozenset({Call.RENDER_DOWNLOAD})
UNUSED: Final = frozenset({Call.CLAIM_TOKEN})
"""Calls that no step makes."""

ANY_5XX: Final = "any other 5xx"
ANY_4XX: Final = "any other 4xx"
ANY_3XX: Final = "a redirect"
ANY_CODE: Final = "any other code, or `success: false`"
UNREADABLE: Final = "2xx without the JSON that is due"
BARE: Final = "a refusal without JSON, except 429"
SESSION_GONE: Final = "words that say there is no such session"
ID_TAKEN: Final = "words that say the id is taken"
UNSENT: Final = "no byte of the request left"
RATE_USED_UP: Final = "no request of the token's rate is free within two seconds"
COOLING: Final = "the token cools after a 429"
BLOCKED: Final = "the token is blocked"
"""Found with the intent, not by the client: what was decided a moment ago holds back what has not left."""
BROKEN: Final = "broke after the first byte"
GARBLED: Final = "an answer compressed, too large or beyond decoding"
ANY_WORD: Final = "any other `errorCode`"
ERROR_FRAME: Final = "a frame with `error`"
NOISE: Final = "“I encountered a temporary issue”, and nothing else"
SILENT_ENDING: Final = "MODEL_RETURNED_NO_CONTENT"
"""ADK's error code, since 2.x and without streaming, for a step that ended well and said nothing. About three edits in
ten end so (contract §6.2): the state tells what they did, and silence is no failure."""


_AT_WORST: Final[Mapping[Then, ErrorClass | None]] = MappingProxyType(
    {
        Then.GOES_ON: None,
        Then.WAITS: None,
        Then.ASKS_AGAIN: RenderTimedOut,
        Then.NEW_RENDER: RenderFailed,
        Then.RECONCILES: OutcomeUnknown,
    }
)
"""Where it is another class than the one that was met."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line. `what` is a number of the gateway's, a word of the upstream's, or a description.

    `error` is `None` where it is no error. `section` is where the contract says so.
    """

    where: Where
    what: int | str
    calls: frozenset[Call]
    error: ErrorClass | None
    then: Then
    section: str

    @property
    def may_cost(self) -> bool:
        """Whether the very turn that ended so may have been charged. Nothing else costs."""
        return self.where in {Where.STREAM, Where.AGENT, Where.STATE} or self.then is Then.RECONCILES

    @property
    def at_worst(self) -> ErrorClass | None:
        """What the job, or its output, fails with if nothing helps. `None` where it never does because of this."""
        return _AT_WORST.get(self.then, self.error)


_ASKED_AGAIN: Final = frozenset({NotSent, UpstreamUnavailable, UpstreamProtocolError})
_BY_CLASS: Final[Mapping[ErrorClass, Then]] = MappingProxyType(
    {
        RateLimited: Then.WAITS,
        UpstreamThrottled: Then.WAITS,
        TokenCooling: Then.WAITS,
        TokenBlocked: Then.WAITS,
        TokenRejected: Then.NEW_TOKEN,
        TurnInterrupted: Then.RECONCILES,
    }
)
_BY_PLACE: Final[Mapping[tuple[Call, ErrorClass], Then]] = MappingProxyType(
    {
        (Call.ANONYMOUS_TOKEN, TokenRejected): Then.FAILS,
        (Call.UPLOAD, SessionNotFound): Then.NEW_SESSION,
        (Call.STATE, SessionNotFound): Then.NEW_SESSION,
        **{
            (call, CreditsExhausted): Then.NEEDS_CREDITS
            for call in (Call.ANONYMOUS_TOKEN, Call.CREATE_SESSION, Call.RUN_TURN)
        },
        (Call.RENDER_SUBMIT, RenderIdTaken): Then.ASKS_AGAIN,
        (Call.RENDER_POLL, RenderUnknown): Then.NEW_RENDER,
    }
)


def _then(where: Where, error: ErrorClass | None, call: Call) -> Then:
    if error is None:
        return Then.GOES_ON
    pauses = issubclass(error, RateLimited)
    if call in {Call.RENDER_CANCEL, Call.CLAIM_TOKEN} or (call is Call.BALANCE and not pauses):
        return Then.GOES_ON
    if where in {Where.STREAM, Where.AGENT}:
        return Then.RECONCILES if error is TurnInterrupted else Then.FAILS
    if call in {Call.RENDER_SUBMIT, Call.RENDER_POLL} and error in _ASKED_AGAIN:
        return Then.ASKS_AGAIN
    usual = _BY_PLACE.get((call, error)) or _BY_CLASS.get(error)
    if usual is None:
        usual = Then.TRIES_AGAIN if error.tried_again else Then.FAILS
    if call is Call.RENDER_DOWNLOAD:
        return {Then.TRIES_AGAIN: Then.TRIES_OUTPUT_AGAIN, Then.FAILS: Then.OUTPUT_FAILS}.get(usual, usual)
    return usual


def _rows(
    where: Where,
    error: ErrorClass | None,
    section: str,
    *whats: int | str,
    calls: frozenset[Call] = ALL,
    then: Then | None = None,
) -> Iterator[Row]:
    """A row for each of `whats`, and for each group of calls after which the job does the same."""
    groups: dict[Then, set[Call]] = {}
    for call in sorted(calls):
        groups.setdefault(then or _then(where, error, call), set()).add(call)
    for what in whats:
        for outcome, group in groups.items():
            yield Row(where=where, what=what, calls=frozenset(group), error=error, then=outcome, section=section)


def _answers() -> Iterator[Row]:
    """Numbers and words of whole answers."""
    envelope, http = Where.ENVELOPE, Where.HTTP
    upload, submit = frozenset({Call.UPLOAD}), frozenset({Call.RENDER_SUBMIT})
    of_session = frozenset({Call.RUN_TURN, Call.STATE, Call.UPLOAD})
    of_render = frozenset({Call.RENDER_POLL, Call.RENDER_CANCEL, Call.RENDER_DOWNLOAD})
    anonymous = frozenset({Call.ANONYMOUS_TOKEN})
    wrong = UpstreamRequestInvalid
    yield from _rows(envelope, TokenRejected, "§3", 1001, 1010, 1011)
    yield from _rows(envelope, SessionNotFound, "§3", 1002, SESSION_GONE)
    yield from _rows(envelope, CreditsExhausted, "§3", 2001)
    yield from _rows(envelope, FileUnsupportedUpstream, "§3", 4001)
    yield from _rows(envelope, FileTooLargeUpstream, "§3", 4002)
    yield from _rows(envelope, RenderIdTaken, "§4.7", ID_TAKEN, calls=submit)
    yield from _rows(envelope, UpstreamRefused, "§3", ANY_CODE, calls=ALL - TURN)
    yield from _rows(envelope, UpstreamProtocolError, "§3", UNREADABLE, calls=ALL - TURN)
    yield from _rows(envelope, TurnInterrupted, "§5.5", ANY_CODE, UNREADABLE, BARE, calls=TURN)
    yield from _rows(http, ClientIdMissing, "§4.1", 400, calls=anonymous)
    yield from _rows(http, wrong, "§3", 400, calls=ALL - anonymous)
    yield from _rows(http, TokenRejected, "§3", 401)
    yield from _rows(http, ExportNotAllowed, "§3", 402)
    yield from _rows(http, UpstreamForbidden, "§3", 403)
    yield from _rows(http, SessionNotFound, "§3", 404, calls=of_session)
    yield from _rows(http, RenderUnknown, "§8.1", 404, calls=of_render)
    yield from _rows(http, wrong, "§3", 404, calls=ALL - of_session - of_render)
    yield from _rows(http, RenderIdTaken, "§4.7", 409, calls=submit)
    yield from _rows(http, wrong, "§3", 409, calls=ALL - submit)
    yield from _rows(http, FileTooLargeUpstream, "§3", 413, calls=upload)
    yield from _rows(http, FileUnsupportedUpstream, "§4.4", 415, calls=upload)
    yield from _rows(http, wrong, "§3", 413, 415, calls=ALL - upload)
    yield from _rows(http, wrong, "§3", 405, 422)
    yield from _rows(http, RateLimited, "§3", 429)
    yield from _rows(http, UpstreamUnavailable, "§3", 408, 425, 500, 502, 503, 504, ANY_5XX, calls=ALL - TURN)
    yield from _rows(http, wrong, "§3", ANY_4XX, calls=ALL - TURN)
    yield from _rows(http, UpstreamProtocolError, "§3", ANY_3XX, calls=ALL - TURN)
    doubtful = (408, 425, 500, 502, 503, 504, ANY_5XX, ANY_4XX, ANY_3XX)
    yield from _rows(http, TurnInterrupted, "§5.5", *doubtful, calls=TURN)


def _streams(answers: Iterable[Row]) -> Iterator[Row]:
    """What a stream says. A number of the gateway's means what it means before a stream, with one difference: the head
    was accepted, so nothing that comes after it can prove that the turn was not begun. Never sent again.
    """
    numbers = [row for row in answers if isinstance(row.what, int) and Call.RUN_TURN in row.calls]
    for row in numbers:
        yield from _rows(Where.STREAM, row.error, "§5.4", row.what, calls=TURN)
    yield from _rows(Where.STREAM, TurnInterrupted, "§5.4", ANY_CODE, calls=TURN)
    words = ("SAFETY", "MAX_TOKENS", "MALFORMED_FUNCTION_CALL", "RESOURCE_EXHAUSTED", "429", ANY_WORD)
    yield from _rows(Where.AGENT, TurnFailed, "§5.4", ERROR_FRAME, *words, NOISE, calls=TURN)
    yield from _rows(Where.AGENT, None, "§6.2", SILENT_ENDING, calls=TURN)
    yield from _rows(Where.AGENT, None, "§5.2", "finishReason", calls=TURN)
    yield from _rows(Where.AGENT, QuestionAsked, "§6.5", "a question", calls=TURN, then=Then.ASKS_OWNER)


def _exports() -> Iterator[Row]:
    """What comes of a render, and of its file."""
    poll = frozenset({Call.RENDER_POLL})
    failed = ("failed", "failure", "error", "canceled", "cancelled", "timeout")
    yield from _rows(Where.RENDER, RenderFailed, "§8.3", *failed, calls=poll, then=Then.NEW_RENDER)
    overdue = "still at work after ten minutes"
    yield from _rows(Where.RENDER, RenderTimedOut, "§8.2", overdue, calls=poll, then=Then.OUTPUT_FAILS)
    yield from _rows(Where.RENDER, None, "§8.3", "an unknown status word", calls=poll, then=Then.ASKS_AGAIN)
    yield from _rows(Where.RENDER, None, "§8.3", "completed without a URL", calls=poll)
    yield from _rows(Where.RENDER, UpstreamProtocolError, "§8.3", "neither a status nor a URL", calls=poll)
    unusable = ("any other 4xx", "cut short", "no MP4", "larger than allowed")
    yield from _rows(Where.FILE, ResultUnusable, "§4.8", *unusable, calls=FILES)
    busy = (408, 425, 429, "any 5xx", "no answer")
    yield from _rows(Where.FILE, UpstreamUnavailable, "§4.8", *busy, calls=FILES)


def _ways() -> Iterator[Row]:
    """What happens on the way, and what is found when a turn is over."""
    way, state = Where.TRANSPORT, Where.STATE
    yield from _rows(way, NotSent, "§8.1", UNSENT)
    yield from _rows(Where.THROTTLE, UpstreamThrottled, "§3", RATE_USED_UP)
    yield from _rows(Where.THROTTLE, TokenCooling, "§3", COOLING)
    yield from _rows(Where.THROTTLE, TokenBlocked, "§3", BLOCKED, calls=TURN)
    yield from _rows(way, UpstreamUnavailable, "§8.1", BROKEN, calls=ALL - TURN)
    yield from _rows(way, UpstreamProtocolError, "§3", GARBLED, calls=ALL - TURN)
    cuts = (BROKEN, GARBLED, "silent for ten minutes", "longer than 15 minutes")
    yield from _rows(way, TurnInterrupted, "§6.4", *cuts, calls=TURN)
    seen = frozenset({Call.STATE})
    yield from _rows(state, NoTimeline, "§7.1", "no track has a segment", calls=seen)
    unchanged = "unchanged after five looks at a broken turn"
    yield from _rows(state, OutcomeUnknown, "§6.4", unchanged, calls=seen)
    yield from _rows(state, UpstreamProtocolError, "§7.1", "a draft that is a string and no JSON", calls=seen)
    yield from _rows(state, QuestionUnanswered, "§6.5", "no answer from the owner", calls=TURN)


def _all() -> Iterator[Row]:
    answers = tuple(_answers())
    yield from answers
    yield from _streams(answers)
    yield from _exports()
    yield from _ways()


ROWS: Final = tuple(_all())
_BY_KEY: Final[Mapping[tuple[Where, int | str, Call], Row]] = MappingProxyType(
    {(row.where, row.what, call): row for row in ROWS for call in row.calls}
)


def row_of(where: Where, what: int | str, call: Call) -> Row | None:
    """The line for that, if the table has it by name."""
    return _BY_KEY.get((where, what, call))


def class_at(where: Where, what: int | str, call: Call) -> ErrorClass:
    """The class of a line that is there. Raises `KeyError`, which is a hole in the table."""
    error = _BY_KEY[where, what, call].error
    assert error is not None
    return error


DEFINITE: Final = frozenset(
    row.what
    for row in ROWS
    if row.where in {Where.ENVELOPE, Where.HTTP}
    and isinstance(row.what, int)
    and Call.RUN_TURN in row.calls
    and row.error is not TurnInterrupted
)
"""Numbers that, in an answer before a stream, say that the turn was not begun."""
