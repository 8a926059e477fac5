"""What operators do and what is left of it. None of these rows belongs to a tenant: they outlive it."""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, Column, Date, Double, Index, Integer, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB

from reelqueue.domain.erasures import ErasureState
from reelqueue.store.tables.metadata import Moment, created_column, metadata, one_of

audit_log = Table(
    "audit_log",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    created_column(),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("tenant_id", Text),
    Column("target", Text, nullable=False),
    Column("request_id", Text),
    Column("data", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    # The digest of the entry before, and of this one with that.
    Column("previous", Text),
    Column("digest", Text, nullable=False),
    CheckConstraint("(seq = 1) = (previous IS NULL)", name="chained"),
    CheckConstraint("length(digest) = 64", name="digest_hex"),
)
Index("ix_audit_log_tenant_id_seq", audit_log.c.tenant_id, audit_log.c.seq)

erasures = Table(
    "erasures",
    metadata,
    # No foreign key: the tenant's row goes.
    Column("tenant_id", Text, primary_key=True),
    Column("state", Text, nullable=False, server_default=ErasureState.ENDING),
    Column("requested_by", Text, nullable=False),
    Column("requested_at", Moment, nullable=False, server_default=text("now()")),
    Column("ended_at", Moment),
    Column("rows_at", Moment),
    Column("finished_at", Moment),
    Column("counts", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    # Who takes the next step claims it: not again before `due_at`, and with an epoch that only grows.
    Column("due_at", Moment, nullable=False, server_default=text("now()")),
    Column("epoch", Integer, nullable=False, server_default=text("0")),
    CheckConstraint(one_of("state", ErasureState), name="state_known"),
    CheckConstraint("(state = 'erased') = (finished_at IS NOT NULL)", name="erased_has_time"),
)
Index("ix_erasures_due", erasures.c.due_at, postgresql_where=text("state <> 'erased'"))

erased_spending = Table(
    "erased_spending",
    metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("month", Date, primary_key=True),
    Column("turns", Integer, nullable=False),
    Column("spent", Double, nullable=False),
    Column("unknown", Integer, nullable=False),
)
Index("ix_erased_spending_month", erased_spending.c.month)
