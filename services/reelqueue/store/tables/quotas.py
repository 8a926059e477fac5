"""What a tenant may use, and the double-entry ledger of what its jobs may cost.

Each transfer takes an amount out of one account and puts it into another, so the accounts of a day always sum to 0.
There is one set of accounts a tenant and day, in UTC; a month is the sum of its days. The balances are kept beside the
transfers, and each job's part of them in its reservation; `store.accounts` compares the three.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Numeric,
    Table,
    Text,
    text,
)

from reelqueue.domain.budgets import Account, TransferKind
from reelqueue.store.tables.metadata import Moment, created_column, metadata, one_of, tenant_column

CREDITS = Numeric(20, 6)
"""Exact: balances are compared with sums."""
_NOTHING = text("0")

# One row a tenant that ever had a quota. NULL is unlimited. Jobs of its are accepted one after the other.
tenant_quotas = Table(
    "tenant_quotas",
    metadata,
    tenant_column(primary_key=True),
    Column("jobs_per_minute", Integer),
    Column("live_jobs", Integer),
    Column("storage_bytes", BigInteger),
    Column("credits_per_day", CREDITS),
    Column("credits_per_month", CREDITS),
    # GCRA: when the rate will be wholly free again.
    Column("jobs_mark", Moment),
    # Since when its jobs reserve credits, and when what was spent before was counted.
    Column("accounted_since", Moment),
    Column("opened_at", Moment),
    CheckConstraint("jobs_per_minute > 0", name="rate_positive"),
    CheckConstraint("live_jobs >= 0 AND storage_bytes >= 0", name="caps_not_negative"),
    CheckConstraint("credits_per_day >= 0 AND credits_per_month >= 0", name="budgets_not_negative"),
    CheckConstraint("opened_at IS NULL OR accounted_since IS NOT NULL", name="opened_is_accounted"),
)

credit_accounts = Table(
    "credit_accounts",
    metadata,
    tenant_column(primary_key=True),
    Column("day", Date, primary_key=True),
    *(Column(account.value, CREDITS, nullable=False, server_default=_NOTHING) for account in Account),
    CheckConstraint(" + ".join(Account) + " = 0", name="sum_to_nothing"),
)

# A job's part of the balances of the day on which it was accepted.
credit_reservations = Table(
    "credit_reservations",
    metadata,
    Column("job_id", Text, ForeignKey("jobs.id"), primary_key=True),
    tenant_column(),
    Column("day", Date, nullable=False),
    Column("turns", Integer, nullable=False),
    Column("each", CREDITS, nullable=False),
    # What its bill said before it was reserved for.
    Column("already", CREDITS, nullable=False, server_default=_NOTHING),
    Column("reserved", CREDITS, nullable=False),
    Column("spent", CREDITS, nullable=False, server_default=_NOTHING),
    Column("at_risk", CREDITS, nullable=False, server_default=_NOTHING),
    CheckConstraint("reserved >= 0 AND spent >= 0 AND at_risk >= 0", name="nothing_negative"),
)
Index("ix_credit_reservations_tenant_id_day", credit_reservations.c.tenant_id, credit_reservations.c.day)

# Only added to: the database refuses to change a row.
credit_transfers = Table(
    "credit_transfers",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    tenant_column(),
    Column("day", Date, nullable=False),
    Column("job_id", Text, ForeignKey("jobs.id")),
    Column("kind", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("amount", CREDITS, nullable=False),
    created_column(),
    CheckConstraint(one_of("kind", TransferKind), name="kind_known"),
    CheckConstraint(one_of("source", Account), name="source_known"),
    CheckConstraint(one_of("target", Account), name="target_known"),
    CheckConstraint("source <> target", name="two_accounts"),
    CheckConstraint("amount > 0", name="amount_positive"),
)
Index("ix_credit_transfers_tenant_id_day", credit_transfers.c.tenant_id, credit_transfers.c.day)
Index("ix_credit_transfers_job_id", credit_transfers.c.job_id)
