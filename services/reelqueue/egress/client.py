"""The client: POST a webhook, GET a file, or only ask whether a URL could be called."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from reelqueue.egress.answers import EgressResponse, received_headers, request_to
from reelqueue.egress.connect import Connector, GuardedBackend, checked_addresses, connection_to, dial
from reelqueue.egress.destination import Destination, follow
from reelqueue.egress.errors import DestinationForbidden, EgressFailed, NameNotFound
from reelqueue.egress.places import NoPlace, Places
from reelqueue.egress.policy import EgressPolicy
from reelqueue.egress.posting import Posting
from reelqueue.egress.progress import CHUNK_OVERHEAD, HEAD_LIMIT_BYTES, Progress
from reelqueue.egress.resolver import RESOLVE_DEADLINE_S, Resolver
from reelqueue.errors import UrlInvalid
from reelqueue.kit.clock import Clock
from reelqueue.kit.http import httpcore, httpx

FETCH_USER_AGENT: Final = "Reelqueue-Fetch/1"
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})


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
        self._places = None if policy.fetches_per_host is None else Places(policy.fetches_per_host)

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
        with self._posting(keeps=False) as posting:
            return posting.post(
                url, headers=headers, body=body, deadline_s=deadline_s, max_response_bytes=max_response_bytes
            )

    def posting(self) -> Posting:
        """For several POSTs one after the other: a context, in one thread, that keeps a connection for a moment."""
        return self._posting(keeps=True)

    def _posting(self, *, keeps: bool) -> Posting:
        return Posting(
            self._policy,
            self._resolver,
            ssl_context=self._ssl_context,
            clock=self._clock,
            connector=self._connector,
            keeps=keeps,
        )

    def fetch(self, url: str, sink: Sink, *, max_bytes: int, deadline_s: float, max_redirects: int = 3) -> FetchedFile:
        """GET a file into a sink. Nothing is written before an answer with status 200 has come.

        After a failure the sink may hold a part of the file: throw it away.
        Raises `UrlInvalid`, `DestinationForbidden` or `EgressFailed` (`too_large` if the file is over `max_bytes`).
        """
        destination = self._policy.destination(url)
        progress = self._progress(deadline_s)
        headers = (("User-Agent", FETCH_USER_AGENT), ("Accept", "*/*"))
        for _ in range(max_redirects + 1):
            progress = Progress(self._clock, progress.ends_at)
            with (
                self._place(destination, progress),
                self._answer("GET", destination, headers=headers, body=None, progress=progress) as response,
            ):
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
    def _place(self, destination: Destination, progress: Progress) -> Iterator[None]:
        """A place at the host, if they are counted. Waiting for it is part of the request's time."""
        if self._places is None:
            yield
            return
        with contextlib.ExitStack() as held:
            try:
                held.enter_context(self._places.at(destination.host, timeout_s=progress.remaining()))
            except NoPlace as error:
                raise progress.failed("too many downloads from this host at once") from error
            yield

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
        request = request_to(destination, method, headers=headers, body=body)
        backend = GuardedBackend(
            destination, self._policy, resolver=self._resolver, connector=self._connector, progress=progress
        )
        connection = connection_to(destination, backend, ssl_context=self._ssl_context)
        try:
            yield connection.handle_request(request)
        except (httpcore.RemoteProtocolError, httpcore.NetworkError) as error:
            raise progress.failed(error) from error
        finally:
            connection.close()

    def _progress(self, deadline_s: float) -> Progress:
        return Progress(self._clock, self._clock.monotonic() + deadline_s)


def _receive(response: httpcore.Response, sink: Sink, *, max_bytes: int, progress: Progress, url: str) -> FetchedFile:
    progress.head_received(response.status, may_read=HEAD_LIMIT_BYTES + CHUNK_OVERHEAD * max_bytes)
    headers = received_headers(response)
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
