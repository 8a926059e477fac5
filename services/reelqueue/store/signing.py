"""What a message is signed with, and what its receiver wants to see beside the signature."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Column, Connection, Select, and_, func, null, select

from reelqueue.kit.sealing import Sealer
from reelqueue.store.sealed import place
from reelqueue.store.tables import tenants, webhook_endpoints, webhook_secrets

_E = webhook_endpoints.c
_S = webhook_secrets.c
_T = tenants.c
_OLD = (_S.id.label("old_id"), _S.secret.label("old_secret"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Signing:
    """`secrets`: `whsec_…` and `whsk_…` texts, the ones in use first. `headers` are the endpoint's owner's."""

    secrets: tuple[str, ...] = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)


def signing_of(connection: Connection, sealer: Sealer, *, tenant_id: str, endpoint_id: str | None) -> Signing:
    """What signs for an endpoint, or with `None` for jobs' own URLs, as of now. The owner must be there.

    Raises `SealBroken`.
    """
    query = _of_tenant(tenant_id) if endpoint_id is None else _of_endpoint(tenant_id, endpoint_id)
    rows = connection.execute(query).mappings().all()
    own, row_id = rows[0], endpoint_id or tenant_id

    def opened(column: Column[Any], sealed: bytes, of: str) -> str:
        return sealer.open(sealed, aad=place(column, tenant_id=tenant_id, row_id=of)).decode()

    secrets = [opened(_T.webhook_secret if endpoint_id is None else _E.secret, own["secret"], row_id)]
    if own["signing_key"] is not None:
        secrets.append(opened(_E.signing_key, own["signing_key"], row_id))
    secrets += [opened(_S.secret, row["old_secret"], row["old_id"]) for row in rows if row["old_id"] is not None]
    headers = {} if own["headers"] is None else json.loads(opened(_E.headers, own["headers"], row_id))
    return Signing(secrets=tuple(secrets), headers=headers)


def _of_endpoint(tenant_id: str, endpoint_id: str) -> Select[Any]:
    signs = and_(_S.tenant_id == _E.tenant_id, _S.endpoint_id == _E.id, _S.expires_at > func.now())
    return (
        select(_E.secret, _E.signing_key, _E.headers, *_OLD)
        .select_from(webhook_endpoints.outerjoin(webhook_secrets, signs))
        .where(_E.tenant_id == tenant_id, _E.id == endpoint_id)
        .order_by(_S.id.desc())
    )


def _of_tenant(tenant_id: str) -> Select[Any]:
    signs = and_(_S.tenant_id == _T.id, _S.endpoint_id.is_(None), _S.expires_at > func.now())
    nothing = (null().label("signing_key"), null().label("headers"))
    return (
        select(_T.webhook_secret.label("secret"), *nothing, *_OLD)
        .select_from(tenants.outerjoin(webhook_secrets, signs))
        .where(_T.id == tenant_id)
        .order_by(_S.id.desc())
    )
