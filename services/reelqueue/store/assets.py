"""Input files, each content once a tenant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Connection,
    RowMapping,
    Text,
    bindparam,
    delete,
    exists,
    func,
    literal_column,
    select,
)
from sqlalchemy.dialects.postgresql import insert

from reelqueue.domain.assets import Asset
from reelqueue.domain.intake import NewAsset
from reelqueue.domain.repairs import repairs_from
from reelqueue.errors import NotFound, StateConflict
from reelqueue.kit.acting import acting_for
from reelqueue.store.engine import Database
from reelqueue.store.metering import admit_file
from reelqueue.store.rows import asset_row
from reelqueue.store.tables import assets, job_inputs, jobs, tenants
from reelqueue.store.violations import no_such_tenant, refusing

_A = assets.c
_FIND_MANY: Final = select(assets).where(
    _A.tenant_id == bindparam("tenant"), _A.id == func.any(bindparam("asset_ids", type_=ARRAY(Text)))
)


class Assets:
    """The tenant's view of its files. Another tenant's id is not found, exactly like one that never was."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def keep(self, tenant_id: str, new: NewAsset) -> Asset:
        """The asset of this content: the one that is there, as it is, or a new one. Safe to repeat.

        Of any number that bring the same content at once, one makes the row and all get it. Raises `NotFound` for a
        tenant that is not there, and `QuotaExceeded` for a new file that its tenant has no room for.
        """
        metered = select(tenants.c.metered).where(tenants.c.id == tenant_id).scalar_subquery()
        statement = (
            insert(assets)
            .values(**asset_row(tenant_id, new))
            # A write that changes nothing, since `DO NOTHING` would return no row, and a look afterwards could miss it.
            .on_conflict_do_update(
                index_elements=[_A.tenant_id, _A.sha256, _A.extension], set_={"blob_key": _A.blob_key}
            )
            .returning(*_A, literal_column("xmax = 0").label("made"), metered.label("metered"))
        )
        with refusing(no_such_tenant(assets)), self._database.transaction() as connection:
            row = dict(connection.execute(statement).mappings().one())
            if row.pop("metered") and row.pop("made"):
                admit_file(connection, tenant_id)
            return _asset_from(row)

    def find(self, tenant_id: str, asset_id: str) -> Asset:
        """One asset. Raises `NotFound`."""
        statement = select(assets).where(_A.tenant_id == tenant_id, _A.id == asset_id)
        with self._database.statement() as connection:
            row = connection.execute(statement).mappings().first()
        if row is None:
            raise NotFound
        return _asset_from(row)

    def find_many(self, tenant_id: str, ids: Sequence[str]) -> Sequence[Asset]:
        """The assets of these ids, in their order; an id may come twice.

        Raises `NotFound` if one is missing; its pointer is the place in `ids`, as `/2`, for the caller to put in
        front where the ids came from.
        """
        which = {"tenant": tenant_id, "asset_ids": sorted(set(ids))}
        with self._database.statement() as connection:
            found = {row["id"]: _asset_from(row) for row in connection.execute(_FIND_MANY, which).mappings()}
        for position, asset_id in enumerate(ids):
            if asset_id not in found:
                raise NotFound(pointer=f"/{position}")
        return [found[asset_id] for asset_id in ids]

    def is_named(self, tenant_id: str, blob_key: str) -> bool:
        """Whether an asset of the tenant's names this blob: then the blob must stay."""
        # Said once more: whoever forgot would be told that nothing names it, and throw the file away.
        with acting_for(tenant_id), self._database.statement() as connection:
            return _exists(connection, tenant_id, _A.blob_key == blob_key)

    def delete(self, tenant_id: str, asset_id: str) -> str | None:
        """Forget an asset. Returns the key of the blob to delete now, or `None` while another asset has the same bytes.

        Raises `NotFound`, or `StateConflict` while a live job uses it; jobs that ended keep its id as a word. A job
        accepted at the same moment wins, and the asset stays, or finds the asset gone: the row is locked first, and
        the lock waits for whoever is about to name it.
        """
        mine = (_A.tenant_id == tenant_id, _A.id == asset_id)
        in_use = exists().where(
            job_inputs.c.asset_id == _A.id, job_inputs.c.job_id == jobs.c.id, jobs.c.dispatch != "done"
        )
        with self._database.transaction() as connection:
            if connection.execute(select(_A.id).where(*mine).with_for_update()).first() is None:
                raise NotFound
            blob_key = connection.execute(delete(assets).where(*mine, ~in_use).returning(_A.blob_key)).scalar()
            if blob_key is None:
                raise StateConflict("A job uses this asset.")
            return None if _exists(connection, tenant_id, _A.blob_key == blob_key) else str(blob_key)

    def list(self, tenant_id: str, *, before: str | None, limit: int) -> list[Asset]:
        """Up to `limit` assets, newest first, older than the asset id `before`."""
        statement = select(assets).where(_A.tenant_id == tenant_id).order_by(_A.id.desc()).limit(limit)
        if before is not None:
            statement = statement.where(_A.id < before)
        with self._database.statement() as connection:
            return [_asset_from(row) for row in connection.execute(statement).mappings()]


def _exists(connection: Connection, tenant_id: str, condition: ColumnElement[bool]) -> bool:
    statement = select(exists().where(_A.tenant_id == tenant_id, condition))
    return bool(connection.execute(statement).scalar())


def _asset_from(row: RowMapping | Mapping[str, Any]) -> Asset:
    return Asset(**{**{column.name: row[column.name] for column in _A}, "repairs": repairs_from(row["repairs"])})
