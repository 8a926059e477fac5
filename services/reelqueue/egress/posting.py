"""POSTs to one receiver after the other, on a connection that is kept for a moment."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self

from reelqueue.egress.addresses import Address
from reelqueue.egress.answers import EgressResponse, checked_headers, received_headers, request_to
from reelqueue.egress.connect import Connector, GuardedBackend, connection_to
from reelqueue.egress.destination import Destination
from reelqueue.egress.errors import EgressFailed
from reelqueue.egress.policy import EgressPolicy
from reelqueue.egress.progress import CHUNK_OVERHEAD, HEAD_LIMIT_BYTES, READ_SIZE_BYTES, Progress
from reelqueue.egress.resolver import Resolver
from reelqueue.kit.clock import Clock
from reelqueue.kit.http import httpcore

KEPT_S: Final = 10.0
"""How long after it was opened a connection is used again: what its name means may change."""


@dataclass(frozen=True, slots=True)
class _Kept:
    origin: tuple[str, str, int]
    connection: httpcore.HTTPConnection
    backend: GuardedBackend
    opened_at: float


class Posting:
    """Keeps at most one connection, to the origin of the last POST, and closes it at the end. For one thread.

    Each new connection is resolved and checked afresh. A receiver may close a kept one at any moment; a POST that finds
    it closed is sent once more, on a new one, if no answer had begun. So a receiver may get a POST twice.
    """

    def __init__(
        self,
        policy: EgressPolicy,
        resolver: Resolver,
        *,
        ssl_context: ssl.SSLContext,
        clock: Clock,
        connector: Connector,
        keeps: bool = True,
    ) -> None:
        self._policy = policy
        self._resolver = resolver
        self._ssl_context = ssl_context
        self._clock = clock
        self._connector = connector
        self._keeps = keeps
        self._kept: _Kept | None = None
        self._last: tuple[str, Destination] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._drop()

    def post(
        self, url: str, *, headers: Mapping[str, str], body: bytes, deadline_s: float, max_response_bytes: int
    ) -> EgressResponse:
        """See `EgressClient.post`."""
        destination = self._judged(url)
        started = self._clock.monotonic()
        sent = (*checked_headers(headers), ("Content-Length", str(len(body))))
        request = request_to(destination, "POST", headers=sent, body=body, keeps=self._keeps)
        progress = Progress(self._clock, started + deadline_s, has_body=True)
        kept = self._usable(destination)
        if kept is not None:
            try:
                return self._exchange(kept, request, progress, max_response_bytes, started)
            except EgressFailed as error:
                if error.http_status is not None or error.stage not in ("send", "wait"):
                    raise
                progress.remaining()
        progress = Progress(self._clock, started + deadline_s, has_body=True)
        kept = self._opened(destination, progress)
        return self._exchange(kept, request, progress, max_response_bytes, started)

    def _exchange(
        self, kept: _Kept, request: httpcore.Request, progress: Progress, max_response_bytes: int, started: float
    ) -> EgressResponse:
        kept.backend.use(progress)
        try:
            response = kept.connection.handle_request(request)
            body = _read(response, progress, max_response_bytes)
            response.close()
        except (httpcore.RemoteProtocolError, httpcore.NetworkError) as error:
            self._drop()
            raise progress.failed(error) from error
        except BaseException:
            self._drop()
            raise
        if not self._keeps or not kept.connection.is_idle() or _said_more(kept.connection):
            self._drop()
        return EgressResponse(
            status=response.status,
            headers=received_headers(response),
            body=body[:max_response_bytes],
            truncated=len(body) >= max_response_bytes,
            elapsed_s=self._clock.monotonic() - started,
            address=_dialled(progress),
        )

    def _judged(self, url: str) -> Destination:
        """The URL of the last POST is judged already; what its name means is not, and is asked with each connection."""
        if self._last is None or self._last[0] != url:
            self._last = (url, self._policy.destination(url))
        return self._last[1]

    def _usable(self, destination: Destination) -> _Kept | None:
        kept = self._kept
        if kept is None:
            return None
        same = kept.origin == (destination.scheme, destination.host, destination.port)
        fresh = self._clock.monotonic() - kept.opened_at < KEPT_S
        if same and fresh and kept.connection.is_idle() and not kept.connection.has_expired():
            return kept
        self._drop()
        return None

    def _opened(self, destination: Destination, progress: Progress) -> _Kept:
        self._drop()
        backend = GuardedBackend(
            destination, self._policy, resolver=self._resolver, connector=self._connector, progress=progress
        )
        connection = connection_to(destination, backend, ssl_context=self._ssl_context)
        self._kept = _Kept(
            (destination.scheme, destination.host, destination.port), connection, backend, self._clock.monotonic()
        )
        return self._kept

    def _drop(self) -> None:
        if self._kept is not None:
            self._kept.connection.close()
            self._kept = None


def _read(response: httpcore.Response, progress: Progress, max_response_bytes: int) -> bytes:
    """At most that much of the answer's body: its sender decides how long it is, so it is not read to its end."""
    progress.head_received(response.status, may_read=HEAD_LIMIT_BYTES + CHUNK_OVERHEAD * max_response_bytes)
    progress.read_size = min(READ_SIZE_BYTES, max_response_bytes)
    kept = bytearray()
    for chunk in response.iter_stream():
        kept += chunk
        if len(kept) >= max_response_bytes:
            break
        progress.read_size = min(READ_SIZE_BYTES, max_response_bytes - len(kept))
    return bytes(kept)


def _said_more(connection: httpcore.HTTPConnection) -> bool:
    """Whether something came behind the answer, which would be taken for the next one. httpcore does not ask."""
    serving: Any = connection._connection  # noqa: SLF001 - no part of its interface, so a test holds it
    return bool(serving._h11_state.trailing_data[0])  # noqa: SLF001


def _dialled(progress: Progress) -> Address:
    assert progress.address is not None, "there is no answer without a connection"
    return progress.address
