"""httpx over connections of our own, and the limits of a call."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from reelqueue.errors import UpstreamProtocolError
from reelqueue.kit.http import httpcore, httpx
from reelqueue.nemo.connect import GuardedBackend
from reelqueue.nemo.guards import Guard

LOCATION: Final = "reelqueue.location"
"""The response extension that holds where a redirect points, or `None`."""


@dataclass(frozen=True, slots=True)
class CallLimits:
    """Bounds of every call, in seconds and bytes. `*_total_s` bound the whole call, the others one operation."""

    connect_s: float = 10.0
    read_s: float = 30.0
    write_s: float = 30.0
    call_total_s: float = 60.0
    upload_total_s: float = 900.0
    download_total_s: float = 900.0
    body_bytes: int = 32 * 1024 * 1024
    event_bytes: int = 32 * 1024 * 1024
    idle_connections: int = 8
    keepalive_s: float = 5.0


class GuardedTransport(httpx.BaseTransport):
    """One guarded connection at a time, kept for `keepalive_s` after an answer. Nothing here repeats a request.

    Two headers of an answer are taken away, since the client would act on them unasked: it parses `Location` even if
    it follows nothing, and fails on an odd one; and one token's cookies must not travel with another's. The location
    is in the response's extensions.
    """

    def __init__(self, current: Callable[[], Guard], *, ssl_context: ssl.SSLContext, keepalive_s: float) -> None:
        self._pool = httpcore.ConnectionPool(
            ssl_context=ssl_context,
            max_connections=1,
            max_keepalive_connections=1 if keepalive_s > 0 else 0,
            keepalive_expiry=keepalive_s,
            http1=True,
            http2=False,
            retries=0,
            network_backend=GuardedBackend(current),
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send, and return when the head of the answer is there."""
        url = request.url
        with translated():
            answer = self._pool.handle_request(
                httpcore.Request(
                    method=request.method,
                    url=httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
                    headers=request.headers.raw,
                    content=request.stream,
                    extensions=request.extensions,
                )
            )
        headers = httpx.Headers(answer.headers)
        location = headers.pop("location", None)
        headers.pop("set-cookie", None)
        return httpx.Response(
            status_code=answer.status,
            headers=headers,
            stream=_Body(answer),
            extensions={**answer.extensions, LOCATION: location},
        )

    def close(self) -> None:
        """Close all connections."""
        self._pool.close()


class _Body(httpx.SyncByteStream):
    def __init__(self, answer: httpcore.Response) -> None:
        self._answer = answer

    def __iter__(self) -> Iterator[bytes]:
        stream = self._answer.stream
        assert isinstance(stream, Iterable)
        with translated():
            yield from stream

    def close(self) -> None:
        self._answer.close()


def new_client(transport: GuardedTransport, *, base_url: str, limits: CallLimits, read_s: float | None) -> httpx.Client:
    """A client that follows nothing and reads no proxy or netrc settings from its environment."""
    return httpx.Client(
        transport=transport,
        base_url=base_url,
        timeout=httpx.Timeout(connect=limits.connect_s, read=read_s, write=limits.write_s, pool=limits.connect_s),
        follow_redirects=False,
        trust_env=False,
    )


def checked_base_url(base_url: str) -> str:
    """The base URL without a slash at its end. Raises `ValueError` for one that could not carry our calls safely."""
    url = web_url(base_url)
    if url is None or url.userinfo or url.query or url.fragment:
        raise ValueError("the upstream's base URL must be http(s)://host[:port][/path] and nothing more")
    return str(url).rstrip("/")


def web_url(text: str, *, base: httpx.URL | None = None) -> httpx.URL | None:
    """An http(s) URL with a host, relative to `base` if there is one; `None` if it is anything else."""
    try:
        url = httpx.URL(text) if base is None else base.join(text)
        usable = url.scheme in {"http", "https"} and bool(url.host)
    except (httpx.InvalidURL, ValueError):  # the latter from IDNA, and only when the host is asked for
        return None
    return url if usable else None


def refuse_encoded(response: httpx.Response) -> None:
    """We ask for plain bodies: a compressed one could unpack to any size. Raises `UpstreamProtocolError`."""
    encoding = response.headers.get("content-encoding", "identity").strip().casefold()
    if encoding not in {"", "identity"}:
        raise UpstreamProtocolError("NemoVideo sent a compressed answer, which was not asked for.")


def read_capped(response: httpx.Response, limit: int) -> bytes:
    """The whole body. Raises `UpstreamProtocolError` as soon as it is longer than `limit`."""
    refuse_encoded(response)
    chunks: list[bytes] = []
    size = 0
    for chunk in response.iter_raw():
        size += len(chunk)
        if size > limit:
            raise UpstreamProtocolError("NemoVideo's answer is too large.", detail={"limit_bytes": limit})
        chunks.append(chunk)
    return b"".join(chunks)


def httpx_class(kind: type[Exception]) -> type[httpx.HTTPError] | None:
    """The httpx class of the same name as the httpcore class, or of its nearest ancestor that has one."""
    for ancestor in kind.__mro__:
        found = getattr(httpx, ancestor.__name__, None)
        if ancestor.__module__.startswith("httpcore") and isinstance(found, type):
            assert issubclass(found, httpx.HTTPError)
            return found
    return None


@contextmanager
def translated() -> Iterator[None]:
    """Errors of httpcore as those of httpx; anything else, such as what a gate raises, passes untouched."""
    try:
        yield
    except Exception as exc:
        found = httpx_class(type(exc))
        if found is None:
            raise
        raise found(str(exc)) from exc
