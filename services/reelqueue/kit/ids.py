"""Prefixed, time-sortable ids: `job_` and 26 characters of Crockford base 32 over a UUID version 7."""

from __future__ import annotations

import os
import time
from typing import Final

_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"
LENGTH: Final = 26

PREFIXES: Final = {
    "tenant": "ten_",
    "api_key": "key_",
    "upstream_token": "tok_",
    "project": "prj_",
    "asset": "ast_",
    "job": "job_",
    "batch": "bat_",
    "event": "evt_",
    "webhook_endpoint": "whe_",
    "webhook_secret": "whs_",
    "message": "msg_",
    "replay": "rpl_",
    "worker": "wrk_",
    "request": "req_",
}


def uuid7(millis: int, random: bytes) -> int:
    """A version 7 UUID (RFC 9562) from milliseconds since 1970 and ten random bytes."""
    tail = int.from_bytes(random, "big")
    rand_a = (tail >> 68) & 0xFFF
    rand_b = tail & ((1 << 62) - 1)
    return (millis & ((1 << 48) - 1)) << 80 | 7 << 76 | rand_a << 64 | 2 << 62 | rand_b


def encode(number: int) -> str:
    """128 bits as 26 characters that sort as the number does."""
    return "".join(_ALPHABET[number >> shift & 31] for shift in range(125, -1, -5))


def new_id(kind: str) -> str:
    """A new id of a kind in `PREFIXES`. Ids made later in time sort later, to the millisecond."""
    return PREFIXES[kind] + encode(uuid7(time.time_ns() // 1_000_000, os.urandom(10)))


def is_id(text: str, kind: str) -> bool:
    """Whether the text has the form of such an id. Says nothing of its existence."""
    prefix = PREFIXES[kind]
    return len(text) == len(prefix) + LENGTH and text.startswith(prefix) and set(text[len(prefix) :]) <= set(_ALPHABET)
