"""Which files rows name.

The key says where to look: `t/<tenant>/a/…/<sha256>` is an asset, `t/<tenant>/r/<job>/…` a result.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import text

from reelqueue.store.engine import Database

# The parts of the keys come first, by themselves: next to a policy, PostgreSQL looks up in an index only what it need
# not first cut out of a row.
_UNNAMED = text("""
WITH k AS MATERIALIZED (
    SELECT key, split_part(key, '/', 2) AS tenant_id, split_part(key, '/', 4) AS job_id,
           split_part(key, '/', 5) AS sha256
    FROM unnest(CAST(:keys AS text[])) AS given (key))
SELECT k.key FROM k
WHERE NOT EXISTS (
    SELECT FROM assets a
    WHERE a.tenant_id = k.tenant_id AND a.sha256 = k.sha256 AND a.blob_key = k.key)
AND NOT EXISTS (
    SELECT FROM jobs j
    WHERE j.tenant_id = k.tenant_id AND j.id = k.job_id
      AND (j.dispatch <> 'done' OR j.result ->> 'blob_key' = k.key OR j.results @>
           jsonb_build_array(jsonb_build_object('result', jsonb_build_object('blob_key', k.key)))))
AND NOT EXISTS (
    SELECT FROM recoveries r
    WHERE r.tenant_id = k.tenant_id AND r.job_id = k.job_id
      AND (r.dispatch <> 'done' OR (r.expires_at > now() AND r.files @>
           jsonb_build_array(jsonb_build_object('result', jsonb_build_object('blob_key', k.key))))))
""")


class BlobNames:
    """The rows' side of the file store."""

    def __init__(self, database: Database) -> None:
        # Whatever it is handed: a file whose row it may not see would look like one that no row names.
        self._database = database.as_service()

    def unnamed(self, keys: Sequence[str]) -> list[str]:
        """Which of these keys no row names. A live job names every result of its own, kept or about to be.

        So does one that has ended while something may still arrive for it. What arrived is named until it expires.
        """
        with self._database.statement() as connection:
            return list(connection.execute(_UNNAMED, {"keys": list(keys)}).scalars())
