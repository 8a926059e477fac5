"""One try to deliver one message."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Literal, Protocol

from reelqueue.domain.retries import parse_retry_after
from reelqueue.domain.sent_headers import kept_headers
from reelqueue.egress import EgressFailed, EgressResponse, Stage, UrlInvalid
from reelqueue.errors import DestinationNotAllowed
from reelqueue.kit.clock import Clock
from reelqueue.webhooks.signing import signed_headers

USER_AGENT: Final = "Reelqueue-Webhooks/1"
DEADLINE_S: Final = 15.0
"""For the whole try, from the lookup of the name to the last byte of the answer."""

MAX_RESPONSE_BYTES: Final = 64 * 1024
"""What is read of an answer. Its sender decides how long it is, so it is not read to its end."""

EXCERPT_BYTES: Final = 4 * 1024
"""What is kept of an answer, in UTF-8, to show its receiver what it said."""

_GONE: Final = 410
_CONTROLS: Final = re.compile(r"[^\t\n\r\x20-\x7e\xa0-\U0010ffff]")

ErrorClass = Stage | Literal["forbidden", "internal"]
"""The stage at which a try failed. `forbidden`: the egress rule refused the URL, and nothing was sent. `internal`: a
mistake of ours."""


class Poster(Protocol):
    """What the sender needs of `EgressClient`."""

    def post(
        self, url: str, *, headers: Mapping[str, str], body: bytes, deadline_s: float, max_response_bytes: int
    ) -> EgressResponse:
        """See `EgressClient.post`."""
        ...


class PostingClient(Protocol):
    """What `senders` needs of `EgressClient`."""

    def posting(self) -> AbstractContextManager[Poster]:
        """See `EgressClient.posting`."""
        ...


@dataclass(frozen=True, slots=True)
class DeliveryOutcome:
    """What came of one try.

    `delivered`: a 2xx answer arrived whole, or up to what is read of it. `gone`: the receiver said 410 and wants no
    more. `error_class` is `None` if and only if it was delivered. `error_detail` is for the operator, not the tenant.
    `request_headers` are as signed and sent, masked where they are not ours.
    """

    delivered: bool
    status: int | None
    error_class: ErrorClass | None
    elapsed_ms: int
    response_excerpt: str
    retry_after_s: float | None
    gone: bool = False
    error_detail: str | None = None
    request_headers: Mapping[str, str] = field(default_factory=dict)


class WebhookSender:
    """Signs and posts messages. Safe to share between threads."""

    def __init__(self, client: Poster, clock: Clock, *, deadline_s: float = DEADLINE_S) -> None:
        self._client = client
        self._clock = clock
        self._deadline_s = deadline_s

    def send(
        self,
        url: str,
        body: bytes,
        *,
        message_id: str,
        secrets: Iterable[str],
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> DeliveryOutcome:
        """Try once. The receiver may have taken the message even if this says it failed: it knows it by its id.

        `message_id` stays the same over all tries of a message; the timestamp is of this one. `headers` are the
        receiver's own: none of them takes the place of one of ours, or stands beside it. Whatever the receiver does
        ends in an outcome. Raises `SecretInvalid` or `ValueError` for what we got wrong.
        """
        now = self._clock.now()
        ours = {
            "content-type": "application/json",
            "user-agent": USER_AGENT,
            **signed_headers(secrets, message_id, timestamp=int(now.timestamp()), body=body),
        }
        own = {**{name: value for name, value in headers.items() if name.lower() not in ours}, **ours}
        started = self._clock.monotonic()
        try:
            response = self._client.post(
                url, headers=own, body=body, deadline_s=self._deadline_s, max_response_bytes=MAX_RESPONSE_BYTES
            )
        except EgressFailed as error:
            return self._failed(error.stage, error.cause, status=error.http_status, started=started, headers=own)
        except (DestinationNotAllowed, UrlInvalid) as error:
            detail = getattr(error, "reason", error.code)
            return self._failed("forbidden", detail, status=None, started=started, headers=own)
        return DeliveryOutcome(
            delivered=200 <= response.status < 300,
            status=response.status,
            error_class=_judge(response.status),
            elapsed_ms=round(response.elapsed_s * 1000),
            response_excerpt=excerpt(response.body),
            retry_after_s=parse_retry_after(response.headers.get("retry-after"), now),
            gone=response.status == _GONE,
            request_headers=kept_headers(own),
        )

    def _failed(
        self, stage: ErrorClass, detail: str, *, status: int | None, started: float, headers: Mapping[str, str]
    ) -> DeliveryOutcome:
        return DeliveryOutcome(
            delivered=False,
            status=status,
            error_class=stage,
            elapsed_ms=round((self._clock.monotonic() - started) * 1000),
            response_excerpt="",
            retry_after_s=None,
            error_detail=detail,
            request_headers=kept_headers(headers),
        )


def senders(
    client: PostingClient, clock: Clock, *, deadline_s: float = DEADLINE_S
) -> Callable[[], AbstractContextManager[WebhookSender]]:
    """Makes senders, each for one thread, that keep a connection from one message to the next."""

    @contextmanager
    def one() -> Iterator[WebhookSender]:
        with client.posting() as poster:
            yield WebhookSender(poster, clock, deadline_s=deadline_s)

    return one


def excerpt(body: bytes) -> str:
    """The start of an answer as text that is safe to store and to print: no control characters, at most 4 KiB."""
    printable = _CONTROLS.sub("", body[:EXCERPT_BYTES].decode("utf-8", "replace"))
    # Each undecodable byte became three.
    return printable.encode()[:EXCERPT_BYTES].decode("utf-8", "ignore")


def _judge(status: int) -> ErrorClass | None:
    if 200 <= status < 300:
        return None
    return "redirect" if 300 <= status < 400 else "status"
