"""Replays that were asked for, as long as a repeat of one is told from a new one."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, CheckConstraint, Column, ForeignKey, Index, Integer, Table, Text, text

from reelqueue.store.tables.metadata import Moment, created_column, id_column, metadata, tenant_column

webhook_replays = Table(
    "webhook_replays",
    metadata,
    id_column(),
    tenant_column(),
    Column("endpoint_id", Text, ForeignKey("webhook_endpoints.id"), nullable=False),
    Column("key", Text),
    Column("fingerprint", Text, nullable=False),
    # What was counted, and up to when: the same for whoever goes on with it.
    Column("until", Moment, nullable=False),
    Column("events", Integer, nullable=False),
    Column("pending", Integer, nullable=False),
    # Feed numbers: of the last event that was looked at, and of the last one to look at.
    Column("after_seq", BigInteger, nullable=False),
    Column("last_seq", BigInteger, nullable=False),
    Column("queued", Integer, nullable=False, server_default=text("0")),
    Column("finished", Boolean, nullable=False, server_default=text("false")),
    created_column(),
    CheckConstraint("queued >= 0", name="queued_not_negative"),
)
Index(
    "uq_webhook_replays_endpoint_id_key",
    webhook_replays.c.endpoint_id,
    webhook_replays.c.key,
    unique=True,
    postgresql_where=text("key IS NOT NULL"),
)
Index("ix_webhook_replays_tenant_id_created_at", webhook_replays.c.tenant_id, webhook_replays.c.created_at)
