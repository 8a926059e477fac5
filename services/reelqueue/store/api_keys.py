"""API keys. The text is never kept: a row holds an HMAC of it under a pepper that is not in the database."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Final

from sqlalchemy import ARRAY, RowMapping, Text, bindparam, func, insert, select, update

from reelqueue.domain.api_keys import RANDOM_BYTES, SCOPES, ApiKey, CreatedKey, make_key
from reelqueue.domain.audit import PROCESS, Actor
from reelqueue.domain.tenants import TenantState
from reelqueue.errors import NotFound, ValidationFailed
from reelqueue.kit.clock import rfc3339
from reelqueue.kit.ids import new_id
from reelqueue.store.audit import record
from reelqueue.store.engine import Database
from reelqueue.store.tables import api_keys, tenants
from reelqueue.store.violations import no_such_tenant, refusing

_K = api_keys.c
MOST_A_MINUTE = 1_000_000
_FIND: Final = (
    select(api_keys, tenants.c.state.label("tenant_state"))
    .join(tenants, tenants.c.id == _K.tenant_id)
    .where(_K.id == func.any(bindparam("key_ids", type_=ARRAY(Text))))
)


class ApiKeys:
    """Keys of tenants. `find` and `touch` name no tenant: a key is how the tenant of a request becomes known."""

    def __init__(self, database: Database, pepper: bytes) -> None:
        self._database = database
        self._pepper = pepper

    def create(
        self,
        tenant_id: str,
        *,
        name: str,
        scopes: Iterable[str],
        expires_at: datetime | None = None,
        by: Actor = PROCESS,
    ) -> CreatedKey:
        """A new key. Its text is in the answer and nowhere else.

        Raises `NotFound` for a tenant that is not there, `ValidationFailed` for no scope at all or an unknown one.
        """
        chosen = _known(scopes)
        key = make_key(os.urandom(RANDOM_BYTES), key_id=new_id("api_key"), pepper=self._pepper)
        statement = (
            insert(api_keys)
            .values(
                id=key.id,
                tenant_id=tenant_id,
                name=name,
                mac=key.mac,
                scopes=sorted(chosen),
                expires_at=expires_at,
            )
            .returning(_K.created_at)
        )
        data = {"scopes": sorted(chosen), "expires_at": None if expires_at is None else rfc3339(expires_at)}
        with refusing(no_such_tenant(api_keys)), self._database.transaction() as connection:
            created_at = connection.execute(statement).scalar_one()
            record(connection, by, "key.created", tenant_id=tenant_id, target=key.id, data=data)
        return CreatedKey(
            id=key.id,
            tenant_id=tenant_id,
            name=name,
            text=key.text,
            scopes=chosen,
            created_at=created_at,
            expires_at=expires_at,
        )

    def find(self, key_id: str) -> ApiKey | None:
        """The key of this id, revoked and expired ones too: `domain.api_keys.admits` decides."""
        return self.find_all([key_id]).get(key_id)

    def find_all(self, key_ids: Collection[str]) -> Mapping[str, ApiKey]:
        """The keys of these ids, as `find` finds them; those that are not there are missing."""
        with self._database.statement() as connection:
            rows = connection.execute(_FIND, {"key_ids": list(key_ids)}).mappings()
            return {row["id"]: _key_from(row) for row in rows}

    def find_of(self, tenant_id: str, key_id: str) -> ApiKey:
        """The tenant's key of this id, revoked and expired ones too. Raises `NotFound`."""
        statement = select(api_keys).where(_K.tenant_id == tenant_id, _K.id == key_id)
        with self._database.statement() as connection:
            row = connection.execute(statement).mappings().first()
        if row is None:
            raise NotFound
        return _key_from(row)

    def revoke(self, tenant_id: str, key_id: str, *, by: Actor = PROCESS) -> None:
        """End a key for good. Once revoked it stays so, with its first date. Raises `NotFound`."""
        mine = (_K.tenant_id == tenant_id, _K.id == key_id)
        with self._database.transaction() as connection:
            row = connection.execute(select(_K.revoked_at).where(*mine).with_for_update()).first()
            if row is None:
                raise NotFound
            if row.revoked_at is None:
                connection.execute(update(api_keys).where(*mine).values(revoked_at=func.now()))
                record(connection, by, "key.revoked", tenant_id=tenant_id, target=key_id)

    def limit(self, tenant_id: str, key_id: str, requests_per_minute: int | None, *, by: Actor = PROCESS) -> None:
        """Hold a key to a rate, or with `None` to none. Every gateway goes by it within five seconds.

        Raises `NotFound`, and `ValidationFailed` for a rate that is not above 0.
        """
        if requests_per_minute is not None and not 0 < requests_per_minute <= MOST_A_MINUTE:
            said = f"A rate is a whole number from 1 to {MOST_A_MINUTE}."
            raise ValidationFailed(said, pointer="/requests_per_minute")
        limited = update(api_keys).where(_K.tenant_id == tenant_id, _K.id == key_id)
        with self._database.transaction() as connection:
            if connection.execute(limited.values(requests_per_minute=requests_per_minute)).rowcount != 1:
                raise NotFound
            told = {"requests_per_minute": requests_per_minute}
            record(connection, by, "key.limited", tenant_id=tenant_id, target=key_id, data=told)

    def touch(self, key_ids: Iterable[str]) -> None:
        """Note that the keys were used just now. A row that somebody else is writing to is passed over."""
        free = select(_K.id).where(_K.id.in_(sorted(key_ids))).with_for_update(skip_locked=True, key_share=True)
        statement = update(api_keys).where(_K.id.in_(free)).values(last_used_at=func.now())
        with self._database.as_service().statement() as connection:
            connection.execute(statement)

    def list(self, tenant_id: str, *, before: str | None = None, limit: int | None = None) -> list[ApiKey]:
        """Keys of the tenant, the newest first, older than the id `before`; all unless `limit` is given."""
        statement = select(api_keys).where(_K.tenant_id == tenant_id).order_by(_K.id.desc()).limit(limit)
        if before is not None:
            statement = statement.where(_K.id < before)
        with self._database.statement() as connection:
            return [_key_from(row) for row in connection.execute(statement).mappings()]


def _known(scopes: Iterable[str]) -> frozenset[str]:
    chosen = frozenset(scopes)
    if not chosen or not chosen <= SCOPES:
        known = ", ".join(sorted(SCOPES))
        raise ValidationFailed(f"Name one or more of the scopes {known}.", pointer="/scopes")
    return chosen


def _key_from(row: RowMapping) -> ApiKey:
    state = TenantState(row.get("tenant_state", TenantState.ACTIVE))
    return ApiKey(**{**row, "scopes": frozenset(row["scopes"]), "tenant_state": state})
