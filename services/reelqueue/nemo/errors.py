"""From what NemoVideo, or the way to it, did to the class we raise. One table; nothing is unmapped.

A number is looked up first among the codes that only bodies carry, then, with the call it answers, among the HTTP
statuses. The upstream's documents mix the two (contract §3), so a status number in a body means what it means as a
status.

Whether a turn was executed is decided here too. `turn_refused` is the closed list of answers that prove it was not;
`PROVEN_UNSENT` is the smaller list after which the same instruction may be sent again. All else is open.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from reelqueue.domain.upstream import Credential, TurnReport
from reelqueue.errors import (
    ClientIdMissing,
    CreditsExhausted,
    ExportNotAllowed,
    FileTooLargeUpstream,
    FileUnsupportedUpstream,
    NotSent,
    RateLimited,
    RenderIdTaken,
    RenderUnknown,
    SessionNotFound,
    TokenRejected,
    TurnFailed,
    UpstreamError,
    UpstreamForbidden,
    UpstreamProtocolError,
    UpstreamRefused,
    UpstreamRequestInvalid,
    UpstreamUnavailable,
)
from reelqueue.kit.http import httpx
from reelqueue.nemo.envelope import Refusal, RefusalKind, number
from reelqueue.nemo.headers import redact


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


ErrorClass = type[UpstreamError]

BODY_CODES: Final[Mapping[int, ErrorClass]] = MappingProxyType(
    {
        1001: TokenRejected,
        1002: SessionNotFound,
        1010: TokenRejected,
        1011: TokenRejected,
        2001: CreditsExhausted,
        4001: FileUnsupportedUpstream,
        4002: FileTooLargeUpstream,
    }
)
"""Numbers that are no HTTP status."""

STATUSES: Final[Mapping[int, ErrorClass]] = MappingProxyType(
    {
        400: UpstreamRequestInvalid,
        401: TokenRejected,
        402: ExportNotAllowed,
        403: UpstreamForbidden,
        404: UpstreamRequestInvalid,
        405: UpstreamRequestInvalid,
        408: UpstreamUnavailable,
        409: UpstreamRequestInvalid,
        413: UpstreamRequestInvalid,
        415: UpstreamRequestInvalid,
        422: UpstreamRequestInvalid,
        425: UpstreamUnavailable,
        429: RateLimited,
    }
)
"""Numbers that mean the same everywhere, unless `PER_CALL` knows better."""

PER_CALL: Final[Mapping[tuple[Call, int], ErrorClass]] = MappingProxyType(
    {
        (Call.ANONYMOUS_TOKEN, 400): ClientIdMissing,
        (Call.RUN_TURN, 404): SessionNotFound,
        (Call.STATE, 404): SessionNotFound,
        (Call.UPLOAD, 404): SessionNotFound,
        (Call.UPLOAD, 413): FileTooLargeUpstream,
        (Call.UPLOAD, 415): FileUnsupportedUpstream,
        (Call.RENDER_SUBMIT, 409): RenderIdTaken,
        (Call.RENDER_POLL, 404): RenderUnknown,
        (Call.RENDER_CANCEL, 404): RenderUnknown,
        (Call.RENDER_DOWNLOAD, 404): RenderUnknown,
    }
)
"""Numbers whose meaning hangs on the call."""

_VAGUE: Final = (UpstreamRequestInvalid, UpstreamRefused)
_SESSION_GONE = re.compile(r"session[^.;]{0,40}not found|no such session|unknown session", re.IGNORECASE)
_ID_TAKEN = re.compile(r"duplicate|already (?:exists|used|been used|taken)", re.IGNORECASE)
_LONGEST_TEXT = 500

DEFINITE: Final = frozenset(BODY_CODES) | (frozenset(STATUSES) - {408, 425})
"""Numbers that, in an answer before a stream, say that the turn was not begun."""

PROVEN_UNSENT: Final = (NotSent, TokenRejected, SessionNotFound, CreditsExhausted, RateLimited)
"""What `run_turn` raises when the instruction may be sent again, once its cause is gone. Any other error of a turn
ends it: refused for a reason that a repeat would meet again, or open."""

TRANSPORT_FAILURES: Final = (httpx.HTTPError, httpx.InvalidURL, httpx.CookieConflict, httpx.StreamError)
"""All that httpx raises."""

_GARBLED: Final = (httpx.DecodingError, httpx.TooManyRedirects, httpx.StreamError)


def class_of(call: Call, refusal: Refusal) -> ErrorClass:
    """The class a refusal stands for."""
    code, status = refusal.code, refusal.status
    if code is not None and code in BODY_CODES:
        return BODY_CODES[code]
    decisive = code if code is not None and 300 <= code < 600 else status
    found = PER_CALL.get((call, decisive)) or STATUSES.get(decisive) or _family(decisive, refusal.kind)
    if found in _VAGUE and refusal.text:
        if call is Call.RENDER_SUBMIT and _ID_TAKEN.search(refusal.text):
            return RenderIdTaken
        if _SESSION_GONE.search(refusal.text):
            return SessionNotFound
    return found


def refused(
    call: Call, refusal: Refusal, *, retry_after: float | None = None, credential: Credential | None = None
) -> UpstreamError:
    """The exception for a refusal, with what the upstream said in `detail`, scrubbed of tokens."""
    detail: dict[str, Any] = {"call": call.value, "upstream_status": refusal.status}
    if refusal.code is not None:
        detail["upstream_code"] = refusal.code
    if refusal.text:
        detail["upstream_message"] = redact(refusal.text, credential)[:_LONGEST_TEXT]
    return class_of(call, refusal)(retry_after=retry_after, detail=detail)


def turn_refused(refusal: Refusal) -> bool:
    """Whether this answer to `/run_sse` proves that the turn was not begun.

    It does if the upstream says so itself: a JSON object with a code or a 4xx status of the table, or a bare 429. Any
    5xx, 408, redirect, code nobody has documented, and any 2xx that is neither stream nor explicit proves nothing.
    """
    if not (200 <= refusal.status < 300 or 400 <= refusal.status < 500) or refusal.status in {408, 425}:
        return False
    if refusal.status == 429:
        return True
    if refusal.kind is not RefusalKind.EXPLICIT:
        return False
    return (refusal.status if refusal.code is None else refusal.code) in DEFINITE


def unsent_or_broken(exc: Exception, *, bytes_sent: int, call: Call) -> UpstreamError:
    """The exception for one of `TRANSPORT_FAILURES` on any call but a turn.

    The byte counter decides, not the class: 0 is `NotSent`, anything else may have been acted upon.
    """
    detail = {"call": call.value, "cause": type(exc).__name__}
    if bytes_sent == 0:
        return NotSent(detail=detail)
    if isinstance(exc, _GARBLED):
        return UpstreamProtocolError(detail=detail)
    return UpstreamUnavailable(detail=detail)


def turn_failure(report: TurnReport) -> UpstreamError | None:
    """The error a turn that came to its end reported in its stream (contract §5.4), or `None`.

    A code of the gateway (credits that ran out on the way) keeps its class; all else is `TurnFailed`. Text or tools
    beside the error are in the report: whether they outweigh it is for the caller to say.
    """
    if report.error is None and report.error_code is None:
        return None
    found = BODY_CODES.get(number(report.error_code) or 0, TurnFailed)
    return found(detail={"upstream_code": report.error_code, "upstream_message": (report.error or "")[:_LONGEST_TEXT]})


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


def _family(status: int, kind: RefusalKind) -> ErrorClass:
    if status >= 500:
        return UpstreamUnavailable
    if status >= 400:
        return UpstreamRequestInvalid
    if status >= 300 or kind is RefusalKind.UNREADABLE:
        return UpstreamProtocolError
    return UpstreamRefused
