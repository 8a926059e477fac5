"""The log of what is done to tenants and keys: written in the transaction of the deed, chained, never changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

from sqlalchemy import Connection, func, insert, select

from reelqueue.domain.audit import Actor, AuditEntry, digest_of, first_break
from reelqueue.store.engine import Database, widen
from reelqueue.store.tables import audit_log

_A = audit_log.c
_LOCK: Final = 7_141_963_302_118_415
"""The advisory lock under which the chain grows by one."""
_PAGE: Final = 1_000


def record(
    connection: Connection,
    by: Actor,
    action: str,
    *,
    tenant_id: str | None,
    target: str,
    data: Mapping[str, Any] = MappingProxyType({}),
) -> None:
    """Write an entry in the caller's transaction, as its last statement: others who write one wait for the commit."""
    # The chain is one for all tenants, for whomever the deed was done.
    widen(connection)
    connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
    # A statement of its own, after the lock: it must see what was written by whoever held it before.
    last = select(_A.seq, _A.digest).order_by(_A.seq.desc()).limit(1)
    before = connection.execute(last).first()
    fields = {
        "seq": 1 if before is None else before.seq + 1,
        "created_at": connection.execute(select(func.clock_timestamp())).scalar_one(),
        "actor": by.name,
        "action": action,
        "tenant_id": tenant_id,
        "target": target,
        "request_id": by.request_id,
        "data": dict(data),
        "previous": None if before is None else before.digest,
    }
    connection.execute(insert(audit_log).values(**fields, digest=digest_of(fields)))


class AuditLog:
    """Reads the log."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def list(self, *, tenant_id: str | None = None, before: int | None = None, limit: int = 100) -> list[AuditEntry]:
        """Up to `limit` entries, newest first, older than the number `before`; of one tenant, or all."""
        statement = select(audit_log).order_by(_A.seq.desc()).limit(limit)
        if tenant_id is not None:
            statement = statement.where(_A.tenant_id == tenant_id)
        if before is not None:
            statement = statement.where(_A.seq < before)
        with self._database.statement() as connection:
            return [AuditEntry(**row) for row in connection.execute(statement).mappings()]

    def first_break(self) -> int | None:
        """The number of the first entry that was changed, or follows one that was taken out; `None` if all fit."""
        return first_break(self._all())

    def _all(self) -> Iterator[AuditEntry]:
        after = 0
        while True:
            statement = select(audit_log).where(_A.seq > after).order_by(_A.seq).limit(_PAGE)
            with self._database.statement() as connection:
                page = [AuditEntry(**row) for row in connection.execute(statement).mappings()]
            yield from page
            if not page:
                return
            after = page[-1].seq
