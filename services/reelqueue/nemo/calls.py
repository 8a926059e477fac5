"""Every call but a turn: kept connections, a byte cap and a total deadline each, one way from failure to error."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any

from reelqueue.domain.upstream import Credential
from reelqueue.errors import RateLimited
from reelqueue.kit.clock import Clock
from reelqueue.kit.http import httpx
from reelqueue.nemo import errors
from reelqueue.nemo.envelope import Answer, Refusal, dumps, open_answer
from reelqueue.nemo.error_table import Call
from reelqueue.nemo.guards import CallGuard
from reelqueue.nemo.headers import Attribution, call_headers
from reelqueue.nemo.lanes import Lanes
from reelqueue.nemo.throttle import Throttle
from reelqueue.nemo.transport import CallLimits, read_capped

_LONGEST_PAUSE_S = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One call. `json` and `files` exclude each other; `files` is what httpx takes, streamed from disk."""

    call: Call
    method: str
    path: str
    credential: Credential | None
    client_id: str | None = field(default=None, repr=False)
    accept: str = "application/json"
    json: object = field(default=None, repr=False)
    files: Any = field(default=None, repr=False)


class Calls:
    """Sends requests. Safe for many threads at once; each call runs on the thread that makes it."""

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
        self._throttle = throttle
        self._attribution = attribution
        self._limits = limits
        self._clock = clock
        self._lanes = Lanes(base_url, limits=limits, ssl_context=ssl_context, clock=clock)

    def close(self) -> None:
        """Close the kept connections."""
        self._lanes.close()

    def ask(self, request: Request, *, total_s: float | None = None) -> dict[str, Any]:
        """The JSON object of a good answer; anything else is raised as the table in `errors` says."""
        answer = self.send(request, total_s=total_s)
        found = open_answer(answer)
        if isinstance(found, Refusal):
            raise self.refused(request, found, answer)
        return found

    def send(self, request: Request, *, total_s: float | None = None) -> Answer:
        """The whole answer, good or not. Raises only for what happens on the way."""
        with self.open(request, total_s=total_s) as response:
            return self.read(response)

    def read(self, response: httpx.Response) -> Answer:
        """The whole of an open response."""
        return whole(response, self._limits.body_bytes, self._clock)

    def refused(self, request: Request, refusal: Refusal, answer: Answer) -> Exception:
        """The error for a refusal of this request. A 429 pauses whoever called."""
        error = errors.refused(request.call, refusal, retry_after=answer.retry_after, credential=request.credential)
        if isinstance(error, RateLimited):
            self._throttle.refused(request.credential, request.client_id, error.retry_after)
        return error

    @contextmanager
    def open(self, request: Request, *, total_s: float | None = None) -> Iterator[httpx.Response]:
        """The response with its body unread. Failures of the network inside the block are translated too.

        Raises `UpstreamThrottled` before anything leaves.
        """
        self._throttle.enter(request.call, request.credential, request.client_id)
        guard = CallGuard(self._clock, self._limits.call_total_s if total_s is None else total_s)
        headers = call_headers(
            self._attribution, request.credential, accept=request.accept, client_id=request.client_id
        )
        content = None
        if request.json is not None:
            content = dumps(request.json)
            headers["Content-Type"] = "application/json"
        try:
            with (
                self._lanes.borrow(guard) as client,
                client.stream(
                    request.method, request.path, headers=headers, content=content, files=request.files
                ) as response,
            ):
                yield response
        except errors.TRANSPORT_FAILURES as exc:
            cause = errors.without_frames(exc)
            raise errors.unsent_or_broken(exc, bytes_sent=guard.bytes_sent, call=request.call) from cause


def whole(response: httpx.Response, limit: int, clock: Clock) -> Answer:
    """Read a response to its end. Raises `UpstreamProtocolError` for one larger than `limit` or compressed."""
    return Answer(
        status=response.status_code,
        media_type=media_type(response),
        body=read_capped(response, limit),
        retry_after=_retry_after(response.headers.get("retry-after"), clock),
    )


def media_type(response: httpx.Response) -> str:
    """The media type, lower case, without parameters."""
    found: str = response.headers.get("content-type", "")
    return found.partition(";")[0].strip().casefold()


def _retry_after(value: str | None, clock: Clock) -> float | None:
    """Seconds from now, from seconds or an HTTP date; at most a day, and `None` if it is neither."""
    if value is None:
        return None
    value = value.strip()
    if value.isascii() and value.isdigit():
        seconds = float(value[:12])
    else:
        try:
            moment = parsedate_to_datetime(value)
        except ValueError:
            return None
        seconds = ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - clock.now()).total_seconds()
    return min(_LONGEST_PAUSE_S, max(0.0, seconds))
