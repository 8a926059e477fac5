"""The first tables.

Revision: 0001, after None.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "tenants",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("weight", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("max_running", sa.Integer(), server_default=sa.text("50"), nullable=False),
        sa.Column("virtual_time", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("has_waiting", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("paused", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("webhook_secret", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("max_running >= 0", name=op.f("ck_tenants_max_running_not_negative")),
        sa.CheckConstraint("weight > 0", name=op.f("ck_tenants_weight_positive")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tenants")),
        sa.UniqueConstraint("name", name=op.f("uq_tenants_name")),
    )
    op.create_index("ix_tenants_waiting", "tenants", ["virtual_time"], unique=False, postgresql_where="has_waiting")
    op.create_table(
        "workers",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("node", sa.Text(), nullable=False),
        sa.Column("queues", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("capacity", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint("state IN ('working', 'draining', 'gone')", name=op.f("ck_workers_state_known")),
        sa.CheckConstraint("capacity > 0", name=op.f("ck_workers_capacity_positive")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_workers")),
    )
    op.create_index("ix_workers_expires_at", "workers", ["expires_at"], unique=False)
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("mac", sa.LargeBinary(), nullable=False),
        sa.Column("scopes", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("revoked_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("last_used_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_api_keys_tenant_id_tenants")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
    )
    op.create_index("ix_api_keys_tenant_id", "api_keys", ["tenant_id"], unique=False)
    op.create_table(
        "assets",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("extension", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=True),
        sa.Column("height", sa.Integer(), nullable=True),
        sa.Column("duration_ms", sa.BigInteger(), nullable=True),
        sa.Column("blob_key", sa.Text(), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("kind IN ('image', 'video', 'audio')", name=op.f("ck_assets_kind_known")),
        sa.CheckConstraint("bytes > 0", name=op.f("ck_assets_bytes_positive")),
        sa.CheckConstraint("length(sha256) = 64", name=op.f("ck_assets_sha256_hex")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_assets_tenant_id_tenants")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_assets")),
    )
    op.create_index("uq_assets_tenant_id_sha256_extension", "assets", ["tenant_id", "sha256", "extension"], unique=True)
    op.create_table(
        "upstream_tokens",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=True),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("client_id", sa.Text(), nullable=True),
        sa.Column("user_id", sa.Text(), nullable=True),
        sa.Column("health", sa.Text(), server_default="ok", nullable=False),
        sa.Column("cooling_until", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("expires_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("generation", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "(kind = 'anonymous') = (client_id IS NOT NULL)", name=op.f("ck_upstream_tokens_anonymous_has_client_id")
        ),
        sa.CheckConstraint(
            "health IN ('ok', 'cooling', 'exhausted', 'blocked', 'invalid')",
            name=op.f("ck_upstream_tokens_health_known"),
        ),
        sa.CheckConstraint("kind IN ('supplied', 'anonymous')", name=op.f("ck_upstream_tokens_kind_known")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_upstream_tokens_tenant_id_tenants")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_upstream_tokens")),
    )
    op.create_index(
        "uq_upstream_tokens_owner_fingerprint",
        "upstream_tokens",
        [sa.literal_column("coalesce(tenant_id, '')"), "fingerprint"],
        unique=True,
    )
    op.create_table(
        "webhook_endpoints",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("event_types", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.Text(), server_default=sa.text("'enabled'"), nullable=False),
        sa.Column("disabled_reason", sa.Text(), nullable=True),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("deleted_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.CheckConstraint("state IN ('enabled', 'disabled')", name=op.f("ck_webhook_endpoints_state_known")),
        sa.CheckConstraint("cardinality(event_types) > 0", name=op.f("ck_webhook_endpoints_event_types_not_empty")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_webhook_endpoints_tenant_id_tenants")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_endpoints")),
    )
    op.create_index(
        "ix_webhook_endpoints_tenant_id",
        "webhook_endpoints",
        ["tenant_id"],
        unique=False,
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_table(
        "projects",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("token_id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("session_id", sa.Text(), nullable=True),
        sa.Column("task_id", sa.Text(), nullable=True),
        sa.Column("user_id", sa.Text(), nullable=True),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("state = 'creating' OR session_id IS NOT NULL", name=op.f("ck_projects_ready_has_session")),
        sa.CheckConstraint("state IN ('creating', 'ready', 'lost')", name=op.f("ck_projects_state_known")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_projects_tenant_id_tenants")),
        sa.ForeignKeyConstraint(
            ["token_id"], ["upstream_tokens.id"], name=op.f("fk_projects_token_id_upstream_tokens")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_projects")),
    )
    op.create_index("ix_projects_tenant_id", "projects", ["tenant_id"], unique=False)
    op.create_index(
        "uq_projects_session_id",
        "projects",
        ["session_id"],
        unique=True,
        postgresql_where=sa.text("session_id IS NOT NULL"),
    )
    op.create_table(
        "jobs",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("project_id", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), server_default="queued", nullable=False),
        sa.Column("instructions", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("instruction_index", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("output", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("language", sa.Text(), nullable=True),
        sa.Column(
            "metadata", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column("customer", sa.Text(), nullable=True),
        sa.Column("webhook_url", sa.Text(), nullable=True),
        sa.Column("finish_by", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("retried_from", sa.Text(), nullable=True),
        sa.Column("progress", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("waiting", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column(
            "receipts", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'[]'::jsonb"), nullable=False
        ),
        sa.Column("result", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("error", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column(
            "billing", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("event_seq", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("attempt", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("crashes", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("cancel_requested_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("started_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("finished_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("queue", sa.Text(), server_default="step", nullable=False),
        sa.Column("dispatch", sa.Text(), server_default=sa.text("'idle'"), nullable=False),
        sa.Column("due_at", postgresql.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=True),
        sa.Column("admitted_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("bell_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("bells", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("lease_owner", sa.Text(), nullable=True),
        sa.Column("lease_epoch", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint("(dispatch = 'held') = (lease_owner IS NOT NULL)", name=op.f("ck_jobs_held_has_owner")),
        sa.CheckConstraint("(status = 'failed') = (error IS NOT NULL)", name=op.f("ck_jobs_failed_has_error")),
        sa.CheckConstraint(
            "(status IN ('succeeded', 'failed', 'canceled')) = (dispatch = 'done')", name=op.f("ck_jobs_final_is_done")
        ),
        sa.CheckConstraint(
            "(status IN ('succeeded', 'failed', 'canceled')) = (finished_at IS NOT NULL)",
            name=op.f("ck_jobs_final_has_finished_at"),
        ),
        sa.CheckConstraint("dispatch IN ('idle', 'rung', 'held', 'done')", name=op.f("ck_jobs_dispatch_known")),
        sa.CheckConstraint("queue IN ('step', 'stream')", name=op.f("ck_jobs_queue_known")),
        sa.CheckConstraint(
            "status <> 'succeeded' OR output IS NULL OR result IS NOT NULL", name=op.f("ck_jobs_succeeded_has_result")
        ),
        sa.CheckConstraint(
            "status IN ('queued', 'failed', 'canceled') OR admitted_at IS NOT NULL",
            name=op.f("ck_jobs_work_was_admitted"),
        ),
        sa.CheckConstraint(
            "status IN ('queued', 'uploading', 'instructing', 'requires_input', 'rendering', 'saving', 'succeeded', 'failed', 'canceled')",  # noqa: E501
            name=op.f("ck_jobs_status_known"),
        ),
        sa.CheckConstraint(
            "instruction_index >= 0 AND instruction_index <= jsonb_array_length(instructions)",
            name=op.f("ck_jobs_instruction_in_range"),
        ),
        sa.CheckConstraint(
            "jsonb_array_length(instructions) BETWEEN 1 AND 10", name=op.f("ck_jobs_instructions_count")
        ),
        sa.CheckConstraint("progress BETWEEN 0 AND 100", name=op.f("ck_jobs_progress_percent")),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_jobs_project_id_projects")),
        sa.ForeignKeyConstraint(["retried_from"], ["jobs.id"], name=op.f("fk_jobs_retried_from_jobs")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_jobs_tenant_id_tenants")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jobs")),
    )
    op.create_index(
        "ix_jobs_admit",
        "jobs",
        ["tenant_id", "id"],
        unique=False,
        postgresql_where=sa.text("dispatch = 'idle' AND admitted_at IS NULL"),
    )
    op.create_index(
        "ix_jobs_continue",
        "jobs",
        ["queue", "due_at"],
        unique=False,
        postgresql_where=sa.text("dispatch = 'idle' AND admitted_at IS NOT NULL"),
    )
    op.create_index(
        "ix_jobs_finish_by",
        "jobs",
        ["finish_by"],
        unique=False,
        postgresql_where=sa.text("finish_by IS NOT NULL AND dispatch = 'idle'"),
    )
    op.create_index(
        "ix_jobs_metadata",
        "jobs",
        ["metadata"],
        unique=False,
        postgresql_using="gin",
        postgresql_ops={"metadata": "jsonb_path_ops"},
        postgresql_where=sa.text("metadata <> '{}'::jsonb"),
    )
    op.create_index(
        "ix_jobs_occupying",
        "jobs",
        ["queue", "lease_owner"],
        unique=False,
        postgresql_where=sa.text("dispatch IN ('rung', 'held')"),
    )
    op.create_index(
        "ix_jobs_project_id", "jobs", ["project_id"], unique=False, postgresql_where=sa.text("project_id IS NOT NULL")
    )
    op.create_index("ix_jobs_rung", "jobs", ["bell_at"], unique=False, postgresql_where=sa.text("dispatch = 'rung'"))
    op.create_index(
        "ix_jobs_running",
        "jobs",
        ["tenant_id"],
        unique=False,
        postgresql_where=sa.text("admitted_at IS NOT NULL AND dispatch <> 'done'"),
    )
    op.create_index(
        "ix_jobs_tenant_id_external_id",
        "jobs",
        ["tenant_id", "external_id"],
        unique=False,
        postgresql_where=sa.text("external_id IS NOT NULL"),
    )
    op.create_index("ix_jobs_tenant_id_id", "jobs", ["tenant_id", "id"], unique=False)
    op.create_table(
        "idempotency_keys",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("operation", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_idempotency_keys_job_id_jobs")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_idempotency_keys_tenant_id_tenants")),
        sa.PrimaryKeyConstraint("tenant_id", "operation", "key", name=op.f("pk_idempotency_keys")),
    )
    op.create_index("ix_idempotency_keys_expires_at", "idempotency_keys", ["expires_at"], unique=False)
    op.create_index("ix_idempotency_keys_job_id", "idempotency_keys", ["job_id"], unique=False)
    op.create_table(
        "job_events",
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column(
            "data", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("seq > 0", name=op.f("ck_job_events_seq_from_one")),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_job_events_job_id_jobs")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_job_events_tenant_id_tenants")),
        sa.PrimaryKeyConstraint("job_id", "seq", name=op.f("pk_job_events")),
        sa.UniqueConstraint("id", name=op.f("uq_job_events_id")),
    )
    op.create_index(
        "uq_job_events_one_terminal",
        "job_events",
        ["job_id"],
        unique=True,
        postgresql_where=sa.text("type IN ('job.canceled', 'job.failed', 'job.succeeded')"),
    )
    op.create_table(
        "job_inputs",
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("asset", sa.Text(), nullable=True),
        sa.Column("asset_id", sa.Text(), nullable=True),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), server_default=sa.text("'pending'"), nullable=False),
        sa.CheckConstraint("state IN ('pending', 'sending', 'sent')", name=op.f("ck_job_inputs_state_known")),
        sa.CheckConstraint("(asset IS NULL) <> (url IS NULL)", name=op.f("ck_job_inputs_asset_or_url")),
        sa.ForeignKeyConstraint(
            ["asset_id"], ["assets.id"], name=op.f("fk_job_inputs_asset_id_assets"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_job_inputs_job_id_jobs")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_job_inputs_tenant_id_tenants")),
        sa.PrimaryKeyConstraint("job_id", "position", name=op.f("pk_job_inputs")),
    )
    op.create_index(
        "ix_job_inputs_asset_id",
        "job_inputs",
        ["asset_id"],
        unique=False,
        postgresql_where=sa.text("asset_id IS NOT NULL"),
    )
    op.create_table(
        "renders",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), server_default=sa.text("'prepared'"), nullable=False),
        sa.Column("polls", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("submitted_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("url", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "state IN ('prepared', 'submitted', 'completed', 'failed')", name=op.f("ck_renders_state_known")
        ),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_renders_job_id_jobs")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_renders_tenant_id_tenants")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_renders")),
        sa.UniqueConstraint("job_id", "attempt", name=op.f("uq_renders_job_id_attempt")),
    )
    op.create_table(
        "turns",
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default=sa.text("'ready'"), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=True),
        sa.Column("before", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("sent_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("observations", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("last_seen", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("report", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("finished_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "(state IN ('finished', 'unknown')) = (finished_at IS NOT NULL)", name=op.f("ck_turns_ended_has_time")
        ),
        sa.CheckConstraint(
            "state = 'ready' OR (sent_at IS NOT NULL AND epoch IS NOT NULL)", name=op.f("ck_turns_sent_has_epoch")
        ),
        sa.CheckConstraint("state IN ('ready', 'sending', 'finished', 'unknown')", name=op.f("ck_turns_state_known")),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_turns_job_id_jobs")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_turns_tenant_id_tenants")),
        sa.PrimaryKeyConstraint("job_id", "position", name=op.f("pk_turns")),
    )
    op.create_table(
        "messages",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("endpoint_id", sa.Text(), nullable=True),
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default=sa.text("'pending'"), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("finished_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("dispatch", sa.Text(), server_default=sa.text("'idle'"), nullable=False),
        sa.Column("due_at", postgresql.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=True),
        sa.Column("bell_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("bells", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("lease_owner", sa.Text(), nullable=True),
        sa.Column("lease_epoch", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint("(dispatch = 'held') = (lease_owner IS NOT NULL)", name=op.f("ck_messages_held_has_owner")),
        sa.CheckConstraint("(state = 'pending') = (dispatch <> 'done')", name=op.f("ck_messages_pending_is_open")),
        sa.CheckConstraint("(state = 'pending') = (finished_at IS NULL)", name=op.f("ck_messages_ended_has_time")),
        sa.CheckConstraint("dispatch IN ('idle', 'rung', 'held', 'done')", name=op.f("ck_messages_dispatch_known")),
        sa.CheckConstraint(
            "state IN ('pending', 'delivered', 'exhausted', 'dropped')", name=op.f("ck_messages_state_known")
        ),
        sa.CheckConstraint("(endpoint_id IS NULL) <> (url IS NULL)", name=op.f("ck_messages_endpoint_or_url")),
        sa.ForeignKeyConstraint(
            ["endpoint_id"], ["webhook_endpoints.id"], name=op.f("fk_messages_endpoint_id_webhook_endpoints")
        ),
        sa.ForeignKeyConstraint(
            ["job_id", "seq"], ["job_events.job_id", "job_events.seq"], name=op.f("fk_messages_job_id_seq_job_events")
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_messages_tenant_id_tenants")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_messages")),
    )
    op.create_index(
        "ix_messages_due", "messages", ["due_at"], unique=False, postgresql_where=sa.text("dispatch = 'idle'")
    )
    op.create_index("ix_messages_endpoint_id_id", "messages", ["endpoint_id", "id"], unique=False)
    op.create_index(
        "ix_messages_occupying",
        "messages",
        ["lease_owner"],
        unique=False,
        postgresql_where=sa.text("dispatch IN ('rung', 'held')"),
    )
    op.create_index(
        "ix_messages_rung", "messages", ["bell_at"], unique=False, postgresql_where=sa.text("dispatch = 'rung'")
    )
    op.create_index("ix_messages_tenant_id_id", "messages", ["tenant_id", "id"], unique=False)
    op.create_index(
        "uq_messages_job_id_seq_endpoint_id",
        "messages",
        ["job_id", "seq", sa.literal_column("coalesce(endpoint_id, '')")],
        unique=True,
    )
    op.create_table(
        "webhook_attempts",
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("started_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("elapsed_ms", sa.Integer(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("error_class", sa.Text(), nullable=True),
        sa.Column("response_excerpt", sa.Text(), nullable=True),
        sa.CheckConstraint("attempt > 0", name=op.f("ck_webhook_attempts_attempt_from_one")),
        sa.ForeignKeyConstraint(["message_id"], ["messages.id"], name=op.f("fk_webhook_attempts_message_id_messages")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_webhook_attempts_tenant_id_tenants")),
        sa.PrimaryKeyConstraint("message_id", "attempt", name=op.f("pk_webhook_attempts")),
    )


def downgrade() -> None:
    op.drop_table("webhook_attempts")
    op.drop_index("uq_messages_job_id_seq_endpoint_id", table_name="messages")
    op.drop_index("ix_messages_tenant_id_id", table_name="messages")
    op.drop_index("ix_messages_rung", table_name="messages", postgresql_where=sa.text("dispatch = 'rung'"))
    op.drop_index(
        "ix_messages_occupying", table_name="messages", postgresql_where=sa.text("dispatch IN ('rung', 'held')")
    )
    op.drop_index("ix_messages_endpoint_id_id", table_name="messages")
    op.drop_index("ix_messages_due", table_name="messages", postgresql_where=sa.text("dispatch = 'idle'"))
    op.drop_table("messages")
    op.drop_table("turns")
    op.drop_table("renders")
    op.drop_index("ix_job_inputs_asset_id", table_name="job_inputs", postgresql_where=sa.text("asset_id IS NOT NULL"))
    op.drop_table("job_inputs")
    op.drop_index(
        "uq_job_events_one_terminal",
        table_name="job_events",
        postgresql_where=sa.text("type IN ('job.canceled', 'job.failed', 'job.succeeded')"),
    )
    op.drop_table("job_events")
    op.drop_index("ix_idempotency_keys_job_id", table_name="idempotency_keys")
    op.drop_index("ix_idempotency_keys_expires_at", table_name="idempotency_keys")
    op.drop_table("idempotency_keys")
    op.drop_index("ix_jobs_tenant_id_id", table_name="jobs")
    op.drop_index(
        "ix_jobs_tenant_id_external_id", table_name="jobs", postgresql_where=sa.text("external_id IS NOT NULL")
    )
    op.drop_index(
        "ix_jobs_running", table_name="jobs", postgresql_where=sa.text("admitted_at IS NOT NULL AND dispatch <> 'done'")
    )
    op.drop_index("ix_jobs_rung", table_name="jobs", postgresql_where=sa.text("dispatch = 'rung'"))
    op.drop_index("ix_jobs_project_id", table_name="jobs", postgresql_where=sa.text("project_id IS NOT NULL"))
    op.drop_index("ix_jobs_occupying", table_name="jobs", postgresql_where=sa.text("dispatch IN ('rung', 'held')"))
    op.drop_index(
        "ix_jobs_metadata",
        table_name="jobs",
        postgresql_using="gin",
        postgresql_ops={"metadata": "jsonb_path_ops"},
        postgresql_where=sa.text("metadata <> '{}'::jsonb"),
    )
    op.drop_index(
        "ix_jobs_finish_by", table_name="jobs", postgresql_where=sa.text("finish_by IS NOT NULL AND dispatch = 'idle'")
    )
    op.drop_index(
        "ix_jobs_continue", table_name="jobs", postgresql_where=sa.text("dispatch = 'idle' AND admitted_at IS NOT NULL")
    )
    op.drop_index(
        "ix_jobs_admit", table_name="jobs", postgresql_where=sa.text("dispatch = 'idle' AND admitted_at IS NULL")
    )
    op.drop_table("jobs")
    op.drop_index("uq_projects_session_id", table_name="projects", postgresql_where=sa.text("session_id IS NOT NULL"))
    op.drop_index("ix_projects_tenant_id", table_name="projects")
    op.drop_table("projects")
    op.drop_index(
        "ix_webhook_endpoints_tenant_id", table_name="webhook_endpoints", postgresql_where=sa.text("deleted_at IS NULL")
    )
    op.drop_table("webhook_endpoints")
    op.drop_index("uq_upstream_tokens_owner_fingerprint", table_name="upstream_tokens")
    op.drop_table("upstream_tokens")
    op.drop_index("uq_assets_tenant_id_sha256_extension", table_name="assets")
    op.drop_table("assets")
    op.drop_index("ix_api_keys_tenant_id", table_name="api_keys")
    op.drop_table("api_keys")
    op.drop_index("ix_workers_expires_at", table_name="workers")
    op.drop_table("workers")
    op.drop_index("ix_tenants_waiting", table_name="tenants", postgresql_where="has_waiting")
    op.drop_table("tenants")
