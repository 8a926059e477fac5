"""States of tenants, their erasure and its certificate, and the log of what operators and keys' owners do.

Revision: 0018, after 0017.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0018"
down_revision = "0017"

MOMENT = postgresql.TIMESTAMP(timezone=True)
NOW = sa.text("now()")
EMPTY = sa.text("'{}'::jsonb")

TENANT_CHECKS = (
    ("state_known", "state IN ('active', 'suspended', 'erasing')"),
    ("only_active_is_admitted", "state = 'active' OR paused"),
)


def upgrade() -> None:
    op.add_column("tenants", sa.Column("state", sa.Text(), server_default="active", nullable=False))
    op.add_column("tenants", sa.Column("paused_before", sa.Boolean(), server_default=sa.false(), nullable=False))
    for name, condition in TENANT_CHECKS:
        op.create_check_constraint(op.f(f"ck_tenants_{name}"), "tenants", condition)
    op.create_table(
        "audit_log",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("created_at", MOMENT, server_default=NOW, nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=True),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=True),
        sa.Column("data", postgresql.JSONB(), server_default=EMPTY, nullable=False),
        sa.Column("previous", sa.Text(), nullable=True),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.CheckConstraint("(seq = 1) = (previous IS NULL)", name=op.f("ck_audit_log_chained")),
        sa.CheckConstraint("length(digest) = 64", name=op.f("ck_audit_log_digest_hex")),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_audit_log")),
    )
    op.create_index("ix_audit_log_tenant_id_seq", "audit_log", ["tenant_id", "seq"])
    _erasures()


def _erasures() -> None:
    op.create_table(
        "erasures",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="ending", nullable=False),
        sa.Column("requested_by", sa.Text(), nullable=False),
        sa.Column("requested_at", MOMENT, server_default=NOW, nullable=False),
        sa.Column("ended_at", MOMENT, nullable=True),
        sa.Column("rows_at", MOMENT, nullable=True),
        sa.Column("finished_at", MOMENT, nullable=True),
        sa.Column("counts", postgresql.JSONB(), server_default=EMPTY, nullable=False),
        sa.Column("due_at", MOMENT, server_default=NOW, nullable=False),
        sa.Column("epoch", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint("state IN ('ending', 'rows', 'files', 'erased')", name=op.f("ck_erasures_state_known")),
        sa.CheckConstraint("(state = 'erased') = (finished_at IS NOT NULL)", name=op.f("ck_erasures_erased_has_time")),
        sa.PrimaryKeyConstraint("tenant_id", name=op.f("pk_erasures")),
    )
    op.create_index("ix_erasures_due", "erasures", ["due_at"], postgresql_where=sa.text("state <> 'erased'"))
    op.create_table(
        "erased_spending",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("turns", sa.Integer(), nullable=False),
        sa.Column("spent", sa.Double(), nullable=False),
        sa.Column("unknown", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "month", name=op.f("pk_erased_spending")),
    )
    op.create_index("ix_erased_spending_month", "erased_spending", ["month"])


def downgrade() -> None:
    for table in ("erased_spending", "erasures", "audit_log"):
        op.drop_table(table)
    for name, _ in TENANT_CHECKS:
        op.drop_constraint(op.f(f"ck_tenants_{name}"), "tenants")
    for column in ("paused_before", "state"):
        op.drop_column("tenants", column)
