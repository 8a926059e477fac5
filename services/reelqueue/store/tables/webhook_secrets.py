"""Webhook secrets that were replaced and go on signing for a while. The one in use is a column of its owner."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, LargeBinary, Table, Text

from reelqueue.store.tables.metadata import Moment, created_column, id_column, metadata, one_of, tenant_column

webhook_secrets = Table(
    "webhook_secrets",
    metadata,
    id_column(),
    tenant_column(),
    # Null: the tenant's own, for jobs' own URLs.
    Column("endpoint_id", Text, ForeignKey("webhook_endpoints.id")),
    Column("scheme", Text, nullable=False),
    Column("secret", LargeBinary, nullable=False),
    Column("public_key", Text),
    created_column(),
    Column("expires_at", Moment, nullable=False),
    CheckConstraint(one_of("scheme", ("v1", "v1a")), name="scheme_known"),
    CheckConstraint("(scheme = 'v1a') = (public_key IS NOT NULL)", name="public_key_of_v1a"),
)
Index("ix_webhook_secrets_tenant_id_endpoint_id", webhook_secrets.c.tenant_id, webhook_secrets.c.endpoint_id)
Index("ix_webhook_secrets_expires_at", webhook_secrets.c.expires_at)
