"""API keys: their text, their checksum, and what is kept of them. Pure: chance, pepper and time are arguments.

A key reads `rq_<26 characters: the id without its prefix>_<32: the secret><6: the checksum>`. The id finds the row,
the secret proves the key, the checksum lets a mistyped key be refused (and a secret scanner be sure) without a look
into the database. The row keeps an HMAC of id and secret under a pepper that is not in the database.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import zlib
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from reelqueue.domain.tenants import TenantState
from reelqueue.kit.ids import PREFIXES, is_id

SCOPES: Final = frozenset({"jobs:read", "jobs:write", "webhooks", "tokens", "usage", "admin"})
"""What a key may be allowed. Assets, projects and batches count as jobs, the event feed as webhooks.

`admin` is for the keys of its own tenant. It is not the operator's: no key of a tenant opens `/v1/admin`.
"""

RANDOM_BYTES: Final = 32
_BASE62: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SECRET_CHARACTERS: Final = 32
_CRC_CHARACTERS: Final = 6
_FORM: Final = re.compile(r"(rq_([0-9a-z]{26})_([0-9A-Za-z]{32}))([0-9A-Za-z]{6})", re.ASCII)
_NO_MAC: Final = bytes(32)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewKey:
    """A key that was just made. `text` is shown to its owner once and never kept."""

    id: str
    text: str = field(repr=False)
    mac: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedKey:
    """A text of the right form. Says nothing of whether there is such a key."""

    id: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A key as it is kept."""

    id: str
    tenant_id: str
    name: str
    mac: bytes = field(repr=False)
    scopes: frozenset[str]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None
    tenant_state: TenantState = TenantState.ACTIVE
    """As it was when the key was found."""
    requests_per_minute: int | None = None
    """`None` is unlimited."""

    def is_live(self, now: datetime) -> bool:
        """Whether the key is neither revoked nor expired."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class CreatedKey:
    """The answer to making a key: the only time its `text` is seen."""

    id: str
    tenant_id: str
    name: str
    text: str = field(repr=False)
    scopes: frozenset[str]
    created_at: datetime
    expires_at: datetime | None


def make_key(random: bytes, *, key_id: str, pepper: bytes) -> NewKey:
    """A key from 32 random bytes: a secret of 190 bits."""
    if len(random) != RANDOM_BYTES:
        raise ValueError(f"a key is made of {RANDOM_BYTES} random bytes")
    # 256 bits folded into 190: no secret is likelier than another by more than one part in 2**65.
    secret = _base62(int.from_bytes(random, "big"), _SECRET_CHARACTERS)
    body = f"rq_{key_id.removeprefix(PREFIXES['api_key'])}_{secret}"
    return NewKey(id=key_id, text=body + _checksum(body), mac=mac(pepper, key_id, secret))


def parse_key(text: str) -> ParsedKey | None:
    """The parts of a key, or `None` for a text that was never one of ours or was mistyped."""
    match = _FORM.fullmatch(text)
    if match is None:
        return None
    body, short_id, secret, checksum = match.groups()
    key_id = PREFIXES["api_key"] + short_id
    if checksum != _checksum(body) or not is_id(key_id, "api_key"):
        return None
    return ParsedKey(id=key_id, secret=secret)


def mac(pepper: bytes, key_id: str, secret: str) -> bytes:
    """What is kept in place of the secret: HMAC-SHA-256 over id and secret. Of use to nobody without the pepper."""
    return hmac.digest(pepper, f"{key_id}:{secret}".encode(), hashlib.sha256)


def admits(key: ApiKey | None, parsed: ParsedKey, *, pepper: bytes, now: datetime) -> bool:
    """Whether `key`, the row found by the parsed id, lets its bearer in.

    Does the same work for a key that is not there as for a wrong secret, and compares in constant time.
    """
    expected = _NO_MAC if key is None else key.mac
    proven = hmac.compare_digest(expected, mac(pepper, parsed.id, parsed.secret))
    return proven and key is not None and key.id == parsed.id and key.is_live(now)


def _checksum(body: str) -> str:
    return _base62(zlib.crc32(body.encode()), _CRC_CHARACTERS)


def _base62(number: int, width: int) -> str:
    """The last `width` digits of the number in base 62."""
    digits = []
    for _ in range(width):
        number, digit = divmod(number, 62)
        digits.append(_BASE62[digit])
    return "".join(reversed(digits))
