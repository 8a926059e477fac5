"""Breakers of the upstream's phases, and messages that are of no job.

Revision: 0016, after 0015.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0016"
down_revision = "0015"

MOMENT = postgresql.TIMESTAMP(timezone=True)
TEXTS = postgresql.ARRAY(sa.Text())
CHECKS = (
    ("phase_known", "phase IN ('session', 'upload', 'instruct', 'render', 'poll', 'save')"),
    ("state_known", "state IN ('closed', 'open', 'half_open')"),
    ("told_known", "told IN ('degraded', 'recovered')"),
    ("open_has_time", "(state = 'closed') = (opened_at IS NULL)"),
    ("held_is_open", "NOT held OR state = 'open'"),
    ("half_open_has_probe", "(state = 'half_open') = (probe IS NOT NULL)"),
    ("probe_has_end", "(probe IS NULL) = (probe_until IS NULL)"),
    ("open_is_probed", "(state = 'open' AND NOT held) = (next_probe_at IS NOT NULL)"),
    ("told_has_time", "(told IS NULL) = (told_at IS NULL)"),
)
MESSAGE_CHECKS = (
    ("seq_of_job", "(job_id IS NULL) = (seq IS NULL)"),
    ("of_job_or_upstream", "(job_id IS NULL) <> (upstream_event_id IS NULL)"),
)


def _count(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), server_default=sa.text("0"), nullable=False)


def _texts(name: str) -> sa.Column[list[str]]:
    return sa.Column(name, TEXTS, server_default=sa.text("'{}'"), nullable=False)


def upgrade() -> None:
    op.create_table(
        "breakers",
        sa.Column("phase", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default=sa.text("'closed'"), nullable=False),
        sa.Column("held", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        _texts("calls"),
        _texts("jobs"),
        _count("failures"),
        _count("answered"),
        *(
            sa.Column(name, MOMENT, nullable=True)
            for name in ("window_started_at", "opened_at", "closed_at", "next_probe_at")
        ),
        sa.Column("probe", sa.Text(), nullable=True),
        sa.Column("probe_until", MOMENT, nullable=True),
        _count("failed_probes"),
        _count("opened_total"),
        sa.Column("told", sa.Text(), nullable=True),
        sa.Column("told_at", MOMENT, nullable=True),
        *(sa.CheckConstraint(condition, name=op.f(f"ck_breakers_{name}")) for name, condition in CHECKS),
        sa.PrimaryKeyConstraint("phase", name=op.f("pk_breakers")),
    )
    op.create_table(
        "upstream_events",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("phase", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("since", MOMENT, nullable=False),
        sa.Column("created_at", MOMENT, server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_upstream_events")),
    )
    op.add_column("messages", sa.Column("upstream_event_id", sa.Text(), nullable=True))
    op.create_foreign_key(
        op.f("fk_messages_upstream_event_id_upstream_events"),
        "messages",
        "upstream_events",
        ["upstream_event_id"],
        ["id"],
    )
    op.alter_column("messages", "job_id", nullable=True)
    op.alter_column("messages", "seq", nullable=True)
    for name, condition in MESSAGE_CHECKS:
        op.create_check_constraint(op.f(f"ck_messages_{name}"), "messages", condition)
    op.create_index(
        "uq_messages_upstream_event_id_endpoint_id",
        "messages",
        ["upstream_event_id", "endpoint_id"],
        unique=True,
        postgresql_where=sa.text("upstream_event_id IS NOT NULL"),
    )


def downgrade() -> None:
    # What is of no job has no place in the old table.
    op.execute(
        "DELETE FROM webhook_attempts WHERE message_id IN (SELECT id FROM messages WHERE upstream_event_id IS NOT NULL)"
    )
    op.execute("DELETE FROM messages WHERE upstream_event_id IS NOT NULL")
    op.drop_index("uq_messages_upstream_event_id_endpoint_id", table_name="messages")
    for name, _ in MESSAGE_CHECKS:
        op.drop_constraint(op.f(f"ck_messages_{name}"), "messages")
    op.alter_column("messages", "job_id", nullable=False)
    op.alter_column("messages", "seq", nullable=False)
    op.drop_constraint(op.f("fk_messages_upstream_event_id_upstream_events"), "messages")
    op.drop_column("messages", "upstream_event_id")
    op.drop_table("upstream_events")
    op.drop_table("breakers")
