"""A token's row: what is read of it, how its secret is sealed, and what is kept when its balance was read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Final

from sqlalchemy import ColumnElement, case, func, literal_column, null

from reelqueue.domain.tokens import BlockedBy, TokenHealth, TokenKind, UpstreamToken
from reelqueue.domain.upstream import Balance
from reelqueue.kit.sealing import Sealer
from reelqueue.store.sealed import place
from reelqueue.store.tables import upstream_tokens

_T = upstream_tokens.c
NAMES: Final = tuple(field.name for field in fields(UpstreamToken))
SHOWN: Final = tuple(_T[name] for name in NAMES)


def _unless_a_persons(column: ColumnElement[Any]) -> ColumnElement[Any]:
    return case((_T.blocked_by == BlockedBy.REFUSALS, null()), else_=column)


FRESH_SECRET: Final[dict[str, Any]] = {
    "refused": [],
    "refused_at": None,
    **{name: _unless_a_persons(_T[name]) for name in ("blocked_at", "blocked_by", "blocked_why")},
}
"""The columns of a token whose secret is another from now on: nothing was refused it. A person's block stays."""
UNBLOCKED: Final[dict[str, Any]] = {
    "refused": [],
    **dict.fromkeys(("refused_at", "blocked_at", "blocked_by", "blocked_why")),
}
"""The columns of a token that a person has taken the block from."""

# Written out: as a parameter the empty string would fit the index no more once psycopg has prepared the statement.
OWNER_AND_FINGERPRINT: Final = (func.coalesce(_T.tenant_id, literal_column("''")), _T.fingerprint)


def place_of(tenant_id: str | None, token_id: str) -> str:
    """Where a sealed secret belongs: it opens nowhere else."""
    return place(_T.secret, tenant_id=tenant_id, row_id=token_id)


def sealed(sealer: Sealer, tenant_id: str | None, token_id: str, secret: str) -> bytes:
    """The secret as the row keeps it."""
    return sealer.seal(secret.encode(), aad=place_of(tenant_id, token_id))


def fingerprint(sealer: Sealer, kind: TokenKind, told: str) -> bytes:
    """What tells whether an owner has this token already: of its secret, or of its client id if it is anonymous."""
    return sealer.fingerprint(f"{kind}|{told}".encode())


def balance_columns(balance: Balance) -> dict[str, Any]:
    """What is kept of a balance that was read just now."""
    return {"available": balance.available, "frozen": balance.frozen, "balance_at": func.now()}


def token_from(row: Mapping[Any, Any]) -> UpstreamToken:
    """The token of a row with `SHOWN`."""
    typed = {
        "kind": TokenKind(row["kind"]),
        "health": TokenHealth(row["health"]),
        "scopes": tuple(row["scopes"]),
        "refused": tuple(row["refused"]),
        "blocked_by": None if row["blocked_by"] is None else BlockedBy(row["blocked_by"]),
    }
    return UpstreamToken(**{**row, **typed})
