"""The admit lane: which new jobs begin, whose they are, and on which token.

Stride scheduling on two levels. A tenant's virtual time moves on by the credit-seconds of each job that it begins,
divided by its weight, and the tenants with the least time go first; inside a tenant the same among its customers, whose
shares are equal; inside a customer priority, then age. A credit-second is one second of a turn slot. What a job will
take is not known when it begins: its tenant is charged the moving average, and settled with what it took
(`settlement`). Weight, cap and pause are columns, so a change acts on jobs that wait already.

Whoever wakes starts at the time of the one who was served last (`scheduler`, `flow_time`), so idleness banks nothing.
A customer of whose jobs none can begin (its projects are busy, their tokens full) is `stuck`: it stands behind the
others and is looked at a few at a time, so that it hides nobody.

A job is admitted onto a token with room, and its room is taken by the same statement, under a lock that all who
reserve hold (`slots.ROOM_LOCK`). It must see what the one before it committed, so it is a statement of its own, after
the lock. Whoever admits waits for no row: what another holds is passed over. A tenant that finds no room loses its
flag and is remembered in `no_room`: it is asked again when a slot of its kind is given up, or by the sweep.

A project has one turn at a time: of its jobs the oldest is admitted, and the next one when that has ended. A turn that
was left running by a job that has ended counts, until it is known to be over (`recoveries`). The export of a version
touches no timeline and waits for nobody.

`= ANY (ARRAY(…))`, not `IN (…)`: an array is looked up by the primary key, whatever the planner thinks of its length.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, text

from reelqueue.store.flows import flow_of
from reelqueue.store.placement import (
    BLOCKED,
    COOLING,
    DRAINING,
    RENDERS_FREE,
    TURNS_FREE,
    USABLE,
    WAITED_FOR,
    bound_token,
    needs_render,
)
from reelqueue.store.slots import ROOM_LOCK
from reelqueue.store.watches import TURN_WATCHED

PROJECT_FREE: Final = f"""(j.project_id IS NULL OR j.version IS NOT NULL OR NOT EXISTS (
    SELECT FROM jobs o
    WHERE o.project_id = j.project_id AND o.version IS NULL AND o.dispatch <> 'done' AND o.id <> j.id
      AND (o.admitted_at IS NOT NULL OR o.id < j.id)) AND NOT {TURN_WATCHED})"""
"""For statements with a job `j` that was not admitted: no other job of its project is before it."""

STUCK_A_TURN: Final = 2
"""How many customers whose jobs could not begin are looked at again in each turn of their tenant."""

UNHURRIED: Final = "set_config('synchronous_commit', 'off', true)"
"""Whoever commits does not wait for the disk.

