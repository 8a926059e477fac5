"""Who did what to tenants and keys. Pure: the chain that makes a change of the past show."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who acts: a key's id, `operator` for the operator's API, `cli:<user>` for a command, `process` for our own."""

    name: str
    request_id: str | None = None


PROCESS: Final = Actor(name="process")


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One action. `data` holds numbers, scopes and states, never a name that somebody chose: entries outlive tenants.

    `digest` is the SHA-256 of everything else, the digest of the entry before included.
    """

    seq: int
    created_at: datetime
    actor: str
    action: str
    tenant_id: str | None
    target: str
    request_id: str | None
    data: Mapping[str, Any]
    previous: str | None
    digest: str

    @property
    def id(self) -> str:
        """The number, as lists go by it: sorts by age."""
        return f"{self.seq:020d}"


def digest_of(fields: Mapping[str, Any]) -> str:
    """The SHA-256 of an entry's fields but `digest`, in hexadecimal."""
    moment: datetime = fields["created_at"]
    told = {name: value for name, value in fields.items() if name != "digest"}
    told["created_at"] = moment.astimezone(UTC).isoformat(timespec="microseconds")
    text = json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def first_break(entries: Iterable[AuditEntry]) -> int | None:
    """The number of the first entry that does not fit the one before it or itself; `None` if all fit.

    The entries from the first one on, in their order. That the newest ones were cut off does not show.
    """
    previous = None
    for number, entry in enumerate(entries, 1):
        fields = {name: getattr(entry, name) for name in AuditEntry.__slots__}
        if entry.seq != number or entry.previous != previous or entry.digest != digest_of(fields):
            return entry.seq
        previous = entry.digest
    return None
