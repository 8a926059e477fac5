"""Every event, as it goes out: in the tenant's feed, and from there to whoever wants to hear of it."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, CheckConstraint, Column, Identity, Index, Integer, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB

from reelqueue.store.tables.metadata import created_column, id_column, metadata, tenant_column

feed_events = Table(
    "feed_events",
    metadata,
    id_column(),
    Column("position", BigInteger, Identity(always=True), nullable=False),
    tenant_column(),
    Column("seq", BigInteger),
    Column("type", Text, nullable=False),
    Column("job_id", Text),
    Column("job_seq", Integer),
    Column("metadata", JSONB(none_as_null=True)),
    Column("url", Text),
    Column("payload", Text, nullable=False),
    Column("sample", Boolean, nullable=False, server_default=text("false")),
    created_column(),
    CheckConstraint("(job_id IS NULL) = (job_seq IS NULL)", name="seq_of_job"),
    CheckConstraint("seq > 0", name="seq_from_one"),
    CheckConstraint("NOT sample OR seq IS NULL", name="samples_are_not_numbered"),
)
"""Written by the transaction of the change that it tells of, and numbered (`seq`) once that has committed.

`position` is the order of writing; a rolled back one leaves a gap in it, and a later one may commit first. `seq` is the
tenant's own number, from 1 and without gaps. `metadata` is what filters look at, `url` a receiver of its own. `payload`
is the body as it is sent, without what belongs to one endpoint.
"""
Index("uq_feed_events_tenant_id_seq", feed_events.c.tenant_id, feed_events.c.seq, unique=True)
Index(
    "ix_feed_events_unnumbered",
    feed_events.c.position,
    postgresql_where=text("seq IS NULL AND NOT sample"),
)
Index("ix_feed_events_job_id_job_seq", feed_events.c.job_id, feed_events.c.job_seq)
Index("ix_feed_events_created_at", feed_events.c.created_at)
Index(
    "ix_feed_events_tenant_id_created_at",
    feed_events.c.tenant_id,
    feed_events.c.created_at,
    postgresql_where=feed_events.c.seq.is_not(None),
)

feeds = Table(
    "feeds",
    metadata,
    tenant_column(primary_key=True),
    Column("last_seq", BigInteger, nullable=False),
)
"""How far each tenant's feed is numbered."""
