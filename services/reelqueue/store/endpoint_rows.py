"""An endpoint as it stands in its row: what is shown of it, and what is sealed."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from sqlalchemy import RowMapping, Text, func, literal, select
from sqlalchemy.dialects.postgresql import aggregate_order_by

from reelqueue.domain.endpoints import Endpoint, OldSecret
from reelqueue.domain.signing_keys import SEED_BYTES, public_key, signing_key
from reelqueue.kit.sealing import Sealer
from reelqueue.store.sealed import place
from reelqueue.store.tables import webhook_endpoints, webhook_secrets

_E = webhook_endpoints.c
_S = webhook_secrets.c

OLD: Final = func.jsonb_agg(
    aggregate_order_by(
        func.jsonb_build_object(
            *(
                part
                for name in ("scheme", "public_key", "expires_at")
                for part in (literal(name, Text, literal_execute=True), _S[name])
            )
        ),
        _S.expires_at.desc(),
        _S.id.desc(),
    )
)
"""Rows of `webhook_secrets` as `old_secrets` reads them, those that sign the longest first."""

_PLAIN: Final = (
    _E.id,
    _E.tenant_id,
    _E.url,
    _E.event_types,
    _E["filter"],
    _E.description,
    _E.header_names,
    _E.rate_per_minute,
    _E.max_in_flight,
    _E.public_key,
    _E.state,
    _E.created_at,
    _E.disabled_reason,
)
ENDPOINT_COLUMNS: Final = (
    *_PLAIN,
    select(OLD)
    .where(_S.tenant_id == _E.tenant_id, _S.endpoint_id == _E.id, _S.expires_at > func.now())
    .correlate(webhook_endpoints)
    .scalar_subquery()
    .label("old_secrets"),
)


def endpoint_from(row: RowMapping) -> Endpoint:
    """The endpoint of a row with those columns, and maybe more."""
    shown = {column.name: row[column.name] for column in _PLAIN}
    lists = {name: tuple(row[name]) for name in ("event_types", "header_names")}
    return Endpoint(**{**shown, **lists, "old_secrets": old_secrets(row["old_secrets"])})


def old_secrets(rows: list[dict[str, Any]] | None) -> tuple[OldSecret, ...]:
    """What `OLD` answered with; null is none."""
    return tuple(OldSecret(**{**row, "expires_at": datetime.fromisoformat(row["expires_at"])}) for row in rows or ())


def sealed_secret(sealer: Sealer, tenant_id: str, endpoint_id: str, secret: str) -> bytes:
    """A `whsec_…` text for this endpoint's row."""
    return sealer.seal(secret.encode(), aad=place(_E.secret, tenant_id=tenant_id, row_id=endpoint_id))


def sealed_key(sealer: Sealer, tenant_id: str, endpoint_id: str) -> dict[str, Any]:
    """The columns of a new pair of keys."""
    made = signing_key(os.urandom(SEED_BYTES))
    aad = place(_E.signing_key, tenant_id=tenant_id, row_id=endpoint_id)
    return {"signing_key": sealer.seal(made.encode(), aad=aad), "public_key": public_key(made)}


def sealed_headers(sealer: Sealer, tenant_id: str, endpoint_id: str, headers: Mapping[str, str]) -> dict[str, Any]:
    """The columns of its owner's headers."""
    if not headers:
        return {"headers": None, "header_names": []}
    aad = place(_E.headers, tenant_id=tenant_id, row_id=endpoint_id)
    return {"headers": sealer.seal(json.dumps(dict(headers)).encode(), aad=aad), "header_names": list(headers)}
