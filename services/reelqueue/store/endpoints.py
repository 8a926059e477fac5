"""Webhook endpoints of tenants. A deleted one stays as a row, for the messages that name it, and is not seen again."""

from __future__ import annotations

import os
from collections.abc import Iterable

from sqlalchemy import func, insert, select, update

from reelqueue.domain.endpoints import SECRET_BYTES, Endpoint, known_event_types, webhook_secret
from reelqueue.errors import NotFound
from reelqueue.kit.ids import new_id
from reelqueue.kit.sealing import Sealer
from reelqueue.store.drops import drop_pending
from reelqueue.store.endpoint_rows import ENDPOINT_COLUMNS, endpoint_from
from reelqueue.store.engine import Database
from reelqueue.store.sealed import place
from reelqueue.store.tables import messages, webhook_endpoints
from reelqueue.store.violations import no_such_tenant, refusing

_E = webhook_endpoints.c


class Endpoints:
    """The tenant's view of its endpoints. Another tenant's id is not found, exactly like one that never was."""

    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer

    def create(
        self, tenant_id: str, *, url: str, event_types: Iterable[str], description: str | None
    ) -> tuple[Endpoint, str]:
        """A new endpoint and its signing secret, which is not shown again.

        It gets the events that happen from now on. Whether we may call the URL is not asked here. Raises
        `ValidationFailed` for event types that we do not know, `NotFound` for a tenant that is not there.
        """
        patterns = known_event_types(event_types)
        endpoint_id = new_id("webhook_endpoint")
        secret = webhook_secret(os.urandom(SECRET_BYTES))
        statement = (
            insert(webhook_endpoints)
            .values(
                id=endpoint_id,
                tenant_id=tenant_id,
                url=url,
                description=description,
                event_types=list(patterns),
                secret=self._sealer.seal(
                    secret.encode(), aad=place(_E.secret, tenant_id=tenant_id, row_id=endpoint_id)
                ),
            )
            .returning(*ENDPOINT_COLUMNS)
        )
        with refusing(no_such_tenant(webhook_endpoints)), self._database.statement() as connection:
            return endpoint_from(connection.execute(statement).mappings().one()), secret

    def find(self, tenant_id: str, endpoint_id: str) -> Endpoint:
        """One endpoint. Raises `NotFound`."""
        statement = select(*ENDPOINT_COLUMNS).where(
            _E.tenant_id == tenant_id, _E.id == endpoint_id, _E.deleted_at.is_(None)
        )
        with self._database.statement() as connection:
            row = connection.execute(statement).mappings().first()
        if row is None:
            raise NotFound
        return endpoint_from(row)

    def delete(self, tenant_id: str, endpoint_id: str) -> None:
        """Send nothing there any more: the endpoint is gone and its pending messages are dropped. Raises `NotFound`.

        A POST that is under way is not stopped, and is not followed by another. A message that an event writes at the
        same moment is dropped when it is claimed.
        """
        gone = (
            update(webhook_endpoints)
            .where(_E.tenant_id == tenant_id, _E.id == endpoint_id, _E.deleted_at.is_(None))
            .values(deleted_at=func.now())
        )
        with self._database.transaction() as connection:
            if connection.execute(gone).rowcount != 1:
                raise NotFound
            drop_pending(connection, messages.c.tenant_id == tenant_id, messages.c.endpoint_id == endpoint_id)

    def list(self, tenant_id: str, *, before: str | None, limit: int) -> list[Endpoint]:
        """Up to `limit` endpoints, newest first, older than the endpoint id `before`."""
        statement = (
            select(*ENDPOINT_COLUMNS)
            .where(_E.tenant_id == tenant_id, _E.deleted_at.is_(None))
            .order_by(_E.id.desc())
            .limit(limit)
        )
        if before is not None:
            statement = statement.where(_E.id < before)
        with self._database.statement() as connection:
            return [endpoint_from(row) for row in connection.execute(statement).mappings()]
