"""Replacing webhook secrets. The old one signs beside the new one for a while, so that no message goes unverified."""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, and_, delete, func, insert, select, update

from reelqueue.domain.audit import PROCESS, Actor
from reelqueue.domain.endpoints import (
    KEEP_OLD_S,
    MOST_OLD_SECRETS,
    SECRET_BYTES,
    OldSecret,
    Scheme,
    webhook_secret,
)
from reelqueue.errors import NotFound, TooManySecrets
from reelqueue.kit.ids import new_id
from reelqueue.kit.sealing import Sealer
from reelqueue.store.audit import record
from reelqueue.store.endpoint_rows import OLD, old_secrets, sealed_key, sealed_secret
from reelqueue.store.engine import Database
from reelqueue.store.sealed import place
from reelqueue.store.tables import tenants, webhook_endpoints, webhook_secrets

_E = webhook_endpoints.c
_S = webhook_secrets.c
_T = tenants.c
_Old = tuple[Scheme, bytes, str | None]
"""Scheme, plain text, public key."""


class WebhookSecrets:
    """Secrets of endpoints, and the one of each tenant that signs for jobs' own URLs.

    Of two that replace one secret at once, one after the other does: the first one's is old at once, and signs on.
    """

    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer

    def rotate(self, tenant_id: str, endpoint_id: str, *, keep_old_s: int = KEEP_OLD_S, by: Actor = PROCESS) -> str:
        """A new secret for an endpoint, and a new signing key if it has one. The text is not shown again.

        What signed until now signs on for `keep_old_s` seconds by the database's clock, and what was replaced earlier
        not longer than that: with 0 nothing but the new one signs from the next time its lane is taken, which is within
        seconds. Raises `NotFound`, and `TooManySecrets` while as many old secrets sign as may.
        """
        seen = (_E.tenant_id == tenant_id, _E.id == endpoint_id, _E.deleted_at.is_(None))
        secret = webhook_secret(os.urandom(SECRET_BYTES))
        with self._database.transaction() as connection:
            found = select(_E.secret, _E.signing_key, _E.public_key).where(*seen).with_for_update()
            row = connection.execute(found).first()
            if row is None:
                raise NotFound
            old: list[_Old] = [("v1", self._open(row.secret, _E.secret, tenant_id, endpoint_id), None)]
            values = {"secret": sealed_secret(self._sealer, tenant_id, endpoint_id, secret)}
            if row.signing_key is not None:
                key = self._open(row.signing_key, _E.signing_key, tenant_id, endpoint_id)
                old.append(("v1a", key, row.public_key))
                values |= sealed_key(self._sealer, tenant_id, endpoint_id)
            self._retire(connection, tenant_id, endpoint_id, old, keep_old_s)
            connection.execute(update(webhook_endpoints).where(*seen).values(**values))
            _note(connection, by, tenant_id, endpoint_id, keep_old_s)
        return secret

    def rotate_default(self, tenant_id: str, *, keep_old_s: int = KEEP_OLD_S, by: Actor = PROCESS) -> str:
        """A new secret for jobs' own URLs, as `rotate`."""
        secret = webhook_secret(os.urandom(SECRET_BYTES))
        mine = _T.id == tenant_id
        with self._database.transaction() as connection:
            # Jobs that name their tenant, as each new one does, need not wait.
            sealed = connection.execute(select(_T.webhook_secret).where(mine).with_for_update(key_share=True)).scalar()
            if sealed is None:
                raise NotFound
            old: list[_Old] = [("v1", self._open(sealed, _T.webhook_secret, tenant_id, tenant_id), None)]
            self._retire(connection, tenant_id, None, old, keep_old_s)
            aad = place(_T.webhook_secret, tenant_id=tenant_id, row_id=tenant_id)
            values = {"webhook_secret": self._sealer.seal(secret.encode(), aad=aad)}
            connection.execute(update(tenants).where(mine).values(**values))
            _note(connection, by, tenant_id, tenant_id, keep_old_s)
        return secret

    def old_defaults(self, tenant_id: str) -> tuple[OldSecret, ...]:
        """What signs for jobs' own URLs beside the tenant's secret."""
        with self._database.statement() as connection:
            signing = select(OLD).where(_of(tenant_id, None), _S.expires_at > func.now())
            return old_secrets(connection.execute(signing).scalar())

    def forget_expired(self) -> int:
        """Delete what signs no more. Returns how many."""
        with self._database.as_service().statement() as connection:
            return connection.execute(delete(webhook_secrets).where(_S.expires_at <= func.now())).rowcount

    def _open(self, sealed: bytes, column: Any, tenant_id: str, row_id: str) -> bytes:
        return self._sealer.open(sealed, aad=place(column, tenant_id=tenant_id, row_id=row_id))

    def _retire(
        self, connection: Connection, tenant_id: str, endpoint_id: str | None, old: Iterable[_Old], keep_old_s: int
    ) -> None:
        """Shorten, forget and count what is old already, and add to it what is replaced now."""
        owner, until = _of(tenant_id, endpoint_id), func.now() + timedelta(seconds=keep_old_s)
        connection.execute(update(webhook_secrets).where(owner).values(expires_at=func.least(_S.expires_at, until)))
        connection.execute(delete(webhook_secrets).where(owner, _S.expires_at <= func.now()))
        if keep_old_s == 0:
            return
        counted = select(func.count()).select_from(webhook_secrets).where(owner, _S.scheme == "v1")
        if connection.execute(counted).scalar_one() >= MOST_OLD_SECRETS:
            raise TooManySecrets(detail={"most": MOST_OLD_SECRETS})
        for scheme, text, public in old:
            row_id = new_id("webhook_secret")
            aad = place(_S.secret, tenant_id=tenant_id, row_id=row_id)
            values = {"secret": self._sealer.seal(text, aad=aad), "public_key": public, "expires_at": until}
            owned = {"id": row_id, "tenant_id": tenant_id, "endpoint_id": endpoint_id, "scheme": scheme}
            connection.execute(insert(webhook_secrets).values(**owned, **values))


def _of(tenant_id: str, endpoint_id: str | None) -> Any:
    of_tenant = and_(_S.tenant_id == tenant_id, _S.endpoint_id.is_(None))
    return of_tenant if endpoint_id is None else and_(_S.tenant_id == tenant_id, _S.endpoint_id == endpoint_id)


def _note(connection: Connection, by: Actor, tenant_id: str, target: str, keep_old_s: int) -> None:
    data = {"keep_old_s": keep_old_s}
    record(connection, by, "webhook_secret.rotated", tenant_id=tenant_id, target=target, data=data)
