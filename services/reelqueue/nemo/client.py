"""The upstream's API as methods. What each class of error means is in `errors`; nothing here retries."""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

from reelqueue.domain.upstream import (
    AnonymousToken,
    Balance,
    ClaimToken,
    Credential,
    LocalFile,
    NemoSession,
    OutputSpec,
    RenderReport,
    SessionState,
    TurnControl,
    TurnProgress,
    TurnReport,
    UploadedFile,
)
from reelqueue.errors import RenderUnknown, ResultUnusable, UpstreamError, UpstreamProtocolError
from reelqueue.kit.clock import Clock
from reelqueue.kit.http import httpx
from reelqueue.nemo import endpoints, errors, renders, wire
from reelqueue.nemo.calls import Calls, Request, media_type
from reelqueue.nemo.envelope import Refusal, open_answer
from reelqueue.nemo.error_table import Call
from reelqueue.nemo.headers import Attribution
from reelqueue.nemo.stream import TurnStream, Upstream
from reelqueue.nemo.throttle import Throttle
from reelqueue.nemo.transport import LOCATION, CallLimits, checked_base_url, refuse_encoded, web_url

_MEDIA_TYPE = re.compile(r"[\w.+-]+/[\w.+-]+", re.ASCII)


class NemoClient:
    """One a process; safe for any number of threads. Every call passes its token's throttle before anything leaves.

    Every method may raise `UpstreamThrottled` (nothing left), `NotSent`, `UpstreamUnavailable`,
    `UpstreamProtocolError`, `RateLimited` and `TokenRejected`; the others a method can meet are in its docstring.
    """

    def __init__(
        self,
        base_url: str,
        *,
        attribution: Attribution,
        limits: CallLimits,
        ssl_context: ssl.SSLContext,
        clock: Clock,
        throttle: Throttle,
    ) -> None:
        self._limits = limits
        self._upstream = Upstream(
            base_url=checked_base_url(base_url),
            attribution=attribution,
            limits=limits,
            ssl_context=ssl_context,
            clock=clock,
            throttle=throttle,
        )
        self._calls = Calls(
            self._upstream.base_url,
            attribution=attribution,
            limits=limits,
            ssl_context=ssl_context,
            clock=clock,
            throttle=throttle,
        )

    def close(self) -> None:
        """Close the pooled connections. Streams of running turns are their own and stay."""
        self._calls.close()

    def anonymous_token(self, client_id: str) -> AnonymousToken:
        """A new anonymous token for a client id that stays the same (contract §4.1). Raises `ClientIdMissing`."""
        return wire.anonymous_token(self._post(Call.ANONYMOUS_TOKEN, endpoints.ANONYMOUS_TOKEN, None, client_id))

    def create_session(self, credential: Credential, *, name: str, language: str) -> NemoSession:
        """A new, empty timeline (contract §4.2). A repeat makes a second one."""
        body = {"task_name": name, "language": language}
        return wire.session(self._post(Call.CREATE_SESSION, endpoints.CREATE_SESSION, credential, json=body))

    def upload_files(
        self, credential: Credential, session_id: str, files: Sequence[LocalFile]
    ) -> tuple[UploadedFile, ...]:
        """Send files from disk in one request (contract §4.4). The answer may name fewer than were sent.

        Raises `FileUnsupportedUpstream`, `FileTooLargeUpstream`, `SessionNotFound`, and `OSError` for a file of ours
        that cannot be read.
        """
        if not files:
            return ()
        with ExitStack() as stack:
            parts = []
            for file in files:
                if not _MEDIA_TYPE.fullmatch(file.media_type):
                    raise ValueError(f"not a media type: {file.media_type!r}")
                parts.append(("files", (file.name, stack.enter_context(file.path.open("rb")), file.media_type)))
            request = Request(
                call=Call.UPLOAD,
                method="POST",
                path=endpoints.upload(session_id),
                credential=credential,
                files=parts,
            )
            return wire.uploads(self._calls.ask(request, total_s=self._limits.upload_total_s))

    def upload_urls(self, credential: Credential, session_id: str, urls: Sequence[str]) -> tuple[UploadedFile, ...]:
        """Let the upstream fetch files itself (contract §4.4). Raises as `upload_files` does."""
        if not urls:
            return ()
        body = {"urls": list(urls), "source_type": "url"}
        request = Request(
            call=Call.UPLOAD, method="POST", path=endpoints.upload(session_id), credential=credential, json=body
        )
        return wire.uploads(self._calls.ask(request, total_s=self._limits.upload_total_s))

    def balance(self, credential: Credential) -> Balance:
        """The token's credits (contract §4.5)."""
        return wire.balance(self._get(Call.BALANCE, endpoints.BALANCE, credential))

    def state(self, credential: Credential, session_id: str) -> SessionState:
        """The timeline and media as they are now; they may lag behind a turn (contract §4.6).

        Raises `SessionNotFound`.
        """
        return wire.state(self._get(Call.STATE, endpoints.state(session_id), credential))

    def submit_render(
        self,
        credential: Credential,
        *,
        render_id: str,
        session_id: str,
        draft: Mapping[str, Any],
        output: OutputSpec,
    ) -> None:
        """Start an export under an id of ours (contract §4.7). After doubt, poll that id before submitting again.

        Raises `RenderIdTaken`, `ExportNotAllowed`, `SessionNotFound`.
        """
        body = renders.submission(render_id, session_id, draft, output)
        self._post(Call.RENDER_SUBMIT, endpoints.SUBMIT_RENDER, credential, json=body)

    def render_report(self, credential: Credential, render_id: str) -> RenderReport:
        """One poll (contract §4.8). Raises `RenderUnknown` for an id that is not known, or not yet."""
        request = Request(call=Call.RENDER_POLL, method="GET", path=endpoints.render(render_id), credential=credential)
        answer = self._calls.send(request)
        found = open_answer(answer)
        if isinstance(found, Refusal):
            # `success: false` around the report of a failed render is a report, not a refused poll.
            if (
                found.body is None
                or found.code is not None
                or answer.status >= 300
                or not renders.says_failed(found.body)
            ):
                raise self._calls.refused(request, found, answer)
            return renders.report(found.body)
        return renders.report(found)

    def cancel_render(self, credential: Credential, render_id: str) -> bool:
        """Cancel a pending export (contract §4.10). `False` if the upstream has no such export, or no such call."""
        try:
            self._post(Call.RENDER_CANCEL, endpoints.cancel_render(render_id), credential)
        except RenderUnknown:
            return False
        return True

    def download_render(
        self, credential: Credential, render_id: str, sink: Callable[[bytes], object], *, max_bytes: int
    ) -> str | None:
        """The fallback download (contract §4.9): the file's bytes into `sink`, or the URL to fetch it from.

        The URL may be on any host and must be fetched without the token. Raises `ResultUnusable` for a file larger
        than `max_bytes`, `RenderUnknown`, and what `sink` raises. Bytes may have gone into `sink` before an error.
        """
        request = Request(
            call=Call.RENDER_DOWNLOAD,
            method="GET",
            path=endpoints.download_render(render_id),
            credential=credential,
            accept="*/*",
        )
        with self._calls.open(request, total_s=self._limits.download_total_s) as response:
            if 300 <= response.status_code < 400 and response.extensions[LOCATION]:
                return _redirect_target(response)
            kind = media_type(response)
            if response.status_code == 200 and kind != "application/json" and not kind.startswith("text/"):
                _pour(response, sink, max_bytes)
                return None
            answer = self._calls.read(response)
        found = open_answer(answer)
        if isinstance(found, Refusal):
            raise self._calls.refused(request, found, answer)
        url = renders.result_url(found)
        if url is None:
            raise UpstreamProtocolError("NemoVideo's download answer holds neither a file nor a URL.")
        return url

    def claim_token(self, credential: Credential, *, task_id: str, session_id: str) -> ClaimToken:
        """A token for a browser link to the project (contract §4.11)."""
        body = {"task_id": task_id, "session_id": session_id}
        return wire.claim_token(self._post(Call.CLAIM_TOKEN, endpoints.CLAIM_TOKEN, credential, json=body))

    def run_turn(
        self,
        credential: Credential,
        *,
        session_id: str,
        text: str,
        control: TurnControl,
        on_progress: Callable[[TurnProgress], None],
    ) -> TurnReport:
        """Send one instruction, at most once, and read its stream to the end. Blocks for up to 15 minutes.

        `control.gate` runs when the connection stands and before the first byte; what it raises comes out unchanged
        and nothing is sent. Returns when the upstream closed the stream properly, or said that the turn failed
        (`TurnReport.end`; see `turn_failure`). `on_progress` runs on this thread; if it raises, that is logged and
        the stream is read on.

        Raises `UpstreamThrottled` before there is a connection, and `NotSent` when no byte left; the class of `errors`
        for an answer that refuses the turn before it began (`errors.turn_refused`); and `TurnCut` for everything else,
        with the report so far in `partial`: a broken, silent, endless or aborted stream, a redirect, a 5xx, an answer
        nobody can read. After `TurnCut` only the session's state can tell what was done.
        """
        turn = TurnStream(self._upstream, credential=credential, control=control, on_progress=on_progress)
        return turn.run(session_id, text)

    @staticmethod
    def turn_failure(report: TurnReport) -> UpstreamError | None:
        """The error that the stream itself reported, as an exception to raise or record; `None` if there was none."""
        return errors.turn_failure(report)

    def _get(self, call: Call, path: str, credential: Credential) -> dict[str, Any]:
        return self._calls.ask(Request(call=call, method="GET", path=path, credential=credential))

    def _post(
        self,
        call: Call,
        path: str,
        credential: Credential | None,
        client_id: str | None = None,
        *,
        json: object = None,
    ) -> dict[str, Any]:
        return self._calls.ask(
            Request(call=call, method="POST", path=path, credential=credential, client_id=client_id, json=json)
        )


def _pour(response: httpx.Response, sink: Callable[[bytes], object], max_bytes: int) -> None:
    refuse_encoded(response)
    announced = wire.decimal(response.headers.get("content-length"))
    poured = 0
    if announced is not None and announced > max_bytes:
        raise ResultUnusable("The finished file is larger than allowed.", detail={"limit_bytes": max_bytes})
    for chunk in response.iter_raw():
        poured += len(chunk)
        if poured > max_bytes:
            raise ResultUnusable("The finished file is larger than allowed.", detail={"limit_bytes": max_bytes})
        sink(chunk)


def _redirect_target(response: httpx.Response) -> str:
    url = web_url(response.extensions[LOCATION], base=response.url)
    if url is None:
        raise UpstreamProtocolError("NemoVideo redirects the download to something that is no web address.")
    return str(url)
