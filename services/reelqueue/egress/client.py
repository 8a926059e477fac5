"""The client: POST a webhook, GET a file, or only ask whether a URL could be called."""

from __future__ import annotations

import contextlib
import re
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from reelqueue.egress.addresses import Address
from reelqueue.egress.connect import Connector, GuardedBackend, checked_addresses, dial
from reelqueue.egress.destination import Destination, follow
from reelqueue.egress.errors import DestinationForbidden, EgressFailed, NameNotFound
from reelqueue.egress.policy import EgressPolicy
from reelqueue.egress.progress import HEAD_LIMIT_BYTES, READ_SIZE_BYTES, Progress
from reelqueue.egress.resolver import RESOLVE_DEADLINE_S, Resolver
from reelqueue.errors import UrlInvalid
from reelqueue.kit.clock import Clock
from reelqueue.kit.http import httpcore, httpx

FETCH_USER_AGENT: Final = "Reelqueue-Fetch/1"
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_CHUNK_OVERHEAD: Final = 2
"""Chunked framing may take as many bytes again as the body itself; a peer that needs more is playing."""

_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE: Final = re.compile(r"[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?")
_OURS: Final = frozenset(
    {"host", "connection", "content-length", "transfer-encoding", "accept-encoding", "te", "trailer", "upgrade"}
    | {"expect", "keep-alive", "proxy-authorization", "proxy-connection"}
)


def tls_context() -> ssl.SSLContext:
    """Verify against the bundled public certificate authorities; nothing is taken from the environment."""
    context = httpx.create_ssl_context(trust_env=False)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


class Sink(Protocol):
    """Where a fetched file goes. What it raises reaches the caller unchanged."""

    def write(self, data: bytes, /) -> object:
        """Take the next bytes."""
        ...


