"""Headers and signing keys of webhook endpoints, and secrets that were replaced.

Revision: 0021, after 0020.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from reelqueue.store.walls import protect

revision = "0021"
down_revision = "0020"

MOMENT = postgresql.TIMESTAMP(timezone=True)
TABLE = "webhook_endpoints"
CHECKS = (
    ("keys_are_a_pair", "(signing_key IS NULL) = (public_key IS NULL)"),
    ("headers_have_names", "(headers IS NULL) = (cardinality(header_names) = 0)"),
)


def _columns() -> tuple[sa.Column[object], ...]:
    return (
        sa.Column("signing_key", sa.LargeBinary(), nullable=True),
        sa.Column("public_key", sa.Text(), nullable=True),
        sa.Column("headers", sa.LargeBinary(), nullable=True),
        sa.Column("header_names", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
    )


def upgrade() -> None:
    for column in _columns():
        op.add_column(TABLE, column)
    for name, condition in CHECKS:
        op.create_check_constraint(op.f(f"ck_{TABLE}_{name}"), TABLE, condition)
    op.create_table(
        "webhook_secrets",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("endpoint_id", sa.Text(), nullable=True),
        sa.Column("scheme", sa.Text(), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("public_key", sa.Text(), nullable=True),
        sa.Column("created_at", MOMENT, server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.CheckConstraint("scheme IN ('v1', 'v1a')", name=op.f("ck_webhook_secrets_scheme_known")),
        sa.CheckConstraint(
            "(scheme = 'v1a') = (public_key IS NOT NULL)", name=op.f("ck_webhook_secrets_public_key_of_v1a")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_secrets")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_webhook_secrets_tenant_id_tenants")),
        sa.ForeignKeyConstraint(
            ["endpoint_id"], ["webhook_endpoints.id"], name=op.f("fk_webhook_secrets_endpoint_id_webhook_endpoints")
        ),
    )
    op.create_index("ix_webhook_secrets_tenant_id_endpoint_id", "webhook_secrets", ["tenant_id", "endpoint_id"])
    op.create_index("ix_webhook_secrets_expires_at", "webhook_secrets", ["expires_at"])
    protect("webhook_secrets")


def downgrade() -> None:
    op.drop_table("webhook_secrets")
    for name, _ in CHECKS:
        op.drop_constraint(op.f(f"ck_{TABLE}_{name}"), TABLE)
    for column in _columns():
        op.drop_column(TABLE, column.name)
