"""Which jobs that end are watched afterwards: those for which something paid for may still arrive upstream."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, text

from reelqueue.domain.recovered import RecoveryKind
from reelqueue.domain.recoveries import GIVEN_UP_EARLY

# A turn that was sent and is not booked, in a session that can be looked at; or an export that was not given up and
# whose file is not kept. The two exclude each other: nothing is exported before the last turn is booked.
_WATCH = text("""
WITH watched AS (
    INSERT INTO recoveries (job_id, tenant_id, project_id, kind)
    SELECT j.id, j.tenant_id, j.project_id, k.kind
    FROM jobs j
    JOIN projects p ON p.id = j.project_id AND p.token_id IS NOT NULL
    CROSS JOIN LATERAL (
        SELECT :turn WHERE p.state = 'ready' AND EXISTS (
            SELECT FROM turns t
            WHERE t.job_id = j.id AND t.state IN ('sending', 'finished') AND NOT EXISTS (
                SELECT FROM credit_entries e WHERE e.job_id = t.job_id AND e.position = t.position))
        UNION ALL
        SELECT :render WHERE EXISTS (
            SELECT FROM renders r
            WHERE r.job_id = j.id AND r.state <> 'failed' AND j.results -> r.output_index ->> 'result' IS NULL
              AND NOT EXISTS (
                SELECT FROM renders n
                WHERE n.job_id = r.job_id AND n.output_index = r.output_index AND n.attempt > r.attempt))
        LIMIT 1) AS k (kind)
    WHERE j.id = :job_id
      AND (j.status = 'canceled' OR (j.status = 'failed' AND j.error ->> 'code' = ANY (:given_up_early)))
    ON CONFLICT (job_id) DO NOTHING
    RETURNING job_id
)
SELECT pg_notify('rq_work', '') FROM watched
""")
TURN_WATCHED: Final = """EXISTS (
    SELECT FROM recoveries w WHERE w.project_id = j.project_id AND w.kind = 'turn' AND w.dispatch <> 'done')"""
"""For statements with a job `j`: a turn of its project may still run upstream though its job has ended."""


def watch(connection: Connection, job_id: str) -> None:
    """Begin to watch for a job that ends in this very transaction, if anything may still arrive for it."""
    parameters = {
        "job_id": job_id,
        "turn": RecoveryKind.TURN.value,
        "render": RecoveryKind.RENDER.value,
        "given_up_early": list(GIVEN_UP_EARLY),
    }
    connection.execute(_WATCH, parameters)
