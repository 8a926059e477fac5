"""Headers of a tenant's own on its webhooks: what its gateway, its router or its firewall wants to see. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from reelqueue.errors import HeaderNotAllowed, ValidationFailed

MOST_HEADERS: Final = 20
MOST_NAME_CHARACTERS: Final = 64
MOST_VALUE_CHARACTERS: Final = 1024

_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
# RFC 9110 §5.5, without what is outside ASCII: no CR, no LF, no NUL, and no blank at an end that a hop would take off.
_VALUE: Final = re.compile(r"[\x21-\x7e](?:[\x20-\x7e\t]*[\x21-\x7e])?")

_OURS: Final = frozenset(
    {"accept-encoding", "content-encoding", "content-length", "content-type", "date", "expect", "host", "user-agent"}
)
"""We write these, or they say what the body is."""
_HOP_BY_HOP: Final = frozenset(
    {"connection", "http2-settings", "keep-alive", "te", "trailer", "trailers", "transfer-encoding", "upgrade"}
)
"""RFC 9110 §7.6.1, and those that older hops know. A receiver and a proxy that read them otherwise are two requests."""
_ORIGIN: Final = frozenset({"forwarded", "via", "x-real-ip"})
"""They would lie about who is calling."""
_PREFIXES: Final = ("webhook-", "proxy-", "x-forwarded-", "sec-", "x-aws-ec2-metadata-", "metadata")
"""Families of the same; and what opens the metadata services of clouds, should an address ever slip through."""


def checked_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers as they were given.

    Raises `HeaderNotAllowed`, which never holds a value, and `ValidationFailed` for too many.
    """
    if len(headers) > MOST_HEADERS:
        raise ValidationFailed(f"At most {MOST_HEADERS} headers.", pointer="/headers")
    seen: set[str] = set()
    for name, value in headers.items():
        if len(name) > MOST_NAME_CHARACTERS or not _NAME.fullmatch(name):
            raise HeaderNotAllowed("A header's name has 1 to 64 letters, digits and hyphens.", pointer="/headers")
        # A name may hold what a JSON pointer has a meaning for (RFC 6901).
        pointer = "/headers/" + name.replace("~", "~0")
        lower = name.lower()
        if lower in seen:
            raise HeaderNotAllowed("A header's name in another case is the same header.", pointer=pointer)
        if lower in _OURS | _HOP_BY_HOP | _ORIGIN or lower.startswith(_PREFIXES):
            raise HeaderNotAllowed("This header is not yours to set.", pointer=pointer)
        if len(value) > MOST_VALUE_CHARACTERS or not _VALUE.fullmatch(value):
            raise HeaderNotAllowed(
                f"A header's value has 1 to {MOST_VALUE_CHARACTERS} printable ASCII characters, no blank at its ends.",
                pointer=pointer,
            )
        seen.add(lower)
    return dict(headers)
