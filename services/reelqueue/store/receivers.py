"""Who is at the end of a lane: where that is, what signs what is sent there, and what else it wants to see."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Column, Connection, text

from reelqueue.kit.sealing import Sealer
from reelqueue.store.sealed import place
from reelqueue.store.tables import tenants, webhook_endpoints, webhook_secrets

_E = webhook_endpoints.c
_S = webhook_secrets.c
_T = tenants.c

_ENDPOINT = text("""
SELECT e.url, e.max_in_flight, e.rate_per_minute, e.secret, e.signing_key, e.headers,
       s.id AS old_id, s.secret AS old_secret
FROM webhook_endpoints e LEFT JOIN webhook_secrets s
  ON s.tenant_id = e.tenant_id AND s.endpoint_id = e.id AND s.expires_at > now()
WHERE e.tenant_id = :tenant AND e.id = :endpoint AND e.state = 'enabled' AND e.deleted_at IS NULL
ORDER BY s.id DESC
""")

_TENANT = text("""
SELECT NULL AS url, NULL AS max_in_flight, NULL AS rate_per_minute, t.webhook_secret AS secret, NULL AS signing_key,
       NULL AS headers, s.id AS old_id, s.secret AS old_secret
FROM tenants t LEFT JOIN webhook_secrets s
  ON s.tenant_id = t.id AND s.endpoint_id IS NULL AND s.expires_at > now()
WHERE t.id = :tenant
ORDER BY s.id DESC
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """`url` is `None` where each message says it. `secrets`: `whsec_…` and `whsk_…` texts, the ones in use first.

    `headers` are the endpoint's owner's.
    """

    url: str | None = field(repr=False)
    max_in_flight: int | None
    rate_per_minute: int | None
    secrets: tuple[str, ...] = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)


def receiver_of(connection: Connection, sealer: Sealer, *, tenant_id: str, endpoint_id: str | None) -> Receiver | None:
    """An endpoint, or with `None` who is at jobs' own URLs, as of now. `None`: an endpoint that gets nothing.

    Raises `SealBroken`.
    """
    query = _TENANT if endpoint_id is None else _ENDPOINT
    rows = connection.execute(query, {"tenant": tenant_id, "endpoint": endpoint_id}).all()
    if not rows:
        return None
    own, row_id = rows[0], endpoint_id or tenant_id

    def opened(column: Column[Any], sealed: bytes, of: str) -> str:
        return sealer.open(sealed, aad=place(column, tenant_id=tenant_id, row_id=of)).decode()

    secrets = [opened(_T.webhook_secret if endpoint_id is None else _E.secret, own.secret, row_id)]
    if own.signing_key is not None:
        secrets.append(opened(_E.signing_key, own.signing_key, row_id))
    secrets += [opened(_S.secret, row.old_secret, row.old_id) for row in rows if row.old_id is not None]
    headers = {} if own.headers is None else json.loads(opened(_E.headers, own.headers, row_id))
    return Receiver(
        url=own.url,
        max_in_flight=own.max_in_flight,
        rate_per_minute=own.rate_per_minute,
        secrets=tuple(secrets),
        headers=headers,
    )
