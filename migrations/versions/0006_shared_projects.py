"""Projects that jobs share: made by their owner, one turn at a time, every version of the draft kept.

Revision: 0006, after 0005.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"

JSONB = postgresql.JSONB(astext_type=sa.Text())
MOMENT = postgresql.TIMESTAMP(timezone=True)
TURNS = "project_id IS NOT NULL AND version IS NULL AND dispatch <> 'done'"

LAW = """
CREATE OR REPLACE FUNCTION jobs_status_law() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.lease_epoch < OLD.lease_epoch THEN
        RAISE EXCEPTION 'job %: the lease epoch only grows', OLD.id USING ERRCODE = 'check_violation';
    END IF;
    IF NEW.status = OLD.status OR (OLD.status, NEW.status) IN (
        ('queued', 'uploading'), ('queued', 'canceled'), ('queued', 'failed'),
        ('uploading', 'instructing'), ('uploading', 'rendering'),{more}
        ('uploading', 'failed'), ('uploading', 'canceled'),
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


def upgrade() -> None:
    _projects()
    _versions()
    _jobs()
    op.execute(LAW.replace("{more}", " ('uploading', 'succeeded'),"))


def _projects() -> None:
    op.alter_column("projects", "token_id", nullable=True)
    op.add_column("projects", sa.Column("openings", sa.Integer(), server_default=sa.text("1"), nullable=False))
    op.add_column("projects", sa.Column("metadata", JSONB, server_default=sa.text("'{}'::jsonb"), nullable=False))
    for name in ("name", "language", "external_id", "customer"):
        op.add_column("projects", sa.Column(name, sa.Text(), nullable=True))
    _constraint("projects", "state_known", "state IN ('new', 'creating', 'ready', 'lost')")
    _constraint("projects", "ready_has_session", "state IN ('new', 'creating') OR session_id IS NOT NULL")
    op.create_check_constraint(op.f("ck_projects_begun_has_token"), "projects", "state = 'new' OR token_id IS NOT NULL")
    op.drop_index("ix_projects_tenant_id", table_name="projects")
    op.create_index("ix_projects_tenant_id_id", "projects", ["tenant_id", "id"])
    op.create_table(
        "former_sessions",
        sa.Column("project_id", sa.Text(), nullable=False),
        sa.Column("opening", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("token_id", sa.Text(), nullable=False),
        sa.Column("session_id", sa.Text(), nullable=True),
        sa.Column("task_id", sa.Text(), nullable=True),
        sa.Column("created_at", MOMENT, server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_former_sessions_project_id_projects")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_former_sessions_tenant_id_tenants")),
        sa.ForeignKeyConstraint(
            ["token_id"], ["upstream_tokens.id"], name=op.f("fk_former_sessions_token_id_upstream_tokens")
        ),
        sa.PrimaryKeyConstraint("project_id", "opening", name=op.f("pk_former_sessions")),
    )


def _versions() -> None:
    op.create_table(
        "draft_versions",
        sa.Column("project_id", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("job_id", sa.Text(), nullable=True),
        sa.Column("position", sa.Integer(), nullable=True),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("draft", sa.Text(), nullable=False),
        sa.Column("timeline", JSONB, nullable=False),
        sa.Column("facts", JSONB, nullable=False),
        sa.Column("exportable", sa.Boolean(), nullable=False),
        sa.Column("created_at", MOMENT, server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("number > 0", name=op.f("ck_draft_versions_number_from_one")),
        sa.CheckConstraint("job_id IS NOT NULL OR position IS NULL", name=op.f("ck_draft_versions_turn_has_job")),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_draft_versions_job_id_jobs")),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_draft_versions_project_id_projects")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_draft_versions_tenant_id_tenants")),
        sa.PrimaryKeyConstraint("project_id", "number", name=op.f("pk_draft_versions")),
    )
    op.create_index(
        "ix_draft_versions_job_id", "draft_versions", ["job_id"], postgresql_where=sa.text("job_id IS NOT NULL")
    )


def _jobs() -> None:
    op.add_column("jobs", sa.Column("version", sa.Integer(), nullable=True))
    _constraint("jobs", "instructions_count", "jsonb_array_length(instructions) <= 10")
    op.create_check_constraint(
        op.f("ck_jobs_something_to_do"), "jobs", "jsonb_array_length(instructions) > 0 OR project_id IS NOT NULL"
    )
    op.create_check_constraint(op.f("ck_jobs_version_of_project"), "jobs", "version IS NULL OR project_id IS NOT NULL")
    op.drop_index("ix_jobs_project_id", table_name="jobs")
    op.create_index(
        "ix_jobs_project_id", "jobs", ["project_id", "id"], postgresql_where=sa.text("project_id IS NOT NULL")
    )
    op.create_index("ix_jobs_project_turns", "jobs", ["project_id", "id"], postgresql_where=sa.text(TURNS))


def _constraint(table: str, name: str, condition: str) -> None:
    op.drop_constraint(op.f(f"ck_{table}_{name}"), table, type_="check")
    op.create_check_constraint(op.f(f"ck_{table}_{name}"), table, condition)


def downgrade() -> None:
    # What only the newer tables can hold has no place in the old ones: jobs without an instruction, and projects
    # that no job has opened yet.
    op.execute("DELETE FROM draft_versions")
    for table in ("messages", "job_events", "job_inputs", "renders", "turns", "credit_entries", "idempotency_keys"):
        op.execute(f"DELETE FROM {table} WHERE job_id IN (SELECT id FROM jobs WHERE instructions = '[]')")  # noqa: S608
    op.execute(
        "UPDATE jobs SET retried_from = NULL WHERE retried_from IN (SELECT id FROM jobs WHERE instructions = '[]')"
    )
    op.execute("DELETE FROM jobs WHERE instructions = '[]'")
    op.execute("UPDATE jobs SET project_id = NULL WHERE project_id IN (SELECT id FROM projects WHERE state = 'new')")
    op.execute(LAW.replace("{more}", ""))
    op.drop_index("ix_jobs_project_turns", table_name="jobs")
    op.drop_index("ix_jobs_project_id", table_name="jobs")
    op.create_index("ix_jobs_project_id", "jobs", ["project_id"], postgresql_where=sa.text("project_id IS NOT NULL"))
    op.drop_constraint(op.f("ck_jobs_version_of_project"), "jobs", type_="check")
    op.drop_constraint(op.f("ck_jobs_something_to_do"), "jobs", type_="check")
    op.drop_column("jobs", "version")
    _constraint("jobs", "instructions_count", "jsonb_array_length(instructions) BETWEEN 1 AND 10")
    op.drop_table("draft_versions")
    op.drop_table("former_sessions")
    op.drop_index("ix_projects_tenant_id_id", table_name="projects")
    op.create_index("ix_projects_tenant_id", "projects", ["tenant_id"])
    op.drop_constraint(op.f("ck_projects_begun_has_token"), "projects", type_="check")
    op.execute("DELETE FROM projects WHERE state = 'new'")
    _constraint("projects", "ready_has_session", "state = 'creating' OR session_id IS NOT NULL")
    _constraint("projects", "state_known", "state IN ('creating', 'ready', 'lost')")
    for name in ("customer", "external_id", "language", "name", "metadata", "openings"):
        op.drop_column("projects", name)
    op.alter_column("projects", "token_id", nullable=False)
