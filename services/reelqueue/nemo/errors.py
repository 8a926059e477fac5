"""Looking up in the one table (`error_table`) what NemoVideo, or the way to it, did. Nothing is unmapped.

A number is looked up first among the codes that only bodies carry, then, with the call it answers, among the HTTP
statuses. The upstream's documents mix the two (contract §3), so a status number in a body means what it means as a
status.

Whether a turn was executed is decided here too. `turn_refused` is the closed list of answers that prove it was not;
`PROVEN_UNSENT` is the smaller list after which the same instruction may be sent again. All else is open. Inside a
stream nothing is proof any more: a code that would be one before it fails the turn, and `leaves_open` names the rest.
"""

from __future__ import annotations

import re
from typing import Any, Final

from reelqueue.domain.upstream import Credential, TurnReport
from reelqueue.errors import (
    CreditsExhausted,
    NotSent,
    RateLimited,
    SessionNotFound,
    TokenBlocked,
    TokenCooling,
    TokenRejected,
    TurnInterrupted,
    UpstreamError,
    UpstreamForbidden,
    UpstreamRefused,
    UpstreamRequestInvalid,
    UpstreamThrottled,
)
from reelqueue.kit.http import httpx
from reelqueue.nemo import error_table as table
from reelqueue.nemo.envelope import Refusal, RefusalKind
from reelqueue.nemo.error_table import DEFINITE, Call, ErrorClass, Where
from reelqueue.nemo.headers import redact

_VAGUE: Final = (UpstreamRequestInvalid, UpstreamRefused)
_SESSION_GONE = re.compile(r"session[^.;]{0,40}not found|no such session|unknown session", re.IGNORECASE)
_ID_TAKEN = re.compile(r"duplicate|already (?:exists|used|been used|taken)", re.IGNORECASE)
_LONGEST_TEXT = 500

PROVEN_UNSENT: Final = (
    NotSent,
    TokenRejected,
    SessionNotFound,
    CreditsExhausted,
    RateLimited,
    UpstreamThrottled,
    TokenCooling,
    TokenBlocked,
)
"""What `run_turn` raises when the instruction may be sent again, once its cause is gone. Any other error of a turn
ends it: refused for a reason that a repeat would meet again, or open."""

TRANSPORT_FAILURES: Final = (httpx.HTTPError, httpx.InvalidURL, httpx.CookieConflict, httpx.StreamError)
"""All that httpx raises."""

_GARBLED: Final = (httpx.DecodingError, httpx.TooManyRedirects, httpx.StreamError)


def class_of(call: Call, refusal: Refusal) -> ErrorClass:
    """The class a refusal stands for."""
    found = _by_number(call, refusal)
    if found in _VAGUE and refusal.text:
        if call is Call.RENDER_SUBMIT and _ID_TAKEN.search(refusal.text):
            return table.class_at(Where.ENVELOPE, table.ID_TAKEN, call)
        if _SESSION_GONE.search(refusal.text):
            return table.class_at(Where.ENVELOPE, table.SESSION_GONE, call)
    return found


