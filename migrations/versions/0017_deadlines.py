"""Jobs that succeeded, newest first, for estimates; and a way from an open question to the export for late jobs.

Revision: 0017, after 0016.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"

ASKED = "('requires_input', 'instructing'), ('requires_input', 'failed'), ('requires_input', 'canceled')"
LATE = "('requires_input', 'rendering')"


def _law(asked: str) -> str:
    return f"""
CREATE OR REPLACE FUNCTION jobs_status_law() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.lease_epoch < OLD.lease_epoch THEN
        RAISE EXCEPTION 'job %: the lease epoch only grows', OLD.id USING ERRCODE = 'check_violation';
    END IF;
    IF NEW.status = OLD.status OR (OLD.status, NEW.status) IN (
        ('queued', 'uploading'), ('queued', 'canceled'), ('queued', 'failed'),
        ('uploading', 'instructing'), ('uploading', 'rendering'), ('uploading', 'succeeded'), ('uploading', 'failed'),
        ('uploading', 'canceled'),
        ('instructing', 'requires_input'), ('instructing', 'rendering'), ('instructing', 'succeeded'),
        ('instructing', 'failed'), ('instructing', 'canceled'),
        {asked},
        ('rendering', 'saving'), ('rendering', 'failed'), ('rendering', 'canceled'),
        ('saving', 'succeeded'), ('saving', 'failed'), ('saving', 'canceled')
    ) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'job %: % may not go to %', OLD.id, OLD.status, NEW.status USING ERRCODE = 'check_violation';
END
$$
"""


def upgrade() -> None:
    op.execute(_law(f"{ASKED}, {LATE}"))
    succeeded = sa.text("status = 'succeeded'")
    op.create_index("ix_jobs_succeeded", "jobs", ["tenant_id", "finished_at"], postgresql_where=succeeded)
    op.create_index("ix_jobs_succeeded_of_all", "jobs", ["finished_at"], postgresql_where=succeeded)


def downgrade() -> None:
    op.drop_index("ix_jobs_succeeded_of_all", table_name="jobs")
    op.drop_index("ix_jobs_succeeded", table_name="jobs")
    op.execute(_law(ASKED))
