"""What a job asks, what it was answered, and what its owner wants done without being asked.

Revision: 0003, after 0002.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"

ASKED = "ck_jobs_requires_input_has_question"


def upgrade() -> None:
    # No job is in `requires_input` before this: the check holds at once.
    jsonb = postgresql.JSONB(astext_type=sa.Text())
    op.add_column("jobs", sa.Column("policies", jsonb, server_default=sa.text("'{}'::jsonb"), nullable=False))
    op.add_column("jobs", sa.Column("question", jsonb, nullable=True))
    op.add_column("jobs", sa.Column("answers", jsonb, server_default=sa.text("'[]'::jsonb"), nullable=False))
    op.add_column("jobs", sa.Column("moves", sa.Integer(), server_default=sa.text("0"), nullable=False))
    op.create_check_constraint(op.f(ASKED), "jobs", "(status = 'requires_input') = (question IS NOT NULL)")


def downgrade() -> None:
    op.drop_constraint(op.f(ASKED), "jobs", type_="check")
    for column in ("moves", "answers", "question", "policies"):
        op.drop_column("jobs", column)
