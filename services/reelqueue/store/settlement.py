"""Settling what turns really took with those whose they were, and waking who waited for the room.

A slot is given up in the transaction that ends its use, by a column of the job's own row, so that no tenant's row is
hot. The dispatcher gathers those rows in batches.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, text

BATCH: Final = 500
MEMORY: Final = 0.2
"""How much the newest jobs count in the average of what a tenant's job takes."""
SHORTEST_S: Final = 1.0
"""The least that a job is expected to take: a tenant whose jobs all fail at once is charged for trying."""
REPAIRED: Final = 200
"""How many tenants that found no room a sweep asks again."""

_SETTLE = text(f"""
WITH near AS MATERIALIZED (
    SELECT id, tenant_id, coalesce(customer, '') AS customer, token_id, held, charged FROM jobs
    WHERE held IS NOT NULL LIMIT {BATCH} FOR UPDATE SKIP LOCKED
), flow AS MATERIALIZED (
    SELECT tenant_id, customer FROM flows
    WHERE (tenant_id, customer) IN (SELECT tenant_id, customer FROM near) FOR NO KEY UPDATE SKIP LOCKED
), owner AS MATERIALIZED (
    SELECT id FROM tenants WHERE id IN (SELECT tenant_id FROM near) FOR NO KEY UPDATE SKIP LOCKED
), found AS MATERIALIZED (
    -- What another holds is settled the next time: whoever settles waits for no row.
    SELECT n.* FROM near n WHERE n.tenant_id IN (SELECT id FROM owner) AND (
        (n.tenant_id, n.customer) IN (SELECT tenant_id, customer FROM flow) OR NOT EXISTS (
            SELECT FROM flows f WHERE f.tenant_id = n.tenant_id AND f.customer = n.customer))
), settled AS (
    UPDATE jobs SET held = NULL, charged = 0 WHERE id = ANY (ARRAY(SELECT id FROM found))
), flowed AS (
    UPDATE flows f SET virtual_time = f.virtual_time + k.owed
    FROM (SELECT tenant_id, customer, sum(held - charged) AS owed FROM found GROUP BY 1, 2) k
    WHERE f.tenant_id = k.tenant_id AND f.customer = k.customer
), paid AS (
    UPDATE tenants t SET
        virtual_time = t.virtual_time + k.owed / t.weight,
        expected_s = greatest({SHORTEST_S}, t.expected_s + (k.each - t.expected_s) * (1 - power(1 - {MEMORY}, k.n)))
    FROM (
        SELECT tenant_id, sum(held - charged) AS owed, avg(held) AS each, count(*) AS n FROM found GROUP BY 1) k
    WHERE t.id = k.tenant_id
    RETURNING t.id
)
SELECT array_remove(array_agg(DISTINCT k.tenant_id), NULL) AS owners,
       count(*) FILTER (WHERE k.tenant_id IS NULL) AS shared, count(f.id) AS found
FROM found f LEFT JOIN upstream_tokens k ON k.id = f.token_id
""")  # noqa: S608 - the numbers are ours

_OWN_ROOM = text("SELECT id FROM tenants WHERE no_room = 'own' ORDER BY virtual_time LIMIT :most")

_WAKE = text("""
UPDATE tenants SET has_waiting = true, no_room = NULL
WHERE id = ANY (ARRAY(
    SELECT id FROM tenants
    WHERE no_room IS NOT NULL AND (id = ANY (:owners) OR id = ANY (ARRAY(
        SELECT id FROM tenants WHERE no_room = 'pool' ORDER BY virtual_time LIMIT :shared)))
    FOR NO KEY UPDATE SKIP LOCKED))
RETURNING id
""")


def settle(connection: Connection) -> int:
    """Charge or credit a batch of turns with what they took beyond or below what was expected; wake who waited.

    Returns how many were settled. Each row is settled by exactly one dispatcher.
    """
    row = connection.execute(_SETTLE).one()
    if row.found:
        connection.execute(_WAKE, {"owners": row.owners or [], "shared": row.shared})
    return int(row.found)


def ask_again(connection: Connection) -> int:
    """Ask tenants that found no room once more: a limit may have been raised, a token added, a cooling be over."""
    owners = list(connection.execute(_OWN_ROOM, {"most": REPAIRED}).scalars())
    return len(connection.execute(_WAKE, {"owners": owners, "shared": REPAIRED}).all())
