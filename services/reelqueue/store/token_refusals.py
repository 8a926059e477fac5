"""What a 403 does to a token's row: a hint at first, and a block if it goes on."""

from __future__ import annotations

from typing import Final

from sqlalchemy import text

from reelqueue.domain.tokens import MOST_REFUSALS, BlockedBy, TokenScope
from reelqueue.store.engine import Database

_REFUSED: Final = text(f"""
UPDATE upstream_tokens k SET
    refused = array_append(k.refused, CAST(:scope AS text)), refused_at = now(),
    blocked_at = CASE WHEN m.enough THEN now() END,
    blocked_by = CASE WHEN m.enough THEN '{BlockedBy.REFUSALS.value}' END,
    blocked_why = CASE WHEN m.enough THEN CAST(:why AS text) END
FROM (SELECT id, cardinality(array_positions(refused, CAST(:scope AS text))) + 1 >= {MOST_REFUSALS} AS enough
      FROM upstream_tokens WHERE id = :id FOR UPDATE) m
WHERE k.id = m.id AND k.generation = :generation AND k.blocked_at IS NULL
RETURNING k.blocked_at IS NOT NULL
""")  # noqa: S608 - the words are ours

_ALLOWED: Final = text("""
UPDATE upstream_tokens SET refused = array_remove(refused, CAST(:scope AS text))
WHERE id = :id AND generation = :generation AND blocked_at IS NULL AND CAST(:scope AS text) = ANY (refused)
""")


class TokenRefusals:
    """Counts refusals by scope, and blocks the token whose refusals go on."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def refused(self, token_id: str, scope: TokenScope, *, generation: int) -> bool:
        """A call of that scope was answered 403. True: it was the last straw, and the token is blocked from now on.

        False also where nothing was written: the token has another secret since `generation` was seen, or is blocked.
        Of many at once each counts once, and exactly one blocks.
        """
        why = f"NemoVideo refused {MOST_REFUSALS} calls in a row that need the scope {scope.value} (403)."
        asked = {"id": token_id, "scope": scope.value, "generation": generation, "why": why}
        with self._database.statement() as connection:
            return bool(connection.execute(_REFUSED, asked).scalar())

    def allowed(self, token_id: str, scope: TokenScope, *, generation: int) -> bool:
        """A call of that scope succeeded: its refusals are forgotten. False: there were none, or it is blocked."""
        asked = {"id": token_id, "scope": scope.value, "generation": generation}
        with self._database.statement() as connection:
            return connection.execute(_ALLOWED, asked).rowcount == 1
