"""Where events go, what was sent, and what came back."""

from __future__ import annotations

from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY

from reelqueue.store.tables.metadata import Moment, created_column, id_column, metadata, one_of, tenant_column

webhook_endpoints = Table(
    "webhook_endpoints",
    metadata,
    id_column(),
    tenant_column(),
    Column("url", Text, nullable=False),
    Column("description", Text),
    Column("event_types", ARRAY(Text), nullable=False),
    Column("secret", LargeBinary, nullable=False),
    Column("state", Text, nullable=False, server_default=text("'enabled'")),
    Column("disabled_reason", Text),
    created_column(),
    Column("deleted_at", Moment),
    CheckConstraint(one_of("state", ("enabled", "disabled")), name="state_known"),
    CheckConstraint("cardinality(event_types) > 0", name="event_types_not_empty"),
)
Index("ix_webhook_endpoints_tenant_id", webhook_endpoints.c.tenant_id, postgresql_where=text("deleted_at IS NULL"))

MESSAGE_STATES = ("pending", "delivered", "exhausted", "dropped")

messages = Table(
    "messages",
    metadata,
    id_column(),
    tenant_column(),
    Column("endpoint_id", Text, ForeignKey("webhook_endpoints.id")),
    Column("job_id", Text),
    Column("seq", Integer),
    Column("upstream_event_id", Text, ForeignKey("upstream_events.id")),
    Column("type", Text, nullable=False),
    Column("url", Text),
    Column("payload", Text, nullable=False),
    Column("state", Text, nullable=False, server_default=text("'pending'")),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    created_column(),
    Column("finished_at", Moment),
    Column("dispatch", Text, nullable=False, server_default=text("'idle'")),
    Column("due_at", Moment, server_default=text("now()")),
    Column("bell_at", Moment),
    Column("bells", Integer, nullable=False, server_default=text("0")),
    Column("lease_owner", Text),
    Column("lease_epoch", Integer, nullable=False, server_default=text("0")),
    ForeignKeyConstraint(["job_id", "seq"], ["job_events.job_id", "job_events.seq"]),
    CheckConstraint(one_of("state", MESSAGE_STATES), name="state_known"),
    CheckConstraint(one_of("dispatch", ("idle", "rung", "held", "done")), name="dispatch_known"),
    CheckConstraint("(state = 'pending') = (dispatch <> 'done')", name="pending_is_open"),
    CheckConstraint("(state = 'pending') = (finished_at IS NULL)", name="ended_has_time"),
    CheckConstraint("(endpoint_id IS NULL) <> (url IS NULL)", name="endpoint_or_url"),
    CheckConstraint("(dispatch = 'held') = (lease_owner IS NOT NULL)", name="held_has_owner"),
    CheckConstraint("(job_id IS NULL) = (seq IS NULL)", name="seq_of_job"),
    CheckConstraint("(job_id IS NULL) <> (upstream_event_id IS NULL)", name="of_job_or_upstream"),
)
Index(
    "uq_messages_job_id_seq_endpoint_id",
    messages.c.job_id,
    messages.c.seq,
    text("coalesce(endpoint_id, '')"),
    unique=True,
)
Index(
    "uq_messages_upstream_event_id_endpoint_id",
    messages.c.upstream_event_id,
    messages.c.endpoint_id,
    unique=True,
    postgresql_where=text("upstream_event_id IS NOT NULL"),
)
Index("ix_messages_due", messages.c.due_at, postgresql_where=text("dispatch = 'idle'"))
Index("ix_messages_rung", messages.c.bell_at, postgresql_where=text("dispatch = 'rung'"))
Index("ix_messages_occupying", messages.c.lease_owner, postgresql_where=text("dispatch IN ('rung', 'held')"))
Index("ix_messages_tenant_id_id", messages.c.tenant_id, messages.c.id)
Index("ix_messages_endpoint_id_id", messages.c.endpoint_id, messages.c.id)

webhook_attempts = Table(
    "webhook_attempts",
    metadata,
    Column("message_id", Text, ForeignKey("messages.id"), primary_key=True),
    Column("attempt", Integer, primary_key=True),
    tenant_column(),
    Column("started_at", Moment, nullable=False),
    Column("elapsed_ms", Integer, nullable=False),
    Column("status", Integer),
    Column("error_class", Text),
    Column("response_excerpt", Text),
    CheckConstraint("attempt > 0", name="attempt_from_one"),
)
