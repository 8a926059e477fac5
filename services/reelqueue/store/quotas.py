"""Tenants' quotas and budgets, for whoever sets and shows them."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import Connection, Select, func, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert

from reelqueue.domain.audit import PROCESS, Actor
from reelqueue.domain.budgets import exact
from reelqueue.domain.quotas import Limits, TenantQuotas, TokenRate
from reelqueue.errors import NotFound, ValidationFailed
from reelqueue.store.audit import record
from reelqueue.store.budgets import turn_costs
from reelqueue.store.engine import Database
from reelqueue.store.metering import LIMITS, quotas_from, usage
from reelqueue.store.opening import open_accounts
from reelqueue.store.tables import tenant_quotas, tenants, upstream_tokens

_Q = tenant_quotas.c
_T = tenants.c
_K = upstream_tokens.c
BUDGETS: Final = frozenset({"credits_per_day", "credits_per_month"})
_LEAST: Final = {"jobs_per_minute": 1}
MOST: Final = 10**12
"""Larger numbers mean nothing."""

_RUNNING = text("""
SELECT t.max_running, (
    SELECT count(*) FROM jobs r WHERE r.tenant_id = t.id AND r.admitted_at IS NOT NULL AND r.dispatch <> 'done') AS now
FROM tenants t WHERE t.id = :tenant_id
""")


class Quotas:
    """What tenants may use. `store.metering` holds them to it."""

    def __init__(self, database: Database, *, credits_per_turn: float = 100.0) -> None:
        """`credits_per_turn` is what a turn of a tenant is expected to cost of whom nothing is known."""
        self._database = database
        self._credits_per_turn = credits_per_turn

    def of(self, tenant_id: str) -> TenantQuotas:
        """The limits of a tenant; of one that has none, or is not there, all `None`."""
        with self._database.statement() as connection:
            row = connection.execute(select(*LIMITS).where(_Q.tenant_id == tenant_id)).mappings().first()
        return TenantQuotas() if row is None else quotas_from(row)

    def set(
        self, tenant_id: str, changes: Mapping[str, float | Decimal | None], *, by: Actor = PROCESS
    ) -> TenantQuotas:
        """Change the limits that are named; `None` lifts one. Returns all of them.

        They hold from the next job on. A lower limit ends nothing that was accepted. A budget that is set in the middle
        of a day or month counts what was spent in it before, and what the tenant's live jobs are expected to cost.
        Raises `NotFound`, and `ValidationFailed` for an unknown name or a number that means nothing; then nothing has
        changed.
        """
        values = _checked(changes)
        with self._database.transaction() as connection:
            _meter(connection, tenant_id)
        if any(values.get(name) is not None for name in BUDGETS):
            # Committed before it is looked for jobs that have not reserved: there will be no more of them.
            with self._database.statement() as connection:
                since = func.coalesce(_Q.accounted_since, func.now())
                connection.execute(update(tenant_quotas).where(_Q.tenant_id == tenant_id).values(accounted_since=since))
        with self._database.transaction() as connection:
            written = self._write(connection, tenant_id, values)
        with self._database.transaction() as connection:
            _meter_if_needed(connection, tenant_id)
            told = {name: None if value is None else float(value) for name, value in values.items()}
            record(connection, by, "tenant.quotas_set", tenant_id=tenant_id, target=tenant_id, data=told)
        return written

    def turn_costs(self, tenant_id: str) -> float:
        """What a job that is accepted now would reserve for each of its turns, if the tenant has a budget."""
        with self._database.statement() as connection:
            return float(turn_costs(connection, tenant_id, otherwise=self._credits_per_turn))

    def limits(self, tenant_id: str) -> Limits:
        """The limits with what is used of them. Raises `NotFound`."""
        with self._database.statement() as connection:
            row = connection.execute(select(*LIMITS, _Q.jobs_mark).where(_Q.tenant_id == tenant_id)).mappings().first()
            quotas = TenantQuotas() if row is None else quotas_from(row)
            running = connection.execute(_RUNNING, {"tenant_id": tenant_id}).first()
            if running is None:
                raise NotFound
            return Limits(
                quotas=quotas,
                usage=usage(connection, tenant_id, live=True, storage=quotas.storage_bytes is not None),
                mark=None if row is None else row["jobs_mark"],
                max_running=running.max_running,
                running=running.now,
                tokens=[TokenRate(**row) for row in connection.execute(_own_tokens(tenant_id)).mappings()],
            )

    def _write(self, connection: Connection, tenant_id: str, values: Mapping[str, object]) -> TenantQuotas:
        mine = _Q.tenant_id == tenant_id
        accounted = connection.execute(select(_Q.accounted_since, _Q.opened_at).where(mine)).one()
        if accounted.accounted_since is not None and accounted.opened_at is None:
            each = turn_costs(connection, tenant_id, otherwise=self._credits_per_turn)
            open_accounts(connection, tenant_id, each)
        written = update(tenant_quotas).where(mine).values(tenant_id=tenant_id, **values).returning(*LIMITS)
        return quotas_from(connection.execute(written).mappings().one())


def _own_tokens(tenant_id: str) -> Select[Any]:
    named = (_K.id, _K.label, _K.requests_per_minute, _K.max_turns, _K.max_renders)
    return select(*named).where(_K.tenant_id == tenant_id, _K.removed_at.is_(None)).order_by(_K.id)


def _meter(connection: Connection, tenant_id: str) -> None:
    """From now on its jobs are accepted under the lock of its quotas. Waits for those that are being accepted."""
    metered = connection.execute(select(_T.metered).where(_T.id == tenant_id)).scalar()
    if metered is None:
        raise NotFound
    if not metered:
        connection.execute(select(_T.id).where(_T.id == tenant_id).with_for_update())
        connection.execute(update(tenants).where(_T.id == tenant_id).values(metered=True))
    made = insert(tenant_quotas).values(tenant_id=tenant_id)
    connection.execute(made.on_conflict_do_nothing(index_elements=[_Q.tenant_id]))


def _meter_if_needed(connection: Connection, tenant_id: str) -> None:
    """A tenant whose last limit was lifted is as if it had never had one; one that had a budget is still accounted.

    The last of several changes at once to come here sees the limits of all.
    """
    connection.execute(select(_T.id).where(_T.id == tenant_id).with_for_update(key_share=True))
    limited = or_(_Q.accounted_since.is_not(None), *(limit.is_not(None) for limit in LIMITS))
    needed = select(_Q.tenant_id).where(_Q.tenant_id == tenant_id, limited).exists()
    connection.execute(update(tenants).where(_T.id == tenant_id, _T.metered != needed).values(metered=needed))


def _checked(changes: Mapping[str, float | Decimal | None]) -> dict[str, int | Decimal | None]:
    known = {column.name for column in LIMITS}
    values: dict[str, int | Decimal | None] = {}
    for name, value in changes.items():
        if name not in known:
            raise ValidationFailed(f"There is no quota {name!r}.", pointer=f"/{name}")
        values[name] = None if value is None else _number(name, value)
    return values


def _number(name: str, value: float | Decimal) -> int | Decimal:
    whole = name not in BUDGETS
    if not _LEAST.get(name, 0) <= value <= MOST or (whole and value != int(value)):
        kind = "a whole number" if whole else "a number"
        raise ValidationFailed(f"This takes {kind} from {_LEAST.get(name, 0)} to {MOST}, or null.", pointer=f"/{name}")
    return int(value) if whole else exact(float(value))
