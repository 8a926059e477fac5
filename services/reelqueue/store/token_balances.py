"""What tokens have, as last read: looked at now and then, so that a token that was topped up serves again by itself."""

from __future__ import annotations

from typing import Final

from sqlalchemy import case, text, update

from reelqueue.domain.tokens import TokenHealth
from reelqueue.domain.upstream import Balance
from reelqueue.store.engine import Database
from reelqueue.store.tables import upstream_tokens
from reelqueue.store.token_rows import balance_columns

_T = upstream_tokens.c
_CURED: Final = (TokenHealth.EXHAUSTED, TokenHealth.INVALID)

_DUE: Final = text("""
UPDATE upstream_tokens SET looked_at = now()
WHERE id = ANY (ARRAY(
    SELECT id FROM upstream_tokens
    WHERE removed_at IS NULL AND blocked_at IS NULL AND health IN ('ok', 'cooling', 'exhausted')
      AND looked_at <= now() - make_interval(
          secs => CASE WHEN health = 'exhausted' OR available <= 0 THEN :spent_s ELSE :others_s END)
    ORDER BY looked_at LIMIT :most FOR UPDATE SKIP LOCKED))
RETURNING id
""")


class TokenBalances:
    """Says whose turn it is to be looked at, and keeps what was seen."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def due(self, *, spent_s: float, others_s: float, most: int) -> list[str]:
        """Up to `most` tokens that nobody has looked at for so long: those without credits sooner than the others.

        Each is given to one caller, who has then looked, whatever comes of it. Dead and blocked ones wait for a person.
        """
        wanted = {"spent_s": spent_s, "others_s": others_s, "most": most}
        with self._database.statement() as connection:
            return list(connection.execute(_DUE, wanted).scalars())

    def note(self, token_id: str, balance: Balance, *, generation: int, cures: bool) -> bool:
        """Keep a balance. `cures`: an exhausted or dead token is well again.

        False: nothing was written, since the token has another secret since `generation` was seen.
        """
        values = balance_columns(balance)
        if cures:
            values["health"] = case((_T.health.in_(_CURED), TokenHealth.OK), else_=_T.health)
        statement = update(upstream_tokens).where(_T.id == token_id, _T.generation == generation).values(values)
        with self._database.statement() as connection:
            return connection.execute(statement).rowcount == 1
