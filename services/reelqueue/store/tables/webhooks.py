"""Where events go, what was sent, and what came back."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from reelqueue.store.tables.metadata import Moment, created_column, id_column, metadata, one_of, tenant_column

webhook_endpoints = Table(
    "webhook_endpoints",
    metadata,
    id_column(),
    tenant_column(),
    Column("url", Text, nullable=False),
    Column("description", Text),
    Column("event_types", ARRAY(Text), nullable=False),
    Column("filter", JSONB(none_as_null=True)),
    Column("max_in_flight", Integer),
    Column("rate_per_minute", Integer),
    Column("last_delivery_seq", BigInteger, nullable=False, server_default=text("0")),
    Column("secret", LargeBinary, nullable=False),
    # Scheme v1a: the private half sealed, the public one as it is shown.
    Column("signing_key", LargeBinary),
    Column("public_key", Text),
    # Of the owner's: `{name: value}`, sealed; the names once more, to be shown.
    Column("headers", LargeBinary),
    Column("header_names", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    Column("state", Text, nullable=False, server_default=text("'enabled'")),
    Column("disabled_reason", Text),
    created_column(),
    Column("deleted_at", Moment),
    CheckConstraint(one_of("state", ("enabled", "disabled")), name="state_known"),
    CheckConstraint("cardinality(event_types) > 0", name="event_types_not_empty"),
    CheckConstraint("max_in_flight > 0", name="max_in_flight_above_zero"),
    CheckConstraint("rate_per_minute > 0", name="rate_above_zero"),
    CheckConstraint("(signing_key IS NULL) = (public_key IS NULL)", name="keys_are_a_pair"),
    CheckConstraint("(headers IS NULL) = (cardinality(header_names) = 0)", name="headers_have_names"),
)
Index("ix_webhook_endpoints_tenant_id", webhook_endpoints.c.tenant_id, postgresql_where=text("deleted_at IS NULL"))

webhook_lanes = Table(
    "webhook_lanes",
    metadata,
    id_column(),
    tenant_column(),
    Column("endpoint_id", Text, ForeignKey("webhook_endpoints.id")),
    Column("host", Text, nullable=False),
    Column("dispatch", Text, nullable=False, server_default=text("'idle'")),
    Column("due_at", Moment),
    Column("woken", Boolean, nullable=False, server_default=text("false")),
    Column("bell_at", Moment),
    Column("bells", Integer, nullable=False, server_default=text("0")),
    Column("lease_owner", Text),
    Column("lease_epoch", Integer, nullable=False, server_default=text("0")),
    Column("generation", Integer, nullable=False, server_default=text("0")),
    Column("breaker", Text, nullable=False, server_default=text("'closed'")),
    Column("open_until", Moment),
    Column("opened", Integer, nullable=False, server_default=text("0")),
    Column("window_at", Moment),
    Column("window_ok", Integer, nullable=False, server_default=text("0")),
    Column("window_failed", Integer, nullable=False, server_default=text("0")),
    Column("failing_since", Moment),
    Column("alerted", Integer, nullable=False, server_default=text("0")),
    Column("latency_ms", Float, nullable=False, server_default=text("0")),
    CheckConstraint(one_of("dispatch", ("idle", "rung", "held")), name="dispatch_known"),
    CheckConstraint(one_of("breaker", ("closed", "open")), name="breaker_known"),
    CheckConstraint("(dispatch = 'held') = (lease_owner IS NOT NULL)", name="held_has_owner"),
    CheckConstraint("(breaker = 'open') = (open_until IS NOT NULL)", name="open_has_end"),
)
"""The way to one receiver of one tenant: an endpoint, or a host and port that jobs name. What a worker leases, and
what fails or is slow as one. `due_at`: when something is to be sent next; null: there is nothing. `woken`: something
came while a worker held it. `generation` rises when its owner begins it anew.
"""
Index("ix_webhook_lanes_due", webhook_lanes.c.due_at, postgresql_where=text("dispatch = 'idle'"))
Index("ix_webhook_lanes_rung", webhook_lanes.c.bell_at, postgresql_where=text("dispatch = 'rung'"))
Index("ix_webhook_lanes_occupying", webhook_lanes.c.lease_owner, postgresql_where=text("dispatch IN ('rung', 'held')"))
Index("ix_webhook_lanes_tenant_id", webhook_lanes.c.tenant_id)

MESSAGE_STATES = ("pending", "delivered", "exhausted", "dropped")

messages = Table(
    "messages",
    metadata,
    id_column(),
    tenant_column(),
    Column("event_id", Text, ForeignKey("feed_events.id"), nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("endpoint_id", Text, ForeignKey("webhook_endpoints.id")),
    Column("url", Text),
    Column("lane_id", Text, ForeignKey("webhook_lanes.id"), nullable=False),
    Column("delivery_seq", BigInteger),
    Column("job_id", Text),
    Column("seq", Integer),
    Column("type", Text, nullable=False),
    Column("state", Text, nullable=False, server_default=text("'pending'")),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("round", Integer, nullable=False, server_default=text("0")),
    created_column(),
    Column("due_at", Moment, server_default=text("now()")),
    Column("finished_at", Moment),
    CheckConstraint(one_of("state", MESSAGE_STATES), name="state_known"),
    CheckConstraint("(state = 'pending') = (finished_at IS NULL)", name="ended_has_time"),
    CheckConstraint("(state = 'pending') = (due_at IS NOT NULL)", name="pending_is_due"),
    CheckConstraint("(endpoint_id IS NULL) <> (url IS NULL)", name="endpoint_or_url"),
    CheckConstraint("(endpoint_id IS NULL) = (delivery_seq IS NULL)", name="numbered_for_endpoint"),
    CheckConstraint("(job_id IS NULL) = (seq IS NULL)", name="seq_of_job"),
)
"""One event for one receiver. `position` is the event's. `round`: tries since it was last asked for, of `attempts`."""
Index("uq_messages_event_id_endpoint_id", messages.c.event_id, text("coalesce(endpoint_id, '')"), unique=True)
Index(
    "ix_messages_first_tries",
    messages.c.lane_id,
    messages.c.position,
    postgresql_where=text("state = 'pending' AND attempts = 0"),
)
Index("ix_messages_due", messages.c.lane_id, messages.c.due_at, postgresql_where=text("state = 'pending'"))
Index("ix_messages_job_id", messages.c.job_id)
Index("ix_messages_tenant_id_id", messages.c.tenant_id, messages.c.id)
Index("ix_messages_endpoint_id_id", messages.c.endpoint_id, messages.c.id)
Index("ix_messages_lane_id", messages.c.lane_id)

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
    Column("request_headers", JSONB, nullable=False, server_default=text("'{}'")),
    CheckConstraint("attempt > 0", name="attempt_from_one"),
)
