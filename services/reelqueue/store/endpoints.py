"""Webhook endpoints of tenants. A deleted one stays as a row, for the messages that name it, and is not seen again."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, RowMapping, delete, func, insert, select, update

from reelqueue.domain.endpoints import (
    BY_OWNER,
    MOST_ENDPOINTS,
    SECRET_BYTES,
    Endpoint,
    EndpointOptions,
    known_event_types,
    webhook_secret,
)
from reelqueue.errors import NotFound, TooManyEndpoints
from reelqueue.kit.ids import new_id
from reelqueue.kit.sealing import Sealer
from reelqueue.store.drops import drop_pending
from reelqueue.store.endpoint_rows import ENDPOINT_COLUMNS, endpoint_from, sealed_headers, sealed_key, sealed_secret
from reelqueue.store.engine import Database
from reelqueue.store.lane_health import forget_failures
from reelqueue.store.tables import messages, webhook_endpoints, webhook_secrets
from reelqueue.store.violations import no_such_tenant, refusing

_E = webhook_endpoints.c
_S = webhook_secrets.c
_AS_GIVEN = ("url", "filter", "description", "rate_per_minute", "max_in_flight")
_NO_OPTIONS = EndpointOptions()


class Endpoints:
    """The tenant's view of its endpoints. Another tenant's id is not found, exactly like one that never was."""

    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer

    def create(
        self,
        tenant_id: str,
        *,
        url: str,
        event_types: Iterable[str],
        description: str | None,
        options: EndpointOptions = _NO_OPTIONS,
    ) -> tuple[Endpoint, str]:
        """A new endpoint and its signing secret, which is not shown again.

        It gets the events that happen from now on. Whether we may call the URL, and whether the headers are fit to be
        sent, is not asked here. Raises `ValidationFailed` for event types that we do not know, `NotFound` for a tenant
        that is not there, `TooManyEndpoints`.
        """
        patterns = known_event_types(event_types)
        endpoint_id = new_id("webhook_endpoint")
        secret = webhook_secret(os.urandom(SECRET_BYTES))
        values = {
            "filter": options.filter,
            "rate_per_minute": options.rate_per_minute,
            "max_in_flight": options.max_in_flight,
            "secret": sealed_secret(self._sealer, tenant_id, endpoint_id, secret),
            **sealed_headers(self._sealer, tenant_id, endpoint_id, options.headers),
            **(sealed_key(self._sealer, tenant_id, endpoint_id) if options.asymmetric else {}),
        }
        statement = (
            insert(webhook_endpoints)
            .values(
                id=endpoint_id,
                tenant_id=tenant_id,
                url=url,
                description=description,
                event_types=list(patterns),
                **values,
            )
            .returning(*ENDPOINT_COLUMNS)
        )
        with refusing(no_such_tenant(webhook_endpoints)), self._database.transaction() as connection:
            _room_for_one(connection, tenant_id)
            return endpoint_from(connection.execute(statement).mappings().one()), secret

    def find(self, tenant_id: str, endpoint_id: str) -> Endpoint:
        """One endpoint. Raises `NotFound`."""
        statement = select(*ENDPOINT_COLUMNS).where(*_seen(tenant_id, endpoint_id))
        with self._database.statement() as connection:
            row = connection.execute(statement).mappings().first()
        if row is None:
            raise NotFound
        return endpoint_from(row)

    def change(self, tenant_id: str, endpoint_id: str, changes: Mapping[str, Any]) -> Endpoint:
        """Change what is named: the columns of that name, `headers` as a whole, `asymmetric`, `state`.

        Messages that wait go by it from the next time their lane is taken. One that is disabled drops what is pending,
        and gets nothing of what happens meanwhile. Enabling it, though it is enabled, and giving it another URL forget
        how its receiver failed. Without `asymmetric` its signing keys, the replaced ones too, sign no more; asked for
        again it is another key. Raises `NotFound`, and `ValidationFailed` for event types that we do not know.
        """
        seen = _seen(tenant_id, endpoint_id)
        with self._database.transaction() as connection:
            row = connection.execute(select(_E.public_key, _E.state).where(*seen).with_for_update()).mappings().first()
            if row is None:
                raise NotFound
            values = {name: changes[name] for name in _AS_GIVEN if name in changes}
            if "event_types" in changes:
                values["event_types"] = list(known_event_types(changes["event_types"]))
            if "headers" in changes:
                values |= sealed_headers(self._sealer, tenant_id, endpoint_id, changes["headers"])
            if "asymmetric" in changes:
                values |= self._keys(connection, tenant_id, endpoint_id, row, wanted=changes["asymmetric"])
            values |= _turned(row["state"], changes.get("state"))
            if values:
                connection.execute(update(webhook_endpoints).where(*seen).values(**values))
            changed = endpoint_from(connection.execute(select(*ENDPOINT_COLUMNS).where(*seen)).mappings().one())
            if changed.state == "disabled":
                _drop(connection, tenant_id, endpoint_id)
            elif not {"state", "url"}.isdisjoint(changes):
                forget_failures(connection, tenant_id, endpoint_id, url=changed.url)
            return changed

    def _keys(
        self, connection: Connection, tenant_id: str, endpoint_id: str, row: RowMapping, *, wanted: bool
    ) -> dict[str, Any]:
        if wanted:
            return sealed_key(self._sealer, tenant_id, endpoint_id) if row["public_key"] is None else {}
        old = (_S.tenant_id == tenant_id, _S.endpoint_id == endpoint_id, _S.scheme == "v1a")
        connection.execute(delete(webhook_secrets).where(*old))
        return {"signing_key": None, "public_key": None}

    def delete(self, tenant_id: str, endpoint_id: str) -> None:
        """Send nothing there any more: the endpoint is gone and its pending messages are dropped. Raises `NotFound`.

        A POST that is under way is not stopped, and is not followed by another. A message that an event writes at the
        same moment is dropped when it is claimed. The secrets that were replaced are deleted.
        """
        gone = update(webhook_endpoints).where(*_seen(tenant_id, endpoint_id)).values(deleted_at=func.now())
        old = delete(webhook_secrets).where(_S.tenant_id == tenant_id, _S.endpoint_id == endpoint_id)
        with self._database.transaction() as connection:
            if connection.execute(gone).rowcount != 1:
                raise NotFound
            connection.execute(old)
            _drop(connection, tenant_id, endpoint_id)

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


def _seen(tenant_id: str, endpoint_id: str) -> tuple[Any, ...]:
    return _E.tenant_id == tenant_id, _E.id == endpoint_id, _E.deleted_at.is_(None)


def _turned(state: str, wanted: str | None) -> dict[str, Any]:
    """What turning an endpoint on or off writes to it. One that is off keeps the reason it has."""
    if wanted in (None, state):
        return {}
    return {"state": wanted, "disabled_reason": BY_OWNER if wanted == "disabled" else None}


def _drop(connection: Connection, tenant_id: str, endpoint_id: str) -> None:
    drop_pending(connection, messages.c.tenant_id == tenant_id, messages.c.endpoint_id == endpoint_id)


def _room_for_one(connection: Connection, tenant_id: str) -> None:
    """Of those who add the last one at once, one waits for the other. Raises `TooManyEndpoints`."""
    connection.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"endpoints of {tenant_id}", 0))))
    there = select(func.count()).where(_E.tenant_id == tenant_id, _E.deleted_at.is_(None))
    if connection.execute(there).scalar_one() >= MOST_ENDPOINTS:
        raise TooManyEndpoints(detail={"most": MOST_ENDPOINTS})
