"""What waited to be sent before there was a feed is sent after it, and what was sent stays told."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from reelqueue.store.engine import make_engine
from reelqueue.store.migrations import downgrade, upgrade

PAYLOAD = '{"type":"job.queued","timestamp":"2026-03-01T00:00:00Z","data":{"seq":1}}'
DOWN = (
    '{"type":"upstream.degraded","timestamp":"2026-03-01T00:00:00Z",'
    '"data":{"phase":"poll","since":"2026-03-01T00:00:00Z","reason":"x"}}'
)
BEFORE = f"""
INSERT INTO tenants (id, name, webhook_secret) VALUES ('ten_1', 'one', 'x'), ('ten_2', 'two', 'x');
INSERT INTO webhook_endpoints (id, tenant_id, url, event_types, secret)
VALUES ('whe_1', 'ten_1', 'https://hooks.example/a', '{{*}}', 'x'),
       ('whe_2', 'ten_2', 'https://b.example', '{{*}}', 'x');
INSERT INTO jobs (id, tenant_id, instructions, billing) VALUES ('job_1', 'ten_1', '["x"]', '{{}}');
INSERT INTO job_events (id, job_id, seq, tenant_id, type) VALUES
    ('evt_1', 'job_1', 1, 'ten_1', 'job.queued'), ('evt_2', 'job_1', 2, 'ten_1', 'job.uploading');
INSERT INTO upstream_events (id, type, phase, reason, since) VALUES ('evt_u', 'upstream.degraded', 'poll', 'x', now());
INSERT INTO messages (id, tenant_id, endpoint_id, url, job_id, seq, upstream_event_id, type, payload, state, attempts,
                      dispatch, due_at, finished_at, bell_at, lease_owner, created_at)
VALUES
    ('msg_1', 'ten_1', 'whe_1', NULL, 'job_1', 1, NULL, 'job.queued', '{PAYLOAD}', 'delivered', 1, 'done', NULL, now(),
     NULL, NULL, now() - interval '3 s'),
    ('msg_2', 'ten_1', 'whe_1', NULL, 'job_1', 2, NULL, 'job.uploading', '{PAYLOAD}', 'pending', 2, 'idle',
     now() + interval '1 h', NULL, NULL, NULL, now() - interval '2 s'),
    ('msg_3', 'ten_1', NULL, 'https://own.example/x?y', 'job_1', 2, NULL, 'job.uploading', '{PAYLOAD}', 'pending', 0,
     'held', now(), NULL, NULL, 'wrk_1', now() - interval '2 s'),
    ('msg_4', 'ten_1', 'whe_1', NULL, NULL, NULL, 'evt_u', 'upstream.degraded', '{DOWN}', 'pending', 0, 'rung', now(),
     NULL, now(), NULL, now() - interval '1 s'),
    ('msg_5', 'ten_2', 'whe_2', NULL, NULL, NULL, 'evt_u', 'upstream.degraded', '{DOWN}', 'dropped', 0, 'done', now(),
     now(), NULL, NULL, now() - interval '1 s');
INSERT INTO webhook_attempts (message_id, attempt, tenant_id, started_at, elapsed_ms)
VALUES ('msg_1', 1, 'ten_1', now(), 1);
"""


@pytest.fixture
def ask(empty_database_url):
    upgrade(empty_database_url, "0019")
    engine = make_engine(empty_database_url, role=None)
    with engine.begin() as connection:
        connection.execute(text(BEFORE.replace(":", r"\:")))

    def rows(statement):
        with engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(statement))]

    yield rows
    engine.dispose()


def test_what_waits_goes_on_and_is_numbered(ask, empty_database_url):
    upgrade(empty_database_url, "0020")
    assert ask("SELECT tenant_id, seq, type, job_id, job_seq FROM feed_events ORDER BY tenant_id, seq") == [
        ("ten_1", 1, "job.queued", "job_1", 1),
        ("ten_1", 2, "job.uploading", "job_1", 2),
        ("ten_1", 3, "upstream.degraded", None, None),
        ("ten_2", 1, "upstream.degraded", None, None),
    ]
    assert ask("SELECT tenant_id, last_seq FROM feeds ORDER BY 1") == [("ten_1", 3), ("ten_2", 1)]
    assert ask("SELECT id, delivery_seq, round, state, due_at IS NULL FROM messages ORDER BY id") == [
        ("msg_1", 1, 1, "delivered", True),
        ("msg_2", 2, 2, "pending", False),
        ("msg_3", None, 0, "pending", False),
        ("msg_4", 3, 0, "pending", False),
        ("msg_5", 1, 0, "dropped", True),
    ]
    assert ask("SELECT id, last_delivery_seq FROM webhook_endpoints ORDER BY id") == [("whe_1", 3), ("whe_2", 1)]
    lanes = ask("SELECT endpoint_id, host, dispatch, due_at <= now() FROM webhook_lanes ORDER BY host")
    assert lanes == [
        ("whe_2", "b.example", "idle", None),
        ("whe_1", "hooks.example", "idle", True),
        (None, "own.example", "idle", True),
    ]
    assert ask(
        "SELECT count(*) FROM messages m JOIN feed_events e ON e.id = m.event_id AND e.position = m.position"
    ) == [(5,)]


def test_and_back_again_nothing_that_waits_is_lost(ask, empty_database_url):
    upgrade(empty_database_url, "head")
    downgrade(empty_database_url, "0019")
    assert ask("SELECT id, state, dispatch, payload, attempts FROM messages ORDER BY id") == [
        ("msg_1", "delivered", "done", PAYLOAD, 1),
        ("msg_2", "pending", "idle", PAYLOAD, 2),
        ("msg_3", "pending", "idle", PAYLOAD, 0),
        ("msg_4", "pending", "idle", DOWN, 0),
        ("msg_5", "dropped", "done", DOWN, 0),
    ]
    assert len(ask("SELECT id FROM upstream_events WHERE phase = 'poll' AND reason = 'x'")) == 2
    upgrade(empty_database_url, "head")
    assert ask("SELECT count(*) FROM webhook_attempts") == [(1,)]
