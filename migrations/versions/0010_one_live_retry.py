"""Of a job at most one retry is at work: two would pay for the same instruction.

Revision: 0010, after 0009.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.create_index(
        "uq_jobs_live_retry",
        "jobs",
        ["retried_from"],
        unique=True,
        postgresql_where=sa.text("retried_from IS NOT NULL AND dispatch <> 'done'"),
    )


def downgrade() -> None:
    op.drop_index("uq_jobs_live_retry", table_name="jobs")
