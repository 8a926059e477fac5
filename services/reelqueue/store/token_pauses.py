"""What a 429 does to a token's row: it cools for everybody, and its rate is halved."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, case, func, select, update

from reelqueue.domain.pace import Pace, cooling_s, halved
from reelqueue.domain.tokens import TokenHealth
from reelqueue.errors import NotFound
from reelqueue.store.engine import Database
from reelqueue.store.tables import upstream_tokens

_T = upstream_tokens.c

_LEFT = func.extract("epoch", _T.cooling_until - func.clock_timestamp())
_AGE = func.extract("epoch", func.clock_timestamp() - _T.learned_at)

PACE: tuple[ColumnElement[Any], ...] = (
    _T.requests_per_minute,
    _T.burst,
    _T.strikes,
    _T.learned_per_minute,
    _AGE.label("learned_age_s"),
    _LEFT.label("cooling_left_s"),
)
"""What `pace_from` reads."""


def pace_from(row: Any) -> Pace:
    """A token's pace, from a row with `PACE`."""
    return Pace(
        per_minute=row.requests_per_minute,
        burst=row.burst,
        learned_per_minute=row.learned_per_minute,
        learned_age_s=float(row.learned_age_s or 0.0),
        cooling_s=max(0.0, float(row.cooling_left_s or 0.0)),
        strikes=row.strikes,
    )


class TokenPauses:
    """Cools tokens, and lets them off."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def cool(self, token_id: str, *, asked_s: float | None, speed: float) -> float:
        """Leave a token alone, for `asked_s` (its `Retry-After`) or as long as we think right. Raises `NotFound`.

        Returns the seconds until the cooling ends. Whatever comes back as 429 while the token cools was under way when
        the cooling began: it may make the cooling longer, and counts no further strike. So it is whoever locks the row
        first that counts. The secret's generation does not matter: it is the account that is to be left alone. A token
        that is known to be worse off than cooling stays so, and is left alone too.
        """
        statement = select(*PACE).where(_T.id == token_id).with_for_update()
        with self._database.transaction() as connection:
            row = connection.execute(statement).first()
            if row is None:
                raise NotFound
            pace = pace_from(row)
            if pace.cooling_s > 0:
                seconds = max(pace.cooling_s, asked_s or 0.0)
                taught = {}
            else:
                strikes = pace.strikes + 1
                seconds = cooling_s(asked_s, strikes, speed=speed)
                taught = {
                    "strikes": strikes,
                    "learned_per_minute": halved(pace.rate_at(0.0, speed=speed)),
                    "learned_at": func.clock_timestamp(),
                }
            connection.execute(
                update(upstream_tokens)
                .where(_T.id == token_id)
                .values(
                    health=case((_T.health == TokenHealth.OK, TokenHealth.COOLING), else_=_T.health),
                    cooling_until=func.clock_timestamp() + timedelta(seconds=seconds),
                    **taught,
                )
            )
        return seconds

    def works(self, token_id: str) -> bool:
        """A call has succeeded: the strikes of a token whose cooling is over are forgotten, its rate is not.

        False: it still cools, or there was nothing to forget.
        """
        statement = (
            update(upstream_tokens)
            .where(_T.id == token_id, _T.strikes > 0, _T.cooling_until <= func.now())
            .values(
                strikes=0,
                health=case((_T.health == TokenHealth.COOLING, TokenHealth.OK), else_=_T.health),
            )
        )
        with self._database.statement() as connection:
            return connection.execute(statement).rowcount == 1
