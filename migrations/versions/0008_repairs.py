"""What was done to input files, and which bytes they were sent as.

Revision: 0008, after 0007.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"

SOURCE_HEX = "ck_assets_source_sha256_hex"


def upgrade() -> None:
    jsonb = postgresql.JSONB(astext_type=sa.Text())
    for table in ("assets", "job_inputs"):
        op.add_column(table, sa.Column("repairs", jsonb, server_default=sa.text("'[]'::jsonb"), nullable=False))
    op.add_column("assets", sa.Column("source_sha256", sa.Text(), nullable=True))
    op.create_check_constraint(op.f(SOURCE_HEX), "assets", "length(source_sha256) = 64")


def downgrade() -> None:
    op.drop_constraint(op.f(SOURCE_HEX), "assets", type_="check")
    op.drop_column("assets", "source_sha256")
    for table in ("job_inputs", "assets"):
        op.drop_column(table, "repairs")
