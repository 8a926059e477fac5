"""Several outputs of one job, each with its own renders and its own result.

Revision: 0005, after 0004.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"

RESULT = "ck_jobs_succeeded_has_result"
COUNT = "ck_jobs_outputs_count"
ATTEMPTS = "uq_renders_job_id_attempt"
OUTPUT_ATTEMPTS = "uq_renders_job_id_output_index_attempt"


def upgrade() -> None:
    jsonb = postgresql.JSONB(astext_type=sa.Text())
    empty = sa.text("'[]'::jsonb")
    op.add_column("jobs", sa.Column("outputs", jsonb, server_default=empty, nullable=False))
    op.add_column("jobs", sa.Column("results", jsonb, server_default=empty, nullable=False))
    op.execute("UPDATE jobs SET outputs = jsonb_build_array(output) WHERE output IS NOT NULL")
    op.execute(
        "UPDATE jobs SET results = jsonb_build_array("
        "jsonb_build_object('progress', 100, 'result', result, 'error', NULL)) WHERE result IS NOT NULL"
    )
    op.drop_constraint(op.f(RESULT), "jobs", type_="check")
    op.drop_column("jobs", "output")
    op.create_check_constraint(op.f(RESULT), "jobs", "status <> 'succeeded' OR outputs = '[]' OR result IS NOT NULL")
    op.create_check_constraint(op.f(COUNT), "jobs", "jsonb_array_length(outputs) <= 6")
    op.add_column("renders", sa.Column("output_index", sa.Integer(), server_default=sa.text("0"), nullable=False))
    op.drop_constraint(op.f(ATTEMPTS), "renders", type_="unique")
    op.create_unique_constraint(op.f(OUTPUT_ATTEMPTS), "renders", ["job_id", "output_index", "attempt"])


def downgrade() -> None:
    # The first output of a job stays; the others, and their renders, have no place in the old tables.
    op.execute("DELETE FROM renders WHERE output_index > 0")
    op.drop_constraint(op.f(OUTPUT_ATTEMPTS), "renders", type_="unique")
    op.drop_column("renders", "output_index")
    op.create_unique_constraint(op.f(ATTEMPTS), "renders", ["job_id", "attempt"])
    op.drop_constraint(op.f(COUNT), "jobs", type_="check")
    op.drop_constraint(op.f(RESULT), "jobs", type_="check")
    op.add_column("jobs", sa.Column("output", postgresql.JSONB(astext_type=sa.Text()), nullable=True))
    op.execute("UPDATE jobs SET output = outputs -> 0 WHERE outputs <> '[]'")
    op.create_check_constraint(op.f(RESULT), "jobs", "status <> 'succeeded' OR output IS NULL OR result IS NOT NULL")
    op.drop_column("jobs", "results")
    op.drop_column("jobs", "outputs")
