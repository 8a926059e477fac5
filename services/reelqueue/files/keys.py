"""Where a file is kept, as a function of what it is. Nothing a caller wrote becomes part of a key."""

from __future__ import annotations

import re
from typing import Final

_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_SHA256: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
_SEGMENT: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,127}", re.ASCII)


def asset_key(tenant: str, sha256: str) -> str:
    """The key of an input: by content, within its tenant, so that sending it twice keeps it once."""
    if not _SHA256.fullmatch(sha256):
        raise ValueError("not a SHA-256 in lower-case hexadecimal")
    return f"t/{_checked(tenant)}/a/{sha256[:2]}/{sha256}"


def result_key(tenant: str, job: str, *, number: int = 1) -> str:
    """The key of a job's finished video; `number` counts its outputs from 1."""
    if number < 1:
        raise ValueError("outputs are counted from 1")
    return f"t/{_checked(tenant)}/r/{_checked(job)}/{number}.mp4"


def tenant_prefix(tenant: str) -> str:
    """What every key of a tenant begins with, and no other tenant's does."""
    return f"t/{_checked(tenant)}/"


def segments(key: str) -> list[str]:
    """The key's parts, each safe as a file name. `ValueError` for what these functions cannot have made."""
    parts = key.split("/")
    if not all(_SEGMENT.fullmatch(part) for part in parts):
        raise ValueError("not a storage key")
    return parts


def _checked(identifier: str) -> str:
    if not _ID.fullmatch(identifier):
        raise ValueError("not an id")
    return identifier