@dataclass(frozen=True, slots=True)
class EgressResponse:
    """An answer to a POST, whatever its status.

    `headers` have lower-case names, repeated ones joined by commas. `truncated`: reading stopped at the limit, and
    whether there was more is not known.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    truncated: bool
    elapsed_s: float
    address: Address


@dataclass(frozen=True, slots=True)
class FetchedFile:
    """A file that was written to the sink whole. `media_type` is as claimed, without parameters.

    `final_url` may hold a secret of the tenant: do not log it.
    """

    final_url: str
    media_type: str | None
    bytes: int


class EgressClient:
    """Guarded outgoing HTTP. Holds no connection and no state; safe to share between threads."""

    def __init__(
        self,
        policy: EgressPolicy,
        resolver: Resolver,
        *,
        ssl_context: ssl.SSLContext,
        clock: Clock,
        connector: Connector | None = None,
    ) -> None:
        self._policy = policy
        self._resolver = resolver
        self._ssl_context = ssl_context
        self._clock = clock
        self._connector = connector or dial

    def check(self, url: str) -> None:
        """Refuse now what would be refused later. Opens no connection.

        A name that does not exist is refused in the words of a forbidden one, so that nobody learns from us which
        names exist in our network. Raises `UrlInvalid`, `DestinationForbidden`, or `EgressFailed` at `resolve` if the
        resolver could not tell.
        """
        destination = self._policy.destination(url)
        progress = self._progress(RESOLVE_DEADLINE_S)
        try:
            checked_addresses(destination, self._policy, resolver=self._resolver, progress=progress)
        except NameNotFound as error:
            raise DestinationForbidden("no such name") from error

    def post(
        self, url: str, *, headers: Mapping[str, str], body: bytes, deadline_s: float, max_response_bytes: int
    ) -> EgressResponse:
        """Send one POST on a fresh connection and read at most `max_response_bytes` of the answer's body.

        Any status is an answer; a redirect is not followed. Raises `UrlInvalid`, `DestinationForbidden`,
        `EgressFailed`, or `ValueError` if a header is malformed or not for the caller to set.
        """
        destination = self._policy.destination(url)
        progress = self._progress(deadline_s)
        started = self._clock.monotonic()
        sent = (*_checked_headers(headers), ("Content-Length", str(len(body))))
        with self._answer("POST", destination, headers=sent, body=body, progress=progress) as response:
            progress.head_received(response.status, may_read=HEAD_LIMIT_BYTES + _CHUNK_OVERHEAD * max_response_bytes)
            progress.read_size = min(READ_SIZE_BYTES, max_response_bytes)
            kept = bytearray()
            for chunk in response.iter_stream():
                kept += chunk
                if len(kept) >= max_response_bytes:
                    break
                progress.read_size = min(READ_SIZE_BYTES, max_response_bytes - len(kept))
            return EgressResponse(
                status=response.status,
                headers=_headers(response),
                body=bytes(kept[:max_response_bytes]),
                truncated=len(kept) >= max_response_bytes,
                elapsed_s=self._clock.monotonic() - started,
                address=_dialled(progress),
            )

    def fetch(self, url: str, sink: Sink, *, max_bytes: int, deadline_s: float, max_redirects: int = 3) -> FetchedFile:
        """GET a file into a sink. Nothing is written before an answer with status 200 has come.

        After a failure the sink may hold a part of the file: throw it away.
        Raises `UrlInvalid`, `DestinationForbidden` or `EgressFailed` (`too_large` if the file is over `max_bytes`).
        """
        destination = self._policy.destination(url)
        progress = self._progress(deadline_s)
        for _ in range(max_redirects + 1):
            progress = Progress(self._clock, progress.ends_at)
            headers = (("User-Agent", FETCH_USER_AGENT), ("Accept", "*/*"))
            with self._answer("GET", destination, headers=headers, body=None, progress=progress) as response:
                if response.status not in _REDIRECTS:
                    return _receive(response, sink, max_bytes=max_bytes, progress=progress, url=destination.url)
                progress.stage, progress.http_status = "redirect", response.status
                destination = self._next_hop(destination, response, progress)
        raise progress.failed("too many redirects")

    def _next_hop(self, origin: Destination, response: httpcore.Response, progress: Progress) -> Destination:
        locations = [value for name, value in response.headers if name.lower() == b"location"]
        try:
            if len(locations) != 1:
                raise progress.failed("no single Location")
            target = self._policy.judge(follow(origin, locations[0].decode()))
        except (UrlInvalid, UnicodeDecodeError) as error:
            raise progress.failed("Location is no URL that is called") from error
        if origin.scheme == "https" and target.scheme == "http":
            raise progress.failed("from https to http")
        return target

    @contextlib.contextmanager
    def _answer(
        self,
        method: str,
        destination: Destination,
        *,
        headers: tuple[tuple[str, str], ...],
        body: bytes | None,
        progress: Progress,
    ) -> Iterator[httpcore.Response]:
        """The head of the answer, its body still on the wire. One request, one connection, closed at the end."""
        url = httpcore.URL(
            scheme=destination.scheme, host=destination.host, port=destination.port, target=destination.target
        )
        own = (("Host", destination.host_header), ("Accept-Encoding", "identity"), ("Connection", "close"))
        request = httpcore.Request(method, url, headers=[*own, *headers], content=body)
        backend = GuardedBackend(
            destination, self._policy, resolver=self._resolver, connector=self._connector, progress=progress
        )
        connection = httpcore.HTTPConnection(
            url.origin, ssl_context=self._ssl_context, http1=True, http2=False, retries=0, network_backend=backend
        )
        try:
            yield connection.handle_request(request)
        except (httpcore.RemoteProtocolError, httpcore.NetworkError) as error:
            raise progress.failed(error) from error
        finally:
            connection.close()

    def _progress(self, deadline_s: float) -> Progress:
        return Progress(self._clock, self._clock.monotonic() + deadline_s)


def _receive(response: httpcore.Response, sink: Sink, *, max_bytes: int, progress: Progress, url: str) -> FetchedFile:
    progress.head_received(response.status, may_read=HEAD_LIMIT_BYTES + _CHUNK_OVERHEAD * max_bytes)
    headers = _headers(response)
    if response.status != 200:
        progress.stage = "status"
        raise progress.failed(f"status {response.status}")
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise progress.failed("answer is compressed")
    if int(headers.get("content-length", "0")) > max_bytes:
        raise _too_large(progress)
    received = 0
    for chunk in response.iter_stream():
        received += len(chunk)
        if received > max_bytes:
            raise _too_large(progress)
        sink.write(chunk)
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    return FetchedFile(final_url=url, media_type=media_type or None, bytes=received)


def _too_large(progress: Progress) -> EgressFailed:
    progress.stage = "too_large"
    return progress.failed("file over its limit")


def _dialled(progress: Progress) -> Address:
    assert progress.address is not None, "there is no answer without a connection"
    return progress.address


def _headers(response: httpcore.Response) -> dict[str, str]:
    joined: dict[str, str] = {}
    for raw_name, raw_value in response.headers:
        name, value = raw_name.decode("ascii").lower(), raw_value.decode("latin-1")
        joined[name] = f"{joined[name]}, {value}" if name in joined else value
    return joined


def _checked_headers(headers: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name) or name.lower() in _OURS:
            raise ValueError("a header's name is malformed or not for the caller to set")
        if not _HEADER_VALUE.fullmatch(value):
            raise ValueError(f"the value of header {name} is malformed")
    return tuple(headers.items())