If the server dies in the next moments, what was admitted waits again, and its bell finds nothing to do. What a worker
has committed since then lies behind it in the log, so it is never kept without it.
"""

_DRAINING: Final = DRAINING.replace(":drain_s", "drain_s")

_TURN: Final = """
SELECT t.id FROM tenants t WHERE t.has_waiting AND NOT t.paused
ORDER BY t.virtual_time LIMIT of_tenants FOR NO KEY UPDATE SKIP LOCKED"""

_ADMIT: Final = f"""
WITH turn AS MATERIALIZED (
    SELECT t.id, t.virtual_time, t.weight, t.expected_s, least(of_each, t.max_running - (
        SELECT count(*) FROM jobs r
        WHERE r.tenant_id = t.id AND r.admitted_at IS NOT NULL AND r.dispatch <> 'done')) AS most
    FROM tenants t WHERE t.id = ANY (whose)
), room AS MATERIALIZED (
    SELECT k.id, k.tenant_id, k.expires_at, {USABLE} AS usable, {WAITED_FOR} AS waited_for, {_DRAINING} AS draining,
           CASE WHEN {COOLING} OR {BLOCKED} THEN 0 ELSE {TURNS_FREE} END AS turns,
           CASE WHEN {COOLING} OR {BLOCKED} THEN 0 ELSE {RENDERS_FREE} END AS renders
    FROM upstream_tokens k WHERE k.tenant_id = ANY (whose) OR k.tenant_id IS NULL
), source AS MATERIALIZED (
    -- Where a tenant's new projects go: its own tokens, the pool (''), nowhere for now ('-'), or there is none at all.
    SELECT t.*, CASE
        WHEN EXISTS (SELECT FROM room r WHERE r.tenant_id = t.id AND r.usable) THEN t.id
        WHEN EXISTS (SELECT FROM room r WHERE r.tenant_id IS NULL AND r.usable) THEN ''
        WHEN EXISTS (SELECT FROM room r WHERE (r.tenant_id = t.id OR r.tenant_id IS NULL) AND r.waited_for) THEN '-'
        END AS source
    FROM turn t
), spare AS MATERIALIZED (
    SELECT coalesce(tenant_id, '') AS source, sum(turns) AS turns FROM room WHERE usable GROUP BY 1
), flow AS MATERIALIZED (
    SELECT s.id AS tenant_id, f.customer, f.virtual_time, s.expected_s FROM source s
    CROSS JOIN LATERAL (
        SELECT f.customer, f.virtual_time FROM flows f
        WHERE f.tenant_id = s.id AND f.has_waiting AND f.stuck_at IS NULL
        ORDER BY f.virtual_time LIMIT greatest(0, s.most) FOR NO KEY UPDATE SKIP LOCKED) f
    UNION ALL
    SELECT s.id, f.customer, f.virtual_time, s.expected_s FROM source s
    CROSS JOIN LATERAL (
        SELECT f.customer, f.virtual_time FROM flows f
        WHERE f.tenant_id = s.id AND f.has_waiting AND f.stuck_at IS NOT NULL
        ORDER BY f.stuck_at LIMIT least({STUCK_A_TURN}, greatest(0, s.most)) FOR NO KEY UPDATE SKIP LOCKED) f
), candidate AS MATERIALIZED (
    SELECT c.*, row_number() OVER (PARTITION BY tenant_id ORDER BY flow_time + (of_flow - 1) * expected_s, id) AS n
    FROM (
        SELECT j.id, s.id AS tenant_id, f.customer, j.bound, j.kind, s.source, s.most, s.expected_s, s.virtual_time,
               s.weight, f.virtual_time AS flow_time,
               row_number() OVER (PARTITION BY s.id, f.customer ORDER BY j.priority, j.id) AS of_flow
        FROM source s JOIN flow f ON f.tenant_id = s.id
        CROSS JOIN LATERAL (
            SELECT j.id, j.priority, b.bound, b.kind FROM jobs j
            CROSS JOIN LATERAL (
                SELECT CASE WHEN {needs_render("j")} THEN 'render' ELSE 'turn' END AS kind,
                    CASE WHEN j.project_id IS NOT NULL THEN {bound_token("j.project_id", "j.version")} END AS bound) b
            WHERE j.tenant_id = s.id AND {flow_of("j")} = f.customer
              AND j.dispatch = 'idle' AND j.admitted_at IS NULL AND {PROJECT_FREE}
              AND CASE WHEN b.bound IS NOT NULL THEN NOT EXISTS (
                      SELECT FROM room r WHERE r.id = b.bound
                        AND CASE b.kind WHEN 'turn' THEN r.turns ELSE r.renders END <= 0)
                  ELSE s.source IS NULL OR EXISTS (
                      SELECT FROM spare WHERE spare.source = s.source AND spare.turns > 0) END
            ORDER BY j.priority, j.id LIMIT greatest(0, s.most + 1) FOR UPDATE OF j SKIP LOCKED) j) c
), lined AS MATERIALIZED (
    -- Where each stands: those that are bound in the line of their token, the others in that of their source.
    SELECT r.*, row_number() OVER (
        PARTITION BY bound, CASE WHEN bound IS NULL THEN source ELSE kind END ORDER BY turn_at, id) AS place
    FROM (SELECT c.*, c.virtual_time + (c.n - 1) * c.expected_s / c.weight AS turn_at
          FROM candidate c WHERE c.n <= c.most) r
), staying AS MATERIALIZED (
    SELECT b.* FROM lined b LEFT JOIN room ON room.id = b.bound
    WHERE b.bound IS NOT NULL
      AND (room.id IS NULL OR b.place <= CASE b.kind WHEN 'turn' THEN room.turns ELSE room.renders END)
), slots AS MATERIALIZED (
    SELECT source, array_agg(id ORDER BY draining, left_over DESC, expires_at DESC NULLS FIRST, id) AS tokens FROM (
        SELECT r.id, coalesce(r.tenant_id, '') AS source, r.draining, r.expires_at, free.turns - g.n AS left_over
        FROM room r
        LEFT JOIN (SELECT bound, count(*) AS n FROM staying WHERE kind = 'turn' GROUP BY bound) y ON y.bound = r.id
        CROSS JOIN LATERAL (SELECT r.turns - coalesce(y.n, 0) AS turns) free
        CROSS JOIN LATERAL generate_series(1, least(free.turns, in_all)) AS g (n)
        WHERE r.usable) e
    GROUP BY source
), chosen AS MATERIALIZED (
    SELECT id, tenant_id, customer, kind, expected_s, bound AS token_id FROM staying
    UNION ALL
    SELECT b.id, b.tenant_id, b.customer, b.kind, b.expected_s, s.tokens[CAST(b.place AS integer)]
    FROM lined b LEFT JOIN slots s ON s.source = b.source
    WHERE b.bound IS NULL AND (b.source IS NULL OR b.place <= cardinality(s.tokens))
), rung AS (
    UPDATE jobs j SET dispatch = 'rung', bell_at = now(), bells = 1, admitted_at = now(), waiting = NULL,
        token_id = c.token_id, slot = CASE WHEN c.token_id IS NOT NULL THEN c.kind END,
        slot_since = CASE WHEN c.token_id IS NOT NULL THEN now() END,
        charged = CASE WHEN c.kind = 'turn' THEN c.expected_s ELSE 0 END
    FROM chosen c WHERE j.id = c.id
    RETURNING j.id
), come AS MATERIALIZED (
    -- What came of each customer's turn. Stacked and counted, not joined: nobody knows beforehand how long these lists
    -- are, and a plan for short ones compares each of one with each of the other.
    SELECT tenant_id, customer, max(virtual_time) AS virtual_time, max(expected_s) AS expected_s,
           sum(found) AS found, sum(n) AS n, sum(turns) AS turns
    FROM (
        SELECT tenant_id, customer, virtual_time, expected_s, 0 AS found, 0 AS n, 0 AS turns FROM flow
        UNION ALL
        SELECT tenant_id, customer, NULL, NULL, 1, 0, 0 FROM candidate
        UNION ALL
        SELECT tenant_id, customer, NULL, NULL, 0, 1, CASE kind WHEN 'turn' THEN 1 ELSE 0 END FROM chosen) e
    GROUP BY tenant_id, customer
), full_now AS MATERIALIZED (
    SELECT r.tenant_id FROM room r
    WHERE r.turns <= (SELECT count(*) FROM chosen c WHERE c.token_id = r.id AND c.kind = 'turn')
       OR r.renders <= (SELECT count(*) FROM chosen c WHERE c.token_id = r.id AND c.kind = 'render')
), flowed AS (
    UPDATE flows f SET
        virtual_time = f.virtual_time + k.turns * k.expected_s + (k.n - k.turns),
        stuck_at = CASE WHEN k.found > 0 THEN NULL ELSE clock_timestamp() END,
        has_waiting = k.found > k.n OR (
            SELECT w.id FROM jobs w WHERE w.tenant_id = f.tenant_id AND {flow_of("w")} = f.customer
              AND w.dispatch = 'idle' AND w.admitted_at IS NULL AND NOT w.id = ANY (ARRAY(SELECT id FROM chosen))
            ORDER BY w.priority, w.id LIMIT 1) IS NOT NULL
    FROM come k
    WHERE f.tenant_id = k.tenant_id AND f.customer = k.customer
    RETURNING f.tenant_id, f.customer, f.has_waiting
), charged AS (
    UPDATE tenants t SET
        virtual_time = t.virtual_time + (k.turns * t.expected_s + k.renders) / t.weight,
        flow_time = greatest(t.flow_time, coalesce(k.flow_time, t.flow_time)),
        has_waiting = k.n > 0 AND k.n >= k.most AND k.left_over AND k.below_cap,
        no_room = CASE WHEN k.n < k.most AND k.left_over AND (k.source = '-' OR EXISTS (
            SELECT FROM full_now u WHERE u.tenant_id = t.id OR u.tenant_id IS NULL
        )) THEN CASE WHEN k.source = t.id THEN 'own' ELSE 'pool' END END
    FROM (
        SELECT s.id, s.most, s.source, coalesce(sum(t.n), 0) AS n, coalesce(sum(t.turns), 0) AS turns,
               coalesce(sum(t.n - t.turns), 0) AS renders, min(t.virtual_time) FILTER (WHERE t.n > 0) AS flow_time,
               s.most = of_each AS below_cap,
               EXISTS (SELECT FROM flowed w WHERE w.tenant_id = s.id AND w.has_waiting) OR EXISTS (
                   SELECT FROM flows w WHERE w.tenant_id = s.id AND w.has_waiting AND NOT EXISTS (
                       SELECT FROM flow v WHERE v.tenant_id = s.id AND v.customer = w.customer)) AS left_over
        FROM source s
        LEFT JOIN come t ON t.tenant_id = s.id
        GROUP BY s.id, s.most, s.source) k
    WHERE t.id = k.id
), told AS (
    INSERT INTO scheduler (virtual_time)
    SELECT min(c.virtual_time) FROM candidate c WHERE c.id IN (SELECT id FROM chosen) HAVING count(*) > 0
    ON CONFLICT (single) DO UPDATE SET virtual_time = greatest(scheduler.virtual_time, excluded.virtual_time)
)
SELECT coalesce(array_agg(id), '{{}}') FROM rung"""  # noqa: S608 - the conditions are ours

FUNCTION: Final = f"""
CREATE OR REPLACE FUNCTION admit_jobs(
    of_tenants integer, of_each integer, in_all integer, drain_s double precision, OUT admitted text[])
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE whose text[];
BEGIN
    PERFORM {UNHURRIED}, pg_advisory_xact_lock({ROOM_LOCK});
    whose := ARRAY({_TURN});
    IF whose <> '{{}}' THEN
        {_ADMIT} INTO admitted;
    END IF;
END $$"""
"""Whose turn it is, and which of their jobs begin; null if it is nobody's turn.

One call, since each question asked apart costs a journey. Each statement in it sees what was committed before that
statement began. To plan the large one takes as long as to run it, so a connection plans it once. A migration makes the
function: whoever changes a word of it adds a migration that makes it again.
"""

_CALL: Final = text("SELECT admit_jobs(:tenants, :each, :most, :drain_s)")


def admit_next(connection: Connection, tenants: int, *, each: int, most: int, drain_s: float) -> list[str] | None:
    """Admit up to `each` jobs of each of the next tenants, onto tokens with room; `None` if it is nobody's turn.

    Nobody else reserves room until the transaction ends.
    """
    asked = {"tenants": tenants, "each": each, "most": most, "drain_s": drain_s}
    admitted = connection.execute(_CALL, asked).scalar_one()
    return None if admitted is None else list(admitted)
