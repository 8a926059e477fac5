"""Quotas, budgets and the ledger behind them.

Revision: 0015, after 0014.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0015"
down_revision = "0014"

MOMENT = postgresql.TIMESTAMP(timezone=True)
CREDITS = sa.Numeric(20, 6)
ACCOUNTS = ("budget", "reserved", "spent", "at_risk")

STAND = """
CREATE FUNCTION credit_transfers_stand() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a transfer is never changed' USING ERRCODE = 'restrict_violation';
END $$
"""
TRIGGER = """
CREATE TRIGGER credit_transfers_stand BEFORE UPDATE ON credit_transfers
FOR EACH ROW EXECUTE FUNCTION credit_transfers_stand()
"""


def upgrade() -> None:
    op.add_column("tenants", sa.Column("metered", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.add_column("jobs", sa.Column("reserved", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.add_column("api_keys", sa.Column("requests_per_minute", sa.Integer(), nullable=True))
    op.create_check_constraint(op.f("ck_api_keys_rate_positive"), "api_keys", "requests_per_minute > 0")
    _quotas()
    _accounts()
    _reservations()
    _transfers()
    op.execute(STAND)
    op.execute(TRIGGER)


def downgrade() -> None:
    for table in ("credit_transfers", "credit_reservations", "credit_accounts", "tenant_quotas"):
        op.drop_table(table)
    op.execute("DROP FUNCTION credit_transfers_stand()")
    op.drop_constraint(op.f("ck_api_keys_rate_positive"), "api_keys")
    for table, column in (("api_keys", "requests_per_minute"), ("jobs", "reserved"), ("tenants", "metered")):
        op.drop_column(table, column)


def _quotas() -> None:
    op.create_table(
        "tenant_quotas",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("jobs_per_minute", sa.Integer(), nullable=True),
        sa.Column("live_jobs", sa.Integer(), nullable=True),
        sa.Column("storage_bytes", sa.BigInteger(), nullable=True),
        sa.Column("credits_per_day", CREDITS, nullable=True),
        sa.Column("credits_per_month", CREDITS, nullable=True),
        sa.Column("jobs_mark", MOMENT, nullable=True),
        sa.Column("accounted_since", MOMENT, nullable=True),
        sa.Column("opened_at", MOMENT, nullable=True),
        _check("tenant_quotas", "rate_positive", "jobs_per_minute > 0"),
        _check("tenant_quotas", "caps_not_negative", "live_jobs >= 0 AND storage_bytes >= 0"),
        _check("tenant_quotas", "budgets_not_negative", "credits_per_day >= 0 AND credits_per_month >= 0"),
        _check("tenant_quotas", "opened_is_accounted", "opened_at IS NULL OR accounted_since IS NOT NULL"),
        _owner("tenant_quotas"),
        sa.PrimaryKeyConstraint("tenant_id", name=op.f("pk_tenant_quotas")),
    )


def _accounts() -> None:
    op.create_table(
        "credit_accounts",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        *(sa.Column(name, CREDITS, server_default=sa.text("0"), nullable=False) for name in ACCOUNTS),
        _check("credit_accounts", "sum_to_nothing", " + ".join(ACCOUNTS) + " = 0"),
        _owner("credit_accounts"),
        sa.PrimaryKeyConstraint("tenant_id", "day", name=op.f("pk_credit_accounts")),
    )


def _reservations() -> None:
    op.create_table(
        "credit_reservations",
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("turns", sa.Integer(), nullable=False),
        sa.Column("each", CREDITS, nullable=False),
        sa.Column("already", CREDITS, server_default=sa.text("0"), nullable=False),
        sa.Column("reserved", CREDITS, nullable=False),
        sa.Column("spent", CREDITS, server_default=sa.text("0"), nullable=False),
        sa.Column("at_risk", CREDITS, server_default=sa.text("0"), nullable=False),
        _check("credit_reservations", "nothing_negative", "reserved >= 0 AND spent >= 0 AND at_risk >= 0"),
        _job("credit_reservations"),
        _owner("credit_reservations"),
        sa.PrimaryKeyConstraint("job_id", name=op.f("pk_credit_reservations")),
    )
    op.create_index("ix_credit_reservations_tenant_id_day", "credit_reservations", ["tenant_id", "day"])


def _transfers() -> None:
    words = ", ".join(f"'{name}'" for name in ACCOUNTS)
    op.create_table(
        "credit_transfers",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("job_id", sa.Text(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("amount", CREDITS, nullable=False),
        sa.Column("created_at", MOMENT, server_default=sa.text("now()"), nullable=False),
        _check("credit_transfers", "kind_known", "kind IN ('reserve', 'settle', 'release', 'opening')"),
        _check("credit_transfers", "source_known", f"source IN ({words})"),
        _check("credit_transfers", "target_known", f"target IN ({words})"),
        _check("credit_transfers", "two_accounts", "source <> target"),
        _check("credit_transfers", "amount_positive", "amount > 0"),
        _job("credit_transfers"),
        _owner("credit_transfers"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_credit_transfers")),
    )
    op.create_index("ix_credit_transfers_tenant_id_day", "credit_transfers", ["tenant_id", "day"])
    op.create_index("ix_credit_transfers_job_id", "credit_transfers", ["job_id"])


def _check(table: str, name: str, condition: str) -> sa.CheckConstraint:
    return sa.CheckConstraint(condition, name=op.f(f"ck_{table}_{name}"))


def _owner(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f(f"fk_{table}_tenant_id_tenants"))


def _job(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f(f"fk_{table}_job_id_jobs"))
