"""The customers of this service, and the secret that signs what a job's own `webhook_url` gets."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict
from types import MappingProxyType

from sqlalchemy import RowMapping, case, insert, or_, select, update

from reelqueue.domain.audit import PROCESS, Actor
from reelqueue.domain.endpoints import SECRET_BYTES, webhook_secret
from reelqueue.domain.tenants import Tenant, TenantChange, TenantState
from reelqueue.errors import NotFound, StateConflict, ValidationFailed
from reelqueue.kit.ids import new_id
from reelqueue.kit.sealing import Sealer
from reelqueue.store.audit import record
from reelqueue.store.engine import Database
from reelqueue.store.sealed import place
from reelqueue.store.tables import tenants
from reelqueue.store.violations import refusing

_T = tenants.c
_PAUSED = case((_T.state == TenantState.ACTIVE, _T.paused), else_=_T.paused_before)
"""The operator's switch. The column says what dispatch goes by: a suspended tenant is paused whatever the switch."""
_SHOWN = (_T.id, _T.name, _T.weight, _T.max_running, _PAUSED.label("paused"), _T.state, _T.created_at)
MAX_NAME_CHARACTERS = 100
_TAKEN = {"uq_tenants_name": StateConflict("There is a tenant of that name.")}


class Tenants:
    """For the operator; no request of a tenant comes here, except for its own webhook secret."""

    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer

    def create(self, name: str, *, weight: int = 1, max_running: int = 50, by: Actor = PROCESS) -> Tenant:
        """A new tenant with a webhook secret of its own.

        Of two that ask for one name at once exactly one gets it. Raises `StateConflict` when the name is taken,
        `ValidationFailed` for a name, a weight or a cap that means nothing.
        """
        _check(TenantChange(name=name, weight=weight, max_running=max_running))
        tenant_id = new_id("tenant")
        secret = webhook_secret(os.urandom(SECRET_BYTES)).encode()
        statement = (
            insert(tenants)
            .values(
                id=tenant_id,
                name=name,
                weight=weight,
                max_running=max_running,
                webhook_secret=self._sealer.seal(secret, aad=_place(tenant_id)),
            )
            .returning(*_SHOWN)
        )
        with refusing(_TAKEN), self._database.transaction() as connection:
            made = _tenant_from(connection.execute(statement).mappings().one())
            data = {"weight": weight, "max_running": max_running}
            record(connection, by, "tenant.created", tenant_id=tenant_id, target=tenant_id, data=data)
            return made

    def find(self, id_or_name: str) -> Tenant:
        """One tenant. An id wins over a name that looks like it. Raises `NotFound`."""
        statement = (
            select(*_SHOWN)
            .where(or_(_T.id == id_or_name, _T.name == id_or_name))
            .order_by((_T.id == id_or_name).desc())
            .limit(1)
        )
        with self._database.statement() as connection:
            row = connection.execute(statement).mappings().first()
        if row is None:
            raise NotFound
        return _tenant_from(row)

    def webhook_secret(self, tenant_id: str) -> str:
        """The `whsec_…` text that signs what jobs' own URLs get. Raises `NotFound`."""
        with self._database.statement() as connection:
            sealed = connection.execute(select(_T.webhook_secret).where(_T.id == tenant_id)).scalar()
        if sealed is None:
            raise NotFound
        return self._sealer.open(sealed, aad=_place(tenant_id)).decode()

    def page(self, *, before: str | None, limit: int) -> list[Tenant]:
        """Up to `limit` tenants, newest first, older than the id `before`."""
        statement = select(*_SHOWN).order_by(_T.id.desc()).limit(limit)
        if before is not None:
            statement = statement.where(_T.id < before)
        with self._database.statement() as connection:
            return [_tenant_from(row) for row in connection.execute(statement).mappings()]

    def change(self, tenant_id: str, change: TenantChange, *, by: Actor = PROCESS) -> Tenant:
        """Change what is given. Jobs that wait already go by the new weight, cap and switch.

        Raises `NotFound`, and as `create` does; `StateConflict` also for a tenant that is being erased.
        """
        _check(change)
        given = {name: value for name, value in asdict(change).items() if value is not None}
        values = dict(given)
        if "paused" in values:
            values["paused_before"] = values["paused"]
            values["paused"] = or_(_T.state != TenantState.ACTIVE, values["paused"])
        told = {name: True if name == "name" else value for name, value in given.items()}
        with refusing(_TAKEN):
            return self._write(tenant_id, values, "tenant.changed", by=by, data=told)

    def suspend(self, tenant_id: str, *, by: Actor = PROCESS) -> Tenant:
        """Let none of its keys in and none of its jobs begin. Once more changes nothing.

        Raises `NotFound`, and `StateConflict` for a tenant that is being erased.
        """
        before = case((_T.state == TenantState.ACTIVE, _T.paused), else_=_T.paused_before)
        values = {"state": TenantState.SUSPENDED, "paused": True, "paused_before": before}
        return self._write(tenant_id, values, "tenant.suspended", by=by)

    def resume(self, tenant_id: str, *, by: Actor = PROCESS) -> Tenant:
        """As before it was suspended. Its jobs are admitted again within five seconds. Raises as `suspend` does."""
        paused = case((_T.state == TenantState.SUSPENDED, _T.paused_before), else_=_T.paused)
        return self._write(tenant_id, {"state": TenantState.ACTIVE, "paused": paused}, "tenant.resumed", by=by)

    def _write(
        self,
        tenant_id: str,
        values: Mapping[str, object],
        action: str,
        *,
        by: Actor,
        data: Mapping[str, object] = MappingProxyType({}),
    ) -> Tenant:
        mine = _T.id == tenant_id
        with self._database.transaction() as connection:
            state = connection.execute(select(_T.state).where(mine).with_for_update()).scalar()
            if state is None:
                raise NotFound
            if state == TenantState.ERASING:
                raise StateConflict("The tenant is being erased.")
            if values:
                connection.execute(update(tenants).where(mine).values(**values))
            written = _tenant_from(connection.execute(select(*_SHOWN).where(mine)).mappings().one())
            record(connection, by, action, tenant_id=tenant_id, target=tenant_id, data=data)
            return written

    def list(self) -> list[Tenant]:
        """All tenants, the oldest first."""
        with self._database.statement() as connection:
            rows = connection.execute(select(*_SHOWN).order_by(_T.id)).mappings().all()
        return [_tenant_from(row) for row in rows]


def _place(tenant_id: str) -> str:
    return place(_T.webhook_secret, tenant_id=tenant_id, row_id=tenant_id)


def _check(change: TenantChange) -> None:
    name = change.name
    if name is not None and (not name.strip() or len(name) > MAX_NAME_CHARACTERS or not name.isprintable()):
        raise ValidationFailed("A tenant's name has 1 to 100 printable characters.", pointer="/name")
    if change.weight is not None and change.weight < 1:
        raise ValidationFailed("A tenant's weight is at least 1.", pointer="/weight")
    if change.max_running is not None and change.max_running < 0:
        raise ValidationFailed("A tenant's cap is not negative.", pointer="/max_running")


def _tenant_from(row: RowMapping) -> Tenant:
    return Tenant(**{**row, "state": TenantState(row["state"])})
