"""What a token can carry, what a job occupies of it, and a job's priority and latest start.

Revision: 0011, after 0010.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0011"
down_revision = "0010"

MOMENT = postgresql.TIMESTAMP(timezone=True)

TOKEN_CHECKS = (
    ("rate_positive", "requests_per_minute > 0"),
    ("burst_positive", "burst > 0"),
    ("caps_not_negative", "max_turns >= 0 AND max_renders >= 0"),
    ("learned_has_time", "(learned_per_minute IS NULL) = (learned_at IS NULL)"),
)
JOB_CHECKS = (
    ("slot_known", "slot IN ('turn', 'render')"),
    ("slot_has_token", "slot IS NULL OR (token_id IS NOT NULL AND slot_since IS NOT NULL)"),
    ("priority_known", "priority BETWEEN 0 AND 2"),
)


def _token_columns() -> tuple[sa.Column[Any], ...]:
    return (
        sa.Column("requests_per_minute", sa.Integer(), server_default=sa.text("300"), nullable=False),
        sa.Column("burst", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("max_turns", sa.Integer(), server_default=sa.text("20"), nullable=False),
        sa.Column("max_renders", sa.Integer(), server_default=sa.text("20"), nullable=False),
        sa.Column("scopes", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("plan", sa.Text(), nullable=True),
        sa.Column("available", sa.Double(), nullable=True),
        sa.Column("frozen", sa.Double(), nullable=True),
        sa.Column("balance_at", MOMENT, nullable=True),
        sa.Column("strikes", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("learned_per_minute", sa.Double(), nullable=True),
        sa.Column("learned_at", MOMENT, nullable=True),
        sa.Column("removed_at", MOMENT, nullable=True),
    )


def _job_columns() -> tuple[sa.Column[Any], ...]:
    return (
        sa.Column("token_id", sa.Text(), nullable=True),
        sa.Column("slot", sa.Text(), nullable=True),
        sa.Column("slot_since", MOMENT, nullable=True),
        sa.Column("priority", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("start_by", MOMENT, nullable=True),
    )


def upgrade() -> None:
    for table, columns, checks in (
        ("upstream_tokens", _token_columns(), TOKEN_CHECKS),
        ("jobs", _job_columns(), JOB_CHECKS),
    ):
        for column in columns:
            op.add_column(table, column)
        for name, condition in checks:
            op.create_check_constraint(op.f(f"ck_{table}_{name}"), table, condition)
    op.create_index("ix_jobs_slots", "jobs", ["token_id", "slot"], postgresql_where=sa.text("slot IS NOT NULL"))
    op.create_index(
        "ix_jobs_start_by",
        "jobs",
        ["start_by"],
        postgresql_where=sa.text("start_by IS NOT NULL AND admitted_at IS NULL AND dispatch = 'idle'"),
    )


def downgrade() -> None:
    op.drop_index("ix_jobs_start_by", table_name="jobs")
    op.drop_index("ix_jobs_slots", table_name="jobs")
    for table, columns, checks in (
        ("jobs", _job_columns(), JOB_CHECKS),
        ("upstream_tokens", _token_columns(), TOKEN_CHECKS),
    ):
        for name, _ in checks:
            op.drop_constraint(op.f(f"ck_{table}_{name}"), table)
        for column in columns:
            op.drop_column(table, column.name)
