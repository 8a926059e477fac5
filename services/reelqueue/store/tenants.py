"""The customers of this service, and the secret that signs what a job's own `webhook_url` gets."""

from __future__ import annotations

import os

from sqlalchemy import RowMapping, insert, or_, select

from reelqueue.domain.endpoints import SECRET_BYTES, webhook_secret
from reelqueue.domain.tenants import Tenant
from reelqueue.errors import NotFound, StateConflict, ValidationFailed
from reelqueue.kit.ids import new_id
from reelqueue.kit.sealing import Sealer
from reelqueue.store.engine import Database
from reelqueue.store.sealed import place
from reelqueue.store.tables import tenants
from reelqueue.store.violations import refusing

_T = tenants.c
_SHOWN = (_T.id, _T.name, _T.weight, _T.max_running, _T.paused, _T.created_at)
MAX_NAME_CHARACTERS = 100


class Tenants:
    """For the operator; no request of a tenant comes here, except for its own webhook secret."""

    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer

    def create(self, name: str, *, weight: int = 1, max_running: int = 50) -> Tenant:
        """A new tenant with a webhook secret of its own.

        Of two that ask for one name at once exactly one gets it. Raises `StateConflict` when the name is taken,
        `ValidationFailed` for a name, a weight or a cap that means nothing.
        """
        _check(name, weight, max_running)
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
        taken = {"uq_tenants_name": StateConflict("There is a tenant of that name.")}
        with refusing(taken), self._database.statement() as connection:
            return _tenant_from(connection.execute(statement).mappings().one())

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

    def list(self) -> list[Tenant]:
        """All tenants, the oldest first."""
        with self._database.statement() as connection:
            rows = connection.execute(select(*_SHOWN).order_by(_T.id)).mappings().all()
        return [_tenant_from(row) for row in rows]


def _place(tenant_id: str) -> str:
    return place(_T.webhook_secret, tenant_id=tenant_id, row_id=tenant_id)


def _check(name: str, weight: int, max_running: int) -> None:
    if not name.strip() or len(name) > MAX_NAME_CHARACTERS or not name.isprintable():
        raise ValidationFailed("A tenant's name has 1 to 100 printable characters.", pointer="/name")
    if weight < 1:
        raise ValidationFailed("A tenant's weight is at least 1.", pointer="/weight")
    if max_running < 0:
        raise ValidationFailed("A tenant's cap is not negative.", pointer="/max_running")


def _tenant_from(row: RowMapping) -> Tenant:
    return Tenant(**row)
