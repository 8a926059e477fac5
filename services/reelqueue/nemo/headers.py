"""What goes into the headers of a call, and what must never come out again."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from reelqueue.domain.upstream import Credential
from reelqueue.errors import TokenRejected
from reelqueue.kit.http import httpx

MASK: Final = "[redacted]"

_SENDABLE = re.compile(r"[\x21-\x7e]{1,4096}")
_FIELD = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,126}[\x21-\x7e])?")
_CLIENT_ID = re.compile(r"[\x21-\x7e]{1,64}")
_ANY_TOKEN = re.compile(r"\b(?:nmv_usr|clm)_[A-Za-z0-9_.+/=~-]+")
_TOKEN_STARTS = ("nmv_usr_", "clm_")
"""One of these is in whatever `_ANY_TOKEN` matches. Looking for them first makes a stream twice as fast to read."""
_SHORTEST_MASKED = 8


@dataclass(frozen=True, slots=True)
class Attribution:
    """Who calls. Without all three headers the upstream refuses exports with 402 (contract §2.4)."""

    source: str
    version: str
    platform: str = "unknown"

    def __post_init__(self) -> None:
        for value in (self.source, self.version, self.platform):
            if not _FIELD.fullmatch(value):
                raise ValueError(f"not usable as a header: {value!r}")


def call_headers(
    attribution: Attribution,
    credential: Credential | None,
    *,
    accept: str = "application/json",
    client_id: str | None = None,
) -> httpx.Headers:
    """The headers of one call; their repr hides the token.

    Raises `TokenRejected` for a token that no header can carry: the HTTP library would quote it in its complaint.
    """
    headers = httpx.Headers(
        {
            "Accept": accept,
            "Accept-Encoding": "identity",
            "User-Agent": f"{attribution.source}/{attribution.version}",
            "X-Skill-Source": attribution.source,
            "X-Skill-Version": attribution.version,
            "X-Skill-Platform": attribution.platform,
        }
    )
    if credential is not None:
        if not sendable(credential.token):
            raise TokenRejected("The upstream token holds characters that a header cannot carry.")
        headers["Authorization"] = f"Bearer {credential.token}"
    if client_id is not None:
        if not _CLIENT_ID.fullmatch(client_id):
            raise ValueError("a client id is 1 to 64 visible ASCII characters")
        headers["X-Client-Id"] = client_id
    return headers


def sendable(token: str) -> bool:
    """Whether a header can carry this token."""
    return _SENDABLE.fullmatch(token) is not None


def redact(text: str, credential: Credential | None) -> str:
    """The text without the token of this call, and without anything that looks like a token of the upstream."""
    if credential is not None and len(credential.token) >= _SHORTEST_MASKED:
        text = text.replace(credential.token, MASK)
    return _ANY_TOKEN.sub(MASK, text) if any(start in text for start in _TOKEN_STARTS) else text
