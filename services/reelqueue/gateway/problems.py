"""Every answer that is not a success: RFC 9457 problem documents."""

from __future__ import annotations

import math
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from reelqueue.errors import (
    AuthenticationRequired,
    CallerError,
    DependencyUnavailable,
    IdempotencyKeyInProgress,
    MethodNotAllowed,
    NotFound,
    RangeNotSatisfiable,
    ReelqueueError,
    RepairsUnavailable,
    ScopeMissing,
    StorageFull,
)
from reelqueue.gateway.errors import RequestInvalid, Violation
from reelqueue.gateway.rates import note_refusal, rate_headers
from reelqueue.gateway.responses import dumps

MEDIA_TYPE: Final = "application/problem+json"
ERRORS_PAGE: Final = "/docs/errors"
_DEFAULT_RETRY_AFTER_S: Final = {
    DependencyUnavailable: 2,
    IdempotencyKeyInProgress: 1,
    RepairsUnavailable: 5,
    StorageFull: 60,
}


def problem_document(error: ReelqueueError, *, request_id: str) -> dict[str, Any]:
    """The problem, public. What `error.detail` says beside stands under its own names."""
    return {
        **error.detail,
        "type": f"{ERRORS_PAGE}#{error.code}",
        "title": (type(error).__doc__ or "").strip().partition("\n")[0],
        "status": error.status,
        "code": error.code,
        "detail": error.message,
        "errors": [_violation(one) for one in _violations(error)],
        "fix": error.fix,
        "retryable": error.retryable,
        "request_id": request_id,
    }


def problem_response(error: ReelqueueError, *, request_id: str) -> Response:
    """The problem as an answer, with the headers that belong to its status."""
    return Response(
        dumps(problem_document(error, request_id=request_id)),
        status_code=error.status,
        media_type=MEDIA_TYPE,
        headers={"cache-control": "no-store", **_headers(error)},
    )


def request_id_of(request: Request) -> str:
    """The id that the edge gave this request."""
    return str(request.scope["state"]["request_id"])


async def answer_error(request: Request, error: Exception) -> Response:
    """Exception handler for `ReelqueueError`."""
    assert isinstance(error, ReelqueueError)
    state = request.scope["state"]
    state["problem"] = error
    note_refusal(state, error)
    response = problem_response(error, request_id=request_id_of(request))
    response.headers.update(rate_headers(state))
    return response


async def answer_http_exception(request: Request, error: Exception) -> Response:
    """Exception handler for what the router raises by itself: no such path, no such method."""
    assert isinstance(error, HTTPException)
    if error.status_code == 405:
        problem: ReelqueueError = MethodNotAllowed()
    elif error.status_code == 404:
        problem = NotFound()
    else:
        problem = CallerError()
    response = await answer_error(request, problem)
    if error.headers:
        response.headers.update(error.headers)
    return response


async def answer_disconnect(_: Request, error: Exception) -> Response:
    """Exception handler for a client that left while its body was read: nobody hears this."""
    assert isinstance(error, ClientDisconnect)
    return Response(status_code=499)


def _violations(error: ReelqueueError) -> tuple[Violation, ...]:
    if isinstance(error, RequestInvalid):
        return error.violations
    if error.pointer is not None:
        return (Violation(code=error.code, message=error.message, pointer=error.pointer),)
    return ()


def _violation(violation: Violation) -> dict[str, Any]:
    place = {"parameter": violation.parameter} if violation.parameter else {"pointer": violation.pointer}
    return {**place, "code": violation.code, "message": violation.message}


def _headers(error: ReelqueueError) -> dict[str, str]:
    headers = {}
    retry_after = error.retry_after or _DEFAULT_RETRY_AFTER_S.get(type(error))
    if retry_after is not None:
        headers["retry-after"] = str(max(1, math.ceil(retry_after)))
    if isinstance(error, AuthenticationRequired):
        headers["www-authenticate"] = 'Bearer realm="reelqueue"'
    elif isinstance(error, ScopeMissing):
        headers["www-authenticate"] = f'Bearer error="insufficient_scope", scope="{error.detail["scope"]}"'
    elif isinstance(error, RangeNotSatisfiable):
        headers["content-range"] = f"bytes */{error.detail['bytes']}"
    return headers
