"""What can go wrong on the way out: what the tenant is told, and what the operator may know.

The message of each of these is for the tenant and is always the same for its class. `reason`, `stage` and `cause` are
for logs and attempt records; they never enter a message.
"""

from __future__ import annotations

from typing import Literal

from reelqueue.errors import DestinationNotAllowed, SourceUnreachable

Stage = Literal["resolve", "connect", "tls", "send", "wait", "read", "status", "redirect", "too_large"]
"""How far a request came. `wait` is from the last byte sent to the end of the answer's head, `read` is its body,
`status` is an answer that is no file, `redirect` a hop that is not followed, `too_large` a body over its limit."""


class DestinationForbidden(DestinationNotAllowed):
    """This address may not be called from here."""

    def __init__(self, reason: str) -> None:
        """`reason` says which rule refused it, for the operator."""
        super().__init__("This address does not exist, or may not be called from here.")
        self.reason = reason


class EgressFailed(SourceUnreachable):
    """The address did not give a usable answer."""

    fix = "Check that the URL answers from the public internet without a login, then send the request again."

    def __init__(self, stage: Stage, cause: str, *, http_status: int | None = None, bytes_sent: int = 0) -> None:
        """`http_status` is of the answer's head, if one came. `bytes_sent` counts what went into the socket.

        With `bytes_sent` 0 the other side has certainly seen nothing of the request.
        """
        super().__init__("The address did not give a usable answer.")
        self.stage = stage
        self.cause = cause
        self.http_status = http_status
        self.bytes_sent = bytes_sent


class NoSuchName(EgressFailed):
    """The name has no address, at `resolve`. Where a tenant reads along, word it as `DestinationForbidden`.

    Else the two together would tell which names exist in our network.
    """

    def __init__(self) -> None:
        super().__init__("resolve", "no such name")


class NameNotFound(Exception):
    """The name has no address. Asking again soon will not help."""


class LookupFailed(Exception):
    """The resolver gave no answer in time, or said it cannot tell now."""
