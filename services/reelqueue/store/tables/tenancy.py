"""Who the jobs belong to, and what they bring: keys, upstream tokens, assets."""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Double,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from reelqueue.domain.tenants import TenantState
from reelqueue.domain.tokens import BlockedBy, TokenHealth, TokenKind
from reelqueue.store.tables.metadata import Moment, created_column, id_column, metadata, one_of, tenant_column

tenants = Table(
    "tenants",
    metadata,
    id_column(),
    Column("name", Text, nullable=False),
    Column("weight", Integer, nullable=False, server_default=text("1")),
    Column("max_running", Integer, nullable=False, server_default=text("50")),
    Column("virtual_time", Double, nullable=False, server_default=text("0")),
    Column("has_waiting", Boolean, nullable=False, server_default=false()),
    # Found no room on a token of its own, or of the pool; asked again when there is some.
    Column("no_room", Text),
    # Where a customer of its starts that wakes, and what a job of its is expected to take of a turn slot, in seconds.
    Column("flow_time", Double, nullable=False, server_default=text("0")),
    Column("expected_s", Double, nullable=False, server_default=text("60")),
    Column("paused", Boolean, nullable=False, server_default=false()),
    Column("state", Text, nullable=False, server_default=TenantState.ACTIVE),
    # What `paused` was, and will be again, while the tenant is suspended.
    Column("paused_before", Boolean, nullable=False, server_default=false()),
    # It has quotas: its jobs are accepted one after the other.
    Column("metered", Boolean, nullable=False, server_default=false()),
    Column("webhook_secret", LargeBinary, nullable=False),
    created_column(),
    UniqueConstraint("name"),
    CheckConstraint("weight > 0", name="weight_positive"),
    CheckConstraint("no_room IN ('own', 'pool')", name="no_room_known"),
    CheckConstraint("expected_s > 0", name="expected_positive"),
    CheckConstraint("max_running >= 0", name="max_running_not_negative"),
    CheckConstraint(one_of("state", TenantState), name="state_known"),
    CheckConstraint("state = 'active' OR paused", name="only_active_is_admitted"),
)
Index("ix_tenants_waiting", tenants.c.virtual_time, postgresql_where=tenants.c.has_waiting)

Index("ix_tenants_no_room", tenants.c.no_room, tenants.c.virtual_time, postgresql_where=tenants.c.no_room.is_not(None))

# One of a tenant's customers; '' are the jobs that name none.
flows = Table(
    "flows",
    metadata,
    tenant_column(primary_key=True),
    Column("customer", Text, primary_key=True),
    Column("virtual_time", Double, nullable=False, server_default=text("0")),
    Column("has_waiting", Boolean, nullable=False, server_default=false()),
    # Since when none of its jobs could begin.
    Column("stuck_at", Moment),
)
Index(
    "ix_flows_waiting",
    flows.c.tenant_id,
    flows.c.virtual_time,
    postgresql_where=text("has_waiting AND stuck_at IS NULL"),
)
Index(
    "ix_flows_stuck",
    flows.c.tenant_id,
    flows.c.stuck_at,
    postgresql_where=text("has_waiting AND stuck_at IS NOT NULL"),
)

# One row: the virtual time of the tenant that was served last, where a tenant starts that wakes.
scheduler = Table(
    "scheduler",
    metadata,
    Column("single", Boolean, primary_key=True, server_default=text("true")),
    Column("virtual_time", Double, nullable=False, server_default=text("0")),
    CheckConstraint("single", name="one_row"),
)

api_keys = Table(
    "api_keys",
    metadata,
    id_column(),
    tenant_column(),
    Column("name", Text, nullable=False),
    Column("mac", LargeBinary, nullable=False),
    Column("scopes", ARRAY(Text), nullable=False),
    created_column(),
    Column("expires_at", Moment),
    Column("revoked_at", Moment),
    Column("last_used_at", Moment),
    Column("requests_per_minute", Integer),
    CheckConstraint("requests_per_minute > 0", name="rate_positive"),
)
Index("ix_api_keys_tenant_id", api_keys.c.tenant_id)

