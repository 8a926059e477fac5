"""Every event in a feed, numbered for its tenant; webhooks are sent from there, by lanes.

Revision: 0020, after 0019.

What was told before stands in the feed as far as somebody was told: of the rest the body was not kept.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from reelqueue.store.walls import protect

revision = "0020"
down_revision = "0019"

MOMENT = postgresql.TIMESTAMP(timezone=True)
JSON = postgresql.JSONB(none_as_null=True)
PENDING = "state = 'pending'"
OLD_INDEXES = (
    "ix_messages_due",
    "ix_messages_rung",
    "ix_messages_occupying",
    "uq_messages_job_id_seq_endpoint_id",
    "uq_messages_upstream_event_id_endpoint_id",
)
NEW_INDEXES = (
    "uq_messages_event_id_endpoint_id",
    "ix_messages_first_tries",
    "ix_messages_due",
    "ix_messages_job_id",
    "ix_messages_lane_id",
)
OLD_CHECKS = (
    ("dispatch_known", "dispatch IN ('idle', 'rung', 'held', 'done')"),
    ("pending_is_open", "(state = 'pending') = (dispatch <> 'done')"),
    ("held_has_owner", "(dispatch = 'held') = (lease_owner IS NOT NULL)"),
    ("of_job_or_upstream", "(job_id IS NULL) <> (upstream_event_id IS NULL)"),
)
NEW_CHECKS = (
    ("pending_is_due", "(state = 'pending') = (due_at IS NOT NULL)"),
    ("numbered_for_endpoint", "(endpoint_id IS NULL) = (delivery_seq IS NULL)"),
)
ENDPOINT_CHECKS = (("max_in_flight_above_zero", "max_in_flight > 0"), ("rate_above_zero", "rate_per_minute > 0"))
LANE_CHECKS = (
    ("dispatch_known", "dispatch IN ('idle', 'rung', 'held')"),
    ("breaker_known", "breaker IN ('closed', 'open')"),
    ("held_has_owner", "(dispatch = 'held') = (lease_owner IS NOT NULL)"),
    ("open_has_end", "(breaker = 'open') = (open_until IS NOT NULL)"),
)
HOST = "coalesce(substring(url FROM '^[a-z]+://([^/:?#]+)'), '')"
# Of an upstream's event every tenant that was told has one of its own.
EVENT_OF = """coalesce(
    (SELECT e.id FROM job_events e WHERE e.job_id = m.job_id AND e.seq = m.seq),
    'evt_' || left(md5(m.upstream_event_id || m.tenant_id), 26))"""


def upgrade() -> None:
    _feed()
    _lanes()
    _endpoints()
    _messages()
    for table in ("feed_events", "feeds", "webhook_lanes"):
        protect(table)


def _feed() -> None:
    op.create_table(
        "feed_events",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("position", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        _tenant("feed_events"),
        sa.Column("seq", sa.BigInteger(), nullable=True),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("job_id", sa.Text(), nullable=True),
        sa.Column("job_seq", sa.Integer(), nullable=True),
        sa.Column("metadata", JSON, nullable=True),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("sample", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("created_at", MOMENT, server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("(job_id IS NULL) = (job_seq IS NULL)", name=op.f("ck_feed_events_seq_of_job")),
        sa.CheckConstraint("seq > 0", name=op.f("ck_feed_events_seq_from_one")),
        sa.CheckConstraint("NOT sample OR seq IS NULL", name=op.f("ck_feed_events_samples_are_not_numbered")),
        _key("feed_events", "id"),
    )
    op.create_index("uq_feed_events_tenant_id_seq", "feed_events", ["tenant_id", "seq"], unique=True)
    _index("ix_feed_events_unnumbered", "feed_events", ["position"], "seq IS NULL AND NOT sample")
    op.create_index("ix_feed_events_job_id_job_seq", "feed_events", ["job_id", "job_seq"])
    op.create_index("ix_feed_events_created_at", "feed_events", ["created_at"])
    op.create_table(
        "feeds",
        _tenant("feeds"),
        sa.Column("last_seq", sa.BigInteger(), nullable=False),
        _key("feeds", "tenant_id"),
    )


def _lanes() -> None:
    op.create_table(
        "webhook_lanes",
        sa.Column("id", sa.Text(), nullable=False),
        _tenant("webhook_lanes"),
        sa.Column("endpoint_id", sa.Text(), nullable=True),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("dispatch", sa.Text(), server_default=sa.text("'idle'"), nullable=False),
        sa.Column("due_at", MOMENT, nullable=True),
        sa.Column("woken", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("bell_at", MOMENT, nullable=True),
        _count("bells"),
        sa.Column("lease_owner", sa.Text(), nullable=True),
        _count("lease_epoch"),
        sa.Column("breaker", sa.Text(), server_default=sa.text("'closed'"), nullable=False),
        sa.Column("open_until", MOMENT, nullable=True),
        _count("opened"),
        sa.Column("window_at", MOMENT, nullable=True),
        _count("window_ok"),
        _count("window_failed"),
        sa.Column("failing_since", MOMENT, nullable=True),
        _count("alerted"),
        sa.Column("latency_ms", sa.Float(), server_default=sa.text("0"), nullable=False),
        *(sa.CheckConstraint(condition, name=op.f(f"ck_webhook_lanes_{name}")) for name, condition in LANE_CHECKS),
        sa.ForeignKeyConstraint(
            ["endpoint_id"], ["webhook_endpoints.id"], name=op.f("fk_webhook_lanes_endpoint_id_webhook_endpoints")
        ),
        _key("webhook_lanes", "id"),
    )
    _index("ix_webhook_lanes_due", "webhook_lanes", ["due_at"], "dispatch = 'idle'")
    _index("ix_webhook_lanes_rung", "webhook_lanes", ["bell_at"], "dispatch = 'rung'")
    _index("ix_webhook_lanes_occupying", "webhook_lanes", ["lease_owner"], "dispatch IN ('rung', 'held')")
    op.create_index("ix_webhook_lanes_tenant_id", "webhook_lanes", ["tenant_id"])


def _endpoints() -> None:
    op.add_column("webhook_endpoints", sa.Column("filter", JSON, nullable=True))
    op.add_column("webhook_endpoints", sa.Column("max_in_flight", sa.Integer(), nullable=True))
    op.add_column("webhook_endpoints", sa.Column("rate_per_minute", sa.Integer(), nullable=True))
    counted = sa.Column("last_delivery_seq", sa.BigInteger(), server_default=sa.text("0"), nullable=False)
    op.add_column("webhook_endpoints", counted)
    for name, condition in ENDPOINT_CHECKS:
        op.create_check_constraint(op.f(f"ck_webhook_endpoints_{name}"), "webhook_endpoints", condition)


def _messages() -> None:
    for column in (
        sa.Column("event_id", sa.Text()),
        sa.Column("position", sa.BigInteger()),
        sa.Column("lane_id", sa.Text()),
        sa.Column("delivery_seq", sa.BigInteger()),
        _count("round"),
    ):
        op.add_column("messages", column)
    _carry_over()
    for name in ("event_id", "position", "lane_id"):
        op.alter_column("messages", name, nullable=False)
    op.drop_constraint(op.f("fk_messages_job_id_seq_job_events"), "messages")
    op.drop_constraint(op.f("fk_messages_upstream_event_id_upstream_events"), "messages")
    for name, _ in OLD_CHECKS:
        op.drop_constraint(op.f(f"ck_messages_{name}"), "messages")
    for name in OLD_INDEXES:
        op.drop_index(name, table_name="messages")
    for name in ("dispatch", "bell_at", "bells", "lease_owner", "lease_epoch", "payload", "upstream_event_id"):
        op.drop_column("messages", name)
    op.drop_table("upstream_events")
    for name, condition in NEW_CHECKS:
        op.create_check_constraint(op.f(f"ck_messages_{name}"), "messages", condition)
    op.create_foreign_key(op.f("fk_messages_event_id_feed_events"), "messages", "feed_events", ["event_id"], ["id"])
    op.create_foreign_key(op.f("fk_messages_lane_id_webhook_lanes"), "messages", "webhook_lanes", ["lane_id"], ["id"])
    one_each: list[Any] = ["event_id", sa.text("coalesce(endpoint_id, '')")]
    op.create_index("uq_messages_event_id_endpoint_id", "messages", one_each, unique=True)
    _index("ix_messages_first_tries", "messages", ["lane_id", "position"], f"{PENDING} AND attempts = 0")
    _index("ix_messages_due", "messages", ["lane_id", "due_at"], PENDING)
    op.create_index("ix_messages_job_id", "messages", ["job_id"])
    op.create_index("ix_messages_lane_id", "messages", ["lane_id"])


def _carry_over() -> None:
    """What was sent or waits to be sent keeps its id, its tries and its time."""
    op.execute(f"UPDATE messages m SET event_id = {EVENT_OF}, round = attempts")  # noqa: S608 - ours
    op.execute("UPDATE messages SET due_at = coalesce(due_at, now()) WHERE state = 'pending'")
    op.execute("UPDATE messages SET due_at = NULL WHERE state <> 'pending'")
    op.execute("""
        INSERT INTO feed_events (id, tenant_id, seq, type, job_id, job_seq, payload, created_at)
        SELECT event_id, tenant_id, row_number() OVER (PARTITION BY tenant_id ORDER BY created_at, job_id, seq), type,
               job_id, seq, payload, created_at
        FROM (SELECT DISTINCT ON (event_id) * FROM messages ORDER BY event_id, id) m ORDER BY created_at, job_id, seq
    """)
    op.execute("INSERT INTO feeds (tenant_id, last_seq) SELECT tenant_id, max(seq) FROM feed_events GROUP BY tenant_id")
    op.execute(f"""
        UPDATE messages m SET position = e.position,
            lane_id = coalesce(m.endpoint_id, m.tenant_id || '/' || left(md5({HOST.replace("url", "m.url")}), 16))
        FROM feed_events e WHERE e.id = m.event_id
    """)  # noqa: S608 - ours
    op.execute(f"""
        INSERT INTO webhook_lanes (id, tenant_id, endpoint_id, host, due_at)
        SELECT m.lane_id, m.tenant_id, m.endpoint_id, min({HOST.replace("url", "coalesce(m.url, w.url)")}),
               min(m.due_at)
        FROM messages m LEFT JOIN webhook_endpoints w ON w.id = m.endpoint_id
        GROUP BY 1, 2, 3
    """)  # noqa: S608 - ours
    op.execute("""
        UPDATE messages m SET delivery_seq = n.nth
        FROM (SELECT id, row_number() OVER (PARTITION BY endpoint_id ORDER BY position) AS nth
              FROM messages WHERE endpoint_id IS NOT NULL) n
        WHERE n.id = m.id
    """)
    op.execute("""
        UPDATE webhook_endpoints w SET last_delivery_seq = m.last
        FROM (SELECT endpoint_id, max(delivery_seq) AS last FROM messages GROUP BY endpoint_id) m
        WHERE m.endpoint_id = w.id
    """)


def downgrade() -> None:
    op.create_table(
        "upstream_events",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("phase", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("since", MOMENT, nullable=False),
        sa.Column("created_at", MOMENT, server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_upstream_events")),
    )
    for name in NEW_INDEXES:
        op.drop_index(name, table_name="messages")
    for name, _ in NEW_CHECKS:
        op.drop_constraint(op.f(f"ck_messages_{name}"), "messages")
    for column in (
        sa.Column("dispatch", sa.Text(), server_default=sa.text("'idle'"), nullable=False),
        sa.Column("bell_at", MOMENT),
        _count("bells"),
        sa.Column("lease_owner", sa.Text()),
        _count("lease_epoch"),
        sa.Column("payload", sa.Text()),
        sa.Column("upstream_event_id", sa.Text()),
    ):
        op.add_column("messages", column)
    _carry_back()
    op.alter_column("messages", "payload", nullable=False)
    for name, condition in OLD_CHECKS:
        op.create_check_constraint(op.f(f"ck_messages_{name}"), "messages", condition)
    op.create_foreign_key(
        op.f("fk_messages_upstream_event_id_upstream_events"),
        "messages",
        "upstream_events",
        ["upstream_event_id"],
        ["id"],
    )
    op.create_foreign_key(
        op.f("fk_messages_job_id_seq_job_events"), "messages", "job_events", ["job_id", "seq"], ["job_id", "seq"]
    )
    _old_indexes()
    for name in ("event_id", "position", "lane_id", "delivery_seq", "round"):
        op.drop_column("messages", name)
    for name, _ in ENDPOINT_CHECKS:
        op.drop_constraint(op.f(f"ck_webhook_endpoints_{name}"), "webhook_endpoints")
    for name in ("filter", "max_in_flight", "rate_per_minute", "last_delivery_seq"):
        op.drop_column("webhook_endpoints", name)
    for table in ("webhook_lanes", "feeds", "feed_events"):
        op.drop_table(table)


def _carry_back() -> None:
    """What is of neither a job nor NemoVideo has no place in the old table."""
    homeless = "SELECT id FROM messages WHERE job_id IS NULL AND type NOT LIKE 'upstream.%'"
    op.execute(f"DELETE FROM webhook_attempts WHERE message_id IN ({homeless})")  # noqa: S608 - ours
    op.execute(f"DELETE FROM messages WHERE id IN ({homeless})")  # noqa: S608 - ours
    op.execute("UPDATE messages m SET payload = e.payload FROM feed_events e WHERE e.id = m.event_id")
    op.execute("UPDATE messages SET dispatch = 'done' WHERE state <> 'pending'")
    op.execute("UPDATE messages SET upstream_event_id = event_id WHERE job_id IS NULL")
    op.execute("""
        INSERT INTO upstream_events (id, type, phase, reason, since, created_at)
        SELECT id, type, payload::jsonb #>> '{data,phase}', payload::jsonb #>> '{data,reason}',
               CAST(payload::jsonb #>> '{data,since}' AS timestamptz), created_at
        FROM feed_events WHERE id IN (SELECT upstream_event_id FROM messages)
    """)


def _old_indexes() -> None:
    _index("ix_messages_due", "messages", ["due_at"], "dispatch = 'idle'")
    _index("ix_messages_rung", "messages", ["bell_at"], "dispatch = 'rung'")
    _index("ix_messages_occupying", "messages", ["lease_owner"], "dispatch IN ('rung', 'held')")
    of_job: list[Any] = ["job_id", "seq", sa.text("coalesce(endpoint_id, '')")]
    op.create_index("uq_messages_job_id_seq_endpoint_id", "messages", of_job, unique=True)
    op.create_index(
        "uq_messages_upstream_event_id_endpoint_id",
        "messages",
        ["upstream_event_id", "endpoint_id"],
        unique=True,
        postgresql_where=sa.text("upstream_event_id IS NOT NULL"),
    )


def _tenant(table: str) -> sa.Column[str]:
    named = op.f(f"fk_{table}_tenant_id_tenants")
    return sa.Column("tenant_id", sa.Text(), sa.ForeignKey("tenants.id", name=named), nullable=False)


def _key(table: str, column: str) -> sa.PrimaryKeyConstraint:
    return sa.PrimaryKeyConstraint(column, name=op.f(f"pk_{table}"))


def _count(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), server_default=sa.text("0"), nullable=False)


def _index(name: str, table: str, columns: list[Any], where: str) -> None:
    op.create_index(name, table, columns, postgresql_where=sa.text(where))
