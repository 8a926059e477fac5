"""The status law, repeated by the database: no code path can write a move that the law does not have.

Revision: 0002, after 0001.
"""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"

FUNCTION = """
CREATE FUNCTION jobs_status_law() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.lease_epoch < OLD.lease_epoch THEN
        RAISE EXCEPTION 'job %: the lease epoch only grows', OLD.id USING ERRCODE = 'check_violation';
    END IF;
    IF NEW.status = OLD.status OR (OLD.status, NEW.status) IN (
        ('queued', 'uploading'), ('queued', 'canceled'), ('queued', 'failed'),
        ('uploading', 'instructing'), ('uploading', 'rendering'), ('uploading', 'failed'), ('uploading', 'canceled'),
        ('instructing', 'requires_input'), ('instructing', 'rendering'), ('instructing', 'succeeded'),
        ('instructing', 'failed'), ('instructing', 'canceled'),
        ('requires_input', 'instructing'), ('requires_input', 'failed'), ('requires_input', 'canceled'),
        ('rendering', 'saving'), ('rendering', 'failed'), ('rendering', 'canceled'),
        ('saving', 'succeeded'), ('saving', 'failed'), ('saving', 'canceled')
    ) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'job %: % may not go to %', OLD.id, OLD.status, NEW.status USING ERRCODE = 'check_violation';
END
$$
"""

TRIGGER = """
CREATE TRIGGER jobs_status_law BEFORE UPDATE OF status, lease_epoch ON jobs
    FOR EACH ROW EXECUTE FUNCTION jobs_status_law()
"""


def upgrade() -> None:
    op.execute(FUNCTION)
    op.execute(TRIGGER)


def downgrade() -> None:
    op.execute("DROP TRIGGER jobs_status_law ON jobs")
    op.execute("DROP FUNCTION jobs_status_law()")