FOUND: Final = tuple(health for health in TokenHealth if health is not TokenHealth.BLOCKED)
"""What a token's health may be found to be. That it is blocked is decided, and has columns of its own."""

upstream_tokens = Table(
    "upstream_tokens",
    metadata,
    id_column(),
    tenant_column(nullable=True),
    Column("label", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("secret", LargeBinary, nullable=False),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("client_id", Text),
    Column("user_id", Text),
    Column("health", Text, nullable=False, server_default=TokenHealth.OK),
    Column("cooling_until", Moment),
    Column("expires_at", Moment),
    Column("generation", Integer, nullable=False, server_default=text("1")),
    # What the account allows, and what it was last seen to have.
    Column("requests_per_minute", Integer, nullable=False, server_default=text("300")),
    Column("burst", Integer, nullable=False, server_default=text("1")),
    Column("max_turns", Integer, nullable=False, server_default=text("20")),
    Column("max_renders", Integer, nullable=False, server_default=text("20")),
    # What its owner says that it may do, and the scopes of calls that were refused since.
    Column("scopes", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    Column("refused", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    Column("refused_at", Moment),
    # A decision, beside the health that was found.
    Column("blocked_at", Moment),
    Column("blocked_by", Text),
    Column("blocked_why", Text),
    Column("plan", Text),
    Column("available", Double),
    Column("frozen", Double),
    Column("balance_at", Moment),
    # When a worker last went to look at the balance, whether or not it got one.
    Column("looked_at", Moment, nullable=False, server_default=text("now()")),
    # 429s in a row, and the rate that they taught us.
    Column("strikes", Integer, nullable=False, server_default=text("0")),
    Column("learned_per_minute", Double),
    Column("learned_at", Moment),
    # Projects may still name a token that its owner took away; nothing is placed on it any more.
    Column("removed_at", Moment),
    created_column(),
    CheckConstraint(one_of("kind", TokenKind), name="kind_known"),
    CheckConstraint(one_of("health", FOUND), name="health_known"),
    CheckConstraint(one_of("blocked_by", BlockedBy), name="blocker_known"),
    CheckConstraint("(blocked_at IS NULL) = (blocked_by IS NULL)", name="blocked_by_someone"),
    CheckConstraint("blocked_why IS NULL OR blocked_at IS NOT NULL", name="why_of_a_block"),
    CheckConstraint("(kind = 'anonymous') = (client_id IS NOT NULL)", name="anonymous_has_client_id"),
    CheckConstraint("requests_per_minute > 0", name="rate_positive"),
    CheckConstraint("burst > 0", name="burst_positive"),
    CheckConstraint("max_turns >= 0 AND max_renders >= 0", name="caps_not_negative"),
    CheckConstraint("(learned_per_minute IS NULL) = (learned_at IS NULL)", name="learned_has_time"),
)
Index(
    "uq_upstream_tokens_owner_fingerprint", text("coalesce(tenant_id, '')"), upstream_tokens.c.fingerprint, unique=True
)

assets = Table(
    "assets",
    metadata,
    id_column(),
    tenant_column(),
    Column("sha256", Text, nullable=False),
    # Of the file as it was sent, if that is not what is kept.
    Column("source_sha256", Text),
    Column("bytes", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("media_type", Text, nullable=False),
    Column("extension", Text, nullable=False),
    Column("label", Text, nullable=False),
    Column("width", Integer),
    Column("height", Integer),
    Column("duration_ms", BigInteger),
    Column("blob_key", Text, nullable=False),
    Column("repairs", JSONB, nullable=False, server_default=text("'[]'::jsonb")),
    created_column(),
    CheckConstraint(one_of("kind", ("image", "video", "audio")), name="kind_known"),
    CheckConstraint("bytes > 0", name="bytes_positive"),
    CheckConstraint("length(sha256) = 64", name="sha256_hex"),
    CheckConstraint("length(source_sha256) = 64", name="source_sha256_hex"),
)
Index("uq_assets_tenant_id_sha256_extension", assets.c.tenant_id, assets.c.sha256, assets.c.extension, unique=True)
