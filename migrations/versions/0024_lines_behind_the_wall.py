"""The index of waiting jobs, by an expression that a statement behind the wall may look up.

Revision: 0024, after 0023.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"

WAITING = "dispatch = 'idle' AND admitted_at IS NULL"


def upgrade() -> None:
    _replace("greatest(customer, '')")


def downgrade() -> None:
    _replace("coalesce(customer, '')")


def _replace(flow: str) -> None:
    op.drop_index("ix_jobs_admit", table_name="jobs")
    columns: list[str | sa.TextClause] = ["tenant_id", sa.text(flow), "priority", "id"]
    op.create_index("ix_jobs_admit", "jobs", columns, postgresql_where=sa.text(WAITING))
