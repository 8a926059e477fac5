"""Admission in one call, and one index less for it to write: rung jobs are among those that occupy a worker.

Revision: 0028, after 0027.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from reelqueue.store.admission import FUNCTION

revision = "0028"
down_revision = "0027"


def upgrade() -> None:
    op.drop_index("ix_jobs_rung", table_name="jobs")
    op.execute(FUNCTION)


def downgrade() -> None:
    op.execute("DROP FUNCTION admit_jobs")
    op.create_index("ix_jobs_rung", "jobs", ["bell_at"], postgresql_where=sa.text("dispatch = 'rung'"))
