"""Run one turn: one connection, one request, one stream, one report (contract §4.3, §5, §6.4)."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from traceback import format_exception
from typing import Final

from reelqueue.domain.upstream import (
    Credential,
    CutReason,
    TurnControl,
    TurnCut,
    TurnEnd,
    TurnProgress,
    TurnReport,
)
from reelqueue.errors import NotSent, RateLimited, UpstreamError, UpstreamProtocolError
from reelqueue.kit.clock import Clock
from reelqueue.kit.http import httpx
from reelqueue.kit.logs import get_logger
from reelqueue.nemo import endpoints, errors
from reelqueue.nemo.calls import media_type, whole
from reelqueue.nemo.envelope import Refusal, dumps, open_answer
from reelqueue.nemo.error_table import Call
from reelqueue.nemo.frames import KeepAlive, read_frame
from reelqueue.nemo.guards import TurnGuard
from reelqueue.nemo.headers import Attribution, call_headers, redact
from reelqueue.nemo.sse import Comment, ServerEvent, SseDecoder
from reelqueue.nemo.throttle import Throttle
from reelqueue.nemo.transport import CallLimits, GuardedTransport, new_client, refuse_encoded
from reelqueue.nemo.turn import TurnAssembler

AFTER_ERROR_S: Final = 30.0
"""How long to wait for the close once a frame has said that the turn failed; the server closes at once (§5.4)."""

_NO_STREAM = frozenset({"application/json", "application/problem+json", "text/html"})

log = get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """Where turns go, and as whom. All streams share one TLS context: making one costs 20 to 40 ms."""

    base_url: str
    attribution: Attribution
    limits: CallLimits
    ssl_context: ssl.SSLContext
    clock: Clock
    throttle: Throttle


class TurnStream:
    """One turn, from the connection to the report. Used once."""

    def __init__(
        self,
        upstream: Upstream,
        *,
        credential: Credential,
        control: TurnControl,
        on_progress: Callable[[TurnProgress], None],
    ) -> None:
        self._upstream = upstream
        self._credential = credential
        self._control = control
        self._on_progress = on_progress
        self._guard = TurnGuard(upstream.clock, control)
        self._turn = TurnAssembler()
        self._decoder = SseDecoder(upstream.limits.event_bytes)

    def run(self, session_id: str, text: str) -> TurnReport:
        """Send the instruction and read the stream to its end. For what it raises see `NemoClient.run_turn`."""
        if self._control.bytes_sent:
            raise RuntimeError("a TurnControl serves one turn")
        # Before there is a connection, so before the gate: what it raises is proof that nothing was sent.
        self._upstream.throttle.enter(Call.RUN_TURN, self._credential, None)
        try:
            return self._exchange(session_id, text)
        except BaseException as exc:  # noqa: BLE001 - sorted out below; a gate may raise anything
            if self._guard.gate_error is None:
                return self._settle(exc)
        raise self._guard.refusal()

    def _settle(self, exc: BaseException) -> TurnReport:
        """The exchange failed. Only the byte counter can prove that the turn was not sent."""
        sent = self._control.bytes_sent > 0
        if not isinstance(exc, errors.TRANSPORT_FAILURES):
            if isinstance(exc, UpstreamError) or not isinstance(exc, Exception) or not sent:
                raise exc
            # A mistake of ours or of the library's. The request has left, so whatever it is, the turn is open.
            log.error("turn.failed_unexpectedly", traceback="".join(format_exception(exc)))
        cause = errors.without_frames(exc)
        if not sent:
            raise NotSent(detail={"call": Call.RUN_TURN.value, "cause": type(exc).__name__}) from cause
        if self._turn.failed:
            return self._ended(TurnEnd.ERROR_FRAME)
        raise self._cut(self._guard.cut_reason()) from cause

    def _exchange(self, session_id: str, text: str) -> TurnReport:
        up = self._upstream
        headers = call_headers(up.attribution, self._credential, accept="text/event-stream")
        headers["Content-Type"] = "application/json"
        transport = GuardedTransport(lambda: self._guard, ssl_context=up.ssl_context, keepalive_s=0.0)
        with (
            new_client(transport, base_url=up.base_url, limits=up.limits, read_s=None) as client,
            client.stream("POST", endpoints.RUN_TURN, headers=headers, content=_message(session_id, text)) as response,
        ):
            if response.status_code != 200 or media_type(response) in _NO_STREAM:
                raise self._without_stream(response)
            return self._read(response)

    def _read(self, response: httpx.Response) -> TurnReport:
        """The stream to its end. The close is the end of the turn, unless it fell inside a line (§5.4)."""
        try:
            refuse_encoded(response)
        except UpstreamProtocolError as exc:
            raise self._cut(CutReason.UNREADABLE) from exc
        received, understood = 0, 0
        for chunk in response.iter_raw():
            received += len(chunk)
            understood += self._take(self._decoder.feed(chunk))
        if self._decoder.inside_line and not _self_delimited(response) and not self._turn.failed:
            raise self._cut(CutReason.BROKEN)
        understood += self._take(self._decoder.close())
        if understood == 0 and (received or media_type(response) != "text/event-stream"):
            raise self._cut(CutReason.UNREADABLE)
        return self._ended(TurnEnd.CLOSED)

    def _ended(self, end: TurnEnd) -> TurnReport:
        """The report of a turn that is over. Not so where the gateway said that it knows nothing more of it."""
        report = self._turn.report(end)
        if errors.leaves_open(report):
            raise self._cut(CutReason.GATEWAY)
        return report

    def _take(self, events: Sequence[ServerEvent | Comment]) -> int:
        for event in events:
            frame = read_frame(self._redacted(event))
            if not isinstance(frame, KeepAlive):
                self._guard.substance()
            for progress in self._turn.feed(frame):
                self._show(progress)
            if self._turn.failed:
                self._guard.shorten(AFTER_ERROR_S)
        return len(events)

    def _redacted(self, event: ServerEvent | Comment) -> ServerEvent | Comment:
        if isinstance(event, Comment) or not event.data:
            return event
        return ServerEvent(event.name, redact(event.data, self._credential), oversized=event.oversized)

    def _show(self, progress: TurnProgress) -> None:
        """Watching must not end a paid turn: a watcher that raises is noted and missed."""
        try:
            self._on_progress(progress)
        except Exception as exc:  # noqa: BLE001 - whatever it is, the stream goes on
            log.warning("turn.progress_dropped", error=type(exc).__name__)

    def _without_stream(self, response: httpx.Response) -> UpstreamError:
        """An answer that is no stream: refused before it began, or open. Never followed, never taken for an end."""
        up = self._upstream
        self._guard.shorten(up.limits.read_s)
        try:
            answer = whole(response, up.limits.body_bytes, up.clock)
        except UpstreamProtocolError:
            return self._cut(CutReason.UNREADABLE)
        found = open_answer(answer)
        if isinstance(found, Refusal) and errors.turn_refused(found):
            error = errors.refused(Call.RUN_TURN, found, retry_after=answer.retry_after, credential=self._credential)
            if isinstance(error, RateLimited):
                up.throttle.refused(self._credential, None, error.retry_after)
            return error
        return self._cut(CutReason.UNREADABLE)

    def _cut(self, reason: CutReason) -> TurnCut:
        return TurnCut(reason=reason, partial=self._turn.report(TurnEnd.INTERRUPTED))


def _message(session_id: str, text: str) -> bytes:
    """The body of a turn: snake case, the user is always `me`, and neither role nor `streaming` (contract §4.3)."""
    return dumps(
        {
            "app_name": endpoints.APP,
            "user_id": endpoints.ME,
            "session_id": session_id,
            "new_message": {"parts": [{"text": text}]},
        }
    )


def _self_delimited(response: httpx.Response) -> bool:
    """Whether the body says itself where it ends, so that an early close would have been noticed."""
    return "content-length" in response.headers or "chunked" in response.headers.get("transfer-encoding", "").casefold()