def _by_number(call: Call, refusal: Refusal) -> ErrorClass:
    code, status = refusal.code, refusal.status
    if code is not None and table.row_of(Where.ENVELOPE, code, call):
        return table.class_at(Where.ENVELOPE, code, call)
    decisive = code if code is not None and 300 <= code < 600 else status
    if table.row_of(Where.HTTP, decisive, call):
        return table.class_at(Where.HTTP, decisive, call)
    if decisive >= 300:
        family = {3: table.ANY_3XX, 4: table.ANY_4XX}.get(decisive // 100, table.ANY_5XX)
        return table.class_at(Where.HTTP, family, call)
    kind = table.UNREADABLE if refusal.kind is RefusalKind.UNREADABLE else table.ANY_CODE
    return table.class_at(Where.ENVELOPE, kind, call)


def refused(
    call: Call, refusal: Refusal, *, retry_after: float | None = None, credential: Credential | None = None
) -> UpstreamError:
    """The exception for a refusal, with what the upstream said in `detail`, scrubbed of tokens."""
    detail: dict[str, Any] = {"call": call.value, "upstream_status": refusal.status}
    if refusal.code is not None:
        detail["upstream_code"] = refusal.code
    if refusal.text:
        detail["upstream_message"] = redact(refusal.text, credential)[:_LONGEST_TEXT]
    error = class_of(call, refusal)(retry_after=retry_after, detail=detail)
    if isinstance(error, UpstreamForbidden) and refusal.kind is RefusalKind.EXPLICIT:
        # A page without JSON comes from what stands before NemoVideo: it may dislike a text, or our address.
        error.scope = table.SCOPES.get(call)
    return error


def turn_refused(refusal: Refusal) -> bool:
    """Whether this answer to `/run_sse` proves that the turn was not begun.

    It does if the upstream says so itself: a JSON object with a code or a 4xx status of the table, or a bare 429. Any
    5xx, 408, redirect, code nobody has documented, and any 2xx that is neither stream nor explicit proves nothing.
    """
    number, status = refusal.code, refusal.status
    if not (200 <= status < 300 or 400 <= status < 500) or _is_open(status):
        return False
    if status == 429:
        return True
    if refusal.kind is not RefusalKind.EXPLICIT:
        return False
    return (status if number is None else number) in DEFINITE


def _is_open(status: int) -> bool:
    """Whether the table names this very status as one that proves nothing of a turn."""
    row = table.row_of(Where.HTTP, status, Call.RUN_TURN)
    return row is not None and row.error is TurnInterrupted


def unsent_or_broken(exc: Exception, *, bytes_sent: int, call: Call) -> UpstreamError:
    """The exception for one of `TRANSPORT_FAILURES` on any call but a turn.

    The byte counter decides, not the class: 0 is `NotSent`, anything else may have been acted upon.
    """
    detail = {"call": call.value, "cause": type(exc).__name__}
    what = table.GARBLED if isinstance(exc, _GARBLED) else table.BROKEN
    return table.class_at(Where.TRANSPORT, what if bytes_sent else table.UNSENT, call)(detail=detail)


def turn_failure(report: TurnReport) -> UpstreamError | None:
    """The error a turn that came to its end reported in its stream (contract §5.4), or `None`.

    A number of the gateway's is read as in an answer; what the agent says of itself is `TurnFailed`, whatever its code
    looks like. Text or tools beside the error are in the report: whether they outweigh it is for the caller to say.
    """
    if report.error is None and report.error_code is None and report.gateway_code is None:
        return None
    code = report.error_code if report.gateway_code is None else report.gateway_code
    detail = {"upstream_code": code, "upstream_message": (report.error or "")[:_LONGEST_TEXT]}
    return _class_in_stream(report)(detail=detail)


def leaves_open(report: TurnReport) -> bool:
    """Whether the stream ended with a code of the gateway that tells nothing of the turn behind it.

    It may go on without the gateway, as after a 5xx in place of a stream.
    """
    return report.gateway_code is not None and _class_in_stream(report) is TurnInterrupted


def is_failure(agent_code: str) -> bool:
    """Whether an event with this `errorCode` says that something went wrong."""
    row = table.row_of(Where.AGENT, agent_code, Call.RUN_TURN)
    return row is None or row.error is not None


def _class_in_stream(report: TurnReport) -> ErrorClass:
    if report.gateway_code is not None:
        known = table.row_of(Where.STREAM, report.gateway_code, Call.RUN_TURN)
        return table.class_at(Where.STREAM, known.what if known else table.ANY_CODE, Call.RUN_TURN)
    if report.error_code is None:
        return table.class_at(Where.AGENT, table.ERROR_FRAME, Call.RUN_TURN)
    known = table.row_of(Where.AGENT, report.error_code, Call.RUN_TURN)
    return table.class_at(Where.AGENT, known.what if known else table.ANY_WORD, Call.RUN_TURN)


def without_frames(exc: BaseException) -> BaseException:
    """The exception, and all it was caused by, without stack frames and without the request.

    The frames of the HTTP library hold the request's headers in local variables; some log formatters print those.
    """
    link: BaseException | None = exc
    seen: set[int] = set()
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        link.__traceback__ = None
        if isinstance(link, httpx.RequestError):
            link._request = None  # noqa: SLF001 - it has no public way to forget
        link = link.__cause__ or link.__context__
    return exc
