"""The headers that each try of a webhook was sent with, and replays.

Revision: 0022, after 0021.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from reelqueue.store.walls import protect

revision = "0022"
down_revision = "0021"

MOMENT = postgresql.TIMESTAMP(timezone=True)


def upgrade() -> None:
    # A constant default: the rows there are need not be written again.
    headers = sa.Column("request_headers", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False)
    op.add_column("webhook_attempts", headers)
    op.create_table(
        "webhook_replays",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("endpoint_id", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=True),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("until", MOMENT, nullable=False),
        sa.Column("events", sa.Integer(), nullable=False),
        sa.Column("pending", sa.Integer(), nullable=False),
        sa.Column("after_seq", sa.BigInteger(), nullable=False),
        sa.Column("last_seq", sa.BigInteger(), nullable=False),
        sa.Column("queued", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("finished", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("created_at", MOMENT, server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("queued >= 0", name=op.f("ck_webhook_replays_queued_not_negative")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_webhook_replays_tenant_id_tenants")),
        sa.ForeignKeyConstraint(
            ["endpoint_id"], ["webhook_endpoints.id"], name=op.f("fk_webhook_replays_endpoint_id_webhook_endpoints")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_replays")),
    )
    op.create_index(
        "uq_webhook_replays_endpoint_id_key",
        "webhook_replays",
        ["endpoint_id", "key"],
        unique=True,
        postgresql_where=sa.text("key IS NOT NULL"),
    )
    op.create_index("ix_webhook_replays_tenant_id_created_at", "webhook_replays", ["tenant_id", "created_at"])
    protect("webhook_replays")


def downgrade() -> None:
    op.drop_table("webhook_replays")
    op.drop_column("webhook_attempts", "request_headers")
