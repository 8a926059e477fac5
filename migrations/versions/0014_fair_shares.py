"""Two levels of fairness, charged in credit-seconds, and room that is reserved before a bell is rung.

Revision: 0014, after 0013.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0014"
down_revision = "0013"

MOMENT = postgresql.TIMESTAMP(timezone=True)
WAITING = "dispatch = 'idle' AND admitted_at IS NULL"
ADMITTED = "dispatch = 'idle' AND admitted_at IS NOT NULL"
JOB_CHECKS = (
    ("wants_known", "wants IN ('turn', 'render')"),
    ("wants_what_it_lacks", "wants IS NULL OR (token_id IS NOT NULL AND slot IS NULL)"),
    ("done_occupies_nothing", "dispatch <> 'done' OR (slot IS NULL AND wants IS NULL)"),
)
TENANT_CHECKS = (("no_room_known", "no_room IN ('own', 'pool')"), ("expected_positive", "expected_s > 0"))


def upgrade() -> None:
    _more_columns()
    _new_tables()
    for table, checks in (("jobs", JOB_CHECKS), ("tenants", TENANT_CHECKS)):
        for name, condition in checks:
            op.create_check_constraint(op.f(f"ck_{table}_{name}"), table, condition)
    for name in ("ix_jobs_admit", "ix_jobs_continue"):
        op.drop_index(name, table_name="jobs")
    _index("ix_jobs_admit", "jobs", ["tenant_id", sa.text("coalesce(customer, '')"), "priority", "id"], WAITING)
    _index("ix_jobs_continue", "jobs", ["queue", "due_at"], f"{ADMITTED} AND wants IS NULL")
    _index("ix_jobs_wants", "jobs", ["queue", "due_at"], "dispatch = 'idle' AND wants IS NOT NULL")
    _index("ix_jobs_held", "jobs", ["id"], "held IS NOT NULL")
    _index("ix_tenants_no_room", "tenants", ["no_room", "virtual_time"], "no_room IS NOT NULL")
    _index("ix_flows_waiting", "flows", ["tenant_id", "virtual_time"], "has_waiting AND stuck_at IS NULL")
    _index("ix_flows_stuck", "flows", ["tenant_id", "stuck_at"], "has_waiting AND stuck_at IS NOT NULL")
    # Virtual time was counted in jobs; from now on it is in credit-seconds. All begin alike.
    op.execute("UPDATE tenants SET virtual_time = 0")
    waiting = f"SELECT DISTINCT tenant_id, coalesce(customer, ''), true FROM jobs WHERE {WAITING}"  # noqa: S608
    op.execute(f"INSERT INTO flows (tenant_id, customer, has_waiting) {waiting}")


def downgrade() -> None:
    op.execute("UPDATE tenants SET virtual_time = 0")
    op.drop_index("ix_tenants_no_room", table_name="tenants")
    for name in ("ix_jobs_held", "ix_jobs_wants", "ix_jobs_continue", "ix_jobs_admit"):
        op.drop_index(name, table_name="jobs")
    _index("ix_jobs_admit", "jobs", ["tenant_id", "id"], WAITING)
    _index("ix_jobs_continue", "jobs", ["queue", "due_at"], ADMITTED)
    op.drop_table("scheduler")
    op.drop_table("flows")
    for table, checks in (("jobs", JOB_CHECKS), ("tenants", TENANT_CHECKS)):
        for name, _ in checks:
            op.drop_constraint(op.f(f"ck_{table}_{name}"), table)
    for table, columns in (("jobs", ("wants", "charged", "held")), ("tenants", ("no_room", "flow_time", "expected_s"))):
        for column in columns:
            op.drop_column(table, column)


def _more_columns() -> None:
    op.add_column("jobs", sa.Column("wants", sa.Text(), nullable=True))
    op.add_column("jobs", sa.Column("charged", sa.Double(), server_default=sa.text("0"), nullable=False))
    op.add_column("jobs", sa.Column("held", sa.Double(), nullable=True))
    op.add_column("tenants", sa.Column("no_room", sa.Text(), nullable=True))
    op.add_column("tenants", sa.Column("flow_time", sa.Double(), server_default=sa.text("0"), nullable=False))
    op.add_column("tenants", sa.Column("expected_s", sa.Double(), server_default=sa.text("60"), nullable=False))


def _new_tables() -> None:
    op.create_table(
        "flows",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("customer", sa.Text(), nullable=False),
        sa.Column("virtual_time", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("has_waiting", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("stuck_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_flows_tenant_id_tenants")),
        sa.PrimaryKeyConstraint("tenant_id", "customer", name=op.f("pk_flows")),
    )
    op.create_table(
        "scheduler",
        sa.Column("single", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("virtual_time", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint("single", name=op.f("ck_scheduler_one_row")),
        sa.PrimaryKeyConstraint("single", name=op.f("pk_scheduler")),
    )


def _index(name: str, table: str, columns: list[str | sa.TextClause], where: str) -> None:
    op.create_index(name, table, columns, postgresql_where=sa.text(where))
