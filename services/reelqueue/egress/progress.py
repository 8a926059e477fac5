"""How far one request has come, and how far it may still go."""

from __future__ import annotations

import errno
import ssl
from dataclasses import dataclass
from typing import Final

from reelqueue.egress.addresses import Address
from reelqueue.egress.errors import EgressFailed, Stage
from reelqueue.kit.clock import Clock

HEAD_LIMIT_BYTES: Final = 64 * 1024
READ_SIZE_BYTES: Final = 16 * 1024
CHUNK_OVERHEAD: Final = 2
"""Chunked framing may take as many bytes again as the body itself; a peer that needs more is playing."""


@dataclass(slots=True)
class Progress:
    """The running record of one request on one connection: changed by the stream and the client, by one thread.

    `ends_at` is on the clock's monotonic scale and covers everything. `may_read` counts down the bytes that may still
    be taken from the socket; `read_size` is the most to take at once. `has_body`: behind the head that is to be written
    a body will be.
    """

    clock: Clock
    ends_at: float
    stage: Stage = "resolve"
    address: Address | None = None
    http_status: int | None = None
    has_body: bool = False
    sent: int = 0
    may_read: int = HEAD_LIMIT_BYTES
    read_size: int = READ_SIZE_BYTES

    def remaining(self) -> float:
        """Seconds left. Raises `EgressFailed` at the present stage if there are none."""
        left = self.ends_at - self.clock.monotonic()
        if left <= 0:
            raise self.failed("deadline passed")
        return left

    def failed(self, cause: str | BaseException) -> EgressFailed:
        """The failure to raise now. Of an exception only its kind is kept: its text may quote the other side."""
        return EgressFailed(self.stage, _named(cause), http_status=self.http_status, bytes_sent=self.sent)

    def head_received(self, status: int, *, may_read: int) -> None:
        """The answer's head is complete; from now on the body is read, `may_read` bytes of it on the wire."""
        self.stage = "read"
        self.http_status = status
        self.may_read = may_read


def _named(cause: str | BaseException) -> str:
    match cause:
        case str():
            return cause
        case ssl.SSLError(reason=str(reason)):
            return reason
        case OSError(errno=int(number)) if number in errno.errorcode:
            return errno.errorcode[number]
    return type(cause).__name__
