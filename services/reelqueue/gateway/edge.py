"""The outermost layer: request ids, limits on the head, a count and a log line a request, and the last resort.

Pure ASGI: nothing is buffered, and a request costs one extra frame.
"""

from __future__ import annotations

import logging
import re
from typing import Any, Final

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from reelqueue.errors import InternalError, ReelqueueError
from reelqueue.gateway.errors import HeadersTooLarge, UriTooLong
from reelqueue.gateway.problems import problem_response
from reelqueue.kit.acting import NOBODY, act_for
from reelqueue.kit.clock import Clock
from reelqueue.kit.ids import new_id
from reelqueue.kit.logs import get_logger
from reelqueue.kit.metrics import Metrics

MAX_TARGET_BYTES: Final = 8_192
MAX_HEADERS: Final = 100
MAX_HEADER_BYTES: Final = 32_768
_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._:-]{1,64}")
SLOW_S: Final = 10.0
"""A success that took longer is logged as well. Waits and streams take long on purpose, and are few."""
_NO_SNIFFING: Final = (b"x-content-type-options", b"nosniff")
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

_log = get_logger(__name__)
_enabled = logging.getLogger(__name__)


class Edge:
    """Wraps the application."""

    def __init__(self, app: ASGIApp, *, clock: Clock, metrics: Metrics) -> None:
        self._app = app
        self._clock = clock
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, whatever happens."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        # A pipelined request begins in the task of the one before it, and would go on working for that one's tenant.
        act_for(NOBODY)
        answer = _Answer(send, _request_id(scope))
        scope.setdefault("state", {})["request_id"] = answer.request_id
        started = self._clock.monotonic()
        refusal = _refusal(scope)
        try:
            if refusal is not None:
                await self._refuse(refusal, scope, receive, answer)
            else:
                await self._app(scope, receive, answer.send)
        except ClientDisconnect:
            answer.status = answer.status or 499
        except Exception as error:
            _log.exception("request.crashed", request=answer.request_id, path=_route(scope))
            if answer.status:
                # Half an answer is out: only a broken connection tells the client that it is not whole.
                raise
            await self._refuse(InternalError(), scope, receive, answer)
            scope["state"]["problem"] = error
        finally:
            self._record(scope, answer, elapsed_s=self._clock.monotonic() - started)

    async def _refuse(self, error: ReelqueueError, scope: Scope, receive: Receive, answer: _Answer) -> None:
        await problem_response(error, request_id=answer.request_id)(scope, receive, answer.send)

    def _record(self, scope: Scope, answer: _Answer, *, elapsed_s: float) -> None:
        route, status = _route(scope), answer.status or 499
        method = scope["method"] if scope["method"] in _METHODS else "other"
        self._metrics.requests.labels(route, method, str(status)).inc()
        self._metrics.request_seconds.labels(route).observe(elapsed_s)
        # A success is counted, and its job has an event. A line for each would be a quarter of an accept's cost.
        level = logging.INFO if status >= 400 or elapsed_s >= SLOW_S else logging.DEBUG
        if not _enabled.isEnabledFor(level):
            return
        state: dict[str, Any] = scope["state"]
        problem = state.get("problem")
        _log.log(
            level,
            "request.answered",
            request=answer.request_id,
            method=method,
            route=route,
            status=status,
            elapsed_ms=round(elapsed_s * 1000, 1),
            tenant=state.get("tenant"),
            job=state.get("job"),
            code=problem.code if isinstance(problem, ReelqueueError) else None,
            # What a refusal was about is for us, where it says more than the answer did.
            cause=None if problem is None or problem.__cause__ is None else type(problem.__cause__).__name__,
        )


class _Answer:
    """Passes an answer on, with what belongs into every head, and remembers its status."""

    def __init__(self, send: Send, request_id: str) -> None:
        self.request_id = request_id
        self.status: int | None = None
        self._send = send

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = [*message.get("headers", []), (b"x-request-id", self.request_id.encode()), _NO_SNIFFING]
            message = {**message, "headers": headers}
        await self._send(message)


def _request_id(scope: Scope) -> str:
    """The caller's, if it sent one that may go into a header, a log line and a problem as it is; else a new one."""
    given = [value for name, value in scope["headers"] if name == b"x-request-id"]
    if len(given) == 1 and _REQUEST_ID.fullmatch(given[0]):
        return bytes(given[0]).decode("ascii")
    return new_id("request")


def _refusal(scope: Scope) -> ReelqueueError | None:
    if len(scope.get("raw_path") or b"") + len(scope["query_string"]) > MAX_TARGET_BYTES:
        return UriTooLong(detail={"limit_bytes": MAX_TARGET_BYTES})
    headers = scope["headers"]
    if len(headers) > MAX_HEADERS or sum(len(name) + len(value) for name, value in headers) > MAX_HEADER_BYTES:
        return HeadersTooLarge(detail={"limit_headers": MAX_HEADERS, "limit_bytes": MAX_HEADER_BYTES})
    return None


def _route(scope: Scope) -> str:
    """The path's pattern, never the path: patterns are few, and ids do not belong into labels."""
    return str(getattr(scope.get("route"), "path", "none"))
