"""Writing down tries: the messages as they stand after them, and each try as it was."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, text

from reelqueue.domain.outgoing import Try
from reelqueue.kit.clock import rfc3339
from reelqueue.store.storable import dumps

_WRITE = text("""
WITH given AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset(CAST(:tries AS jsonb)) AS g (
        message_id text, state text, retry_in_s float8, started_at timestamptz, elapsed_ms integer, status integer,
        error_class text, excerpt text, headers jsonb)
), written AS (
    UPDATE messages m SET attempts = m.attempts + 1, round = m.round + 1,
        state = CASE WHEN m.state = 'pending' THEN g.state ELSE m.state END,
        due_at = CASE WHEN m.state = 'pending' AND g.state = 'pending'
                      THEN clock_timestamp() + make_interval(secs => g.retry_in_s) END,
        finished_at = CASE WHEN m.state <> 'pending' THEN m.finished_at
                           WHEN g.state <> 'pending' THEN clock_timestamp() END
    FROM given g WHERE m.id = g.message_id AND m.lane_id = :lane
    RETURNING m.id, m.attempts, m.tenant_id
)
INSERT INTO webhook_attempts (message_id, attempt, tenant_id, started_at, elapsed_ms, status, error_class,
                              response_excerpt, request_headers)
SELECT w.id, w.attempts, w.tenant_id, g.started_at, g.elapsed_ms, g.status, g.error_class, g.excerpt, g.headers
FROM written w JOIN given g ON g.message_id = w.id
""")


def write_tries(connection: Connection, lane_id: str, tries: Sequence[Try]) -> None:
    """For whoever holds the lane: one try each of some of its messages.

    A message that was dropped meanwhile stays so: its try is kept, and changes nothing.
    """
    if tries:
        connection.execute(_WRITE, {"lane": lane_id, "tries": dumps([_row(one) for one in tries])})


def _row(one: Try) -> dict[str, Any]:
    state = "delivered" if one.delivered else "exhausted" if one.retry_in_s is None else "pending"
    attempt = one.attempt
    return {
        "message_id": one.message_id,
        "state": state,
        "retry_in_s": one.retry_in_s,
        "started_at": rfc3339(attempt.started_at),
        "elapsed_ms": attempt.elapsed_ms,
        "status": attempt.status,
        "error_class": attempt.error_class,
        "excerpt": _storable(attempt.excerpt),
        "headers": dict(attempt.request_headers),
    }


def _storable(excerpt: str | None) -> str | None:
    """The excerpt without what PostgreSQL refuses in text: no receiver's words may keep a try from being written."""
    if excerpt is None:
        return None
    return excerpt.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()
