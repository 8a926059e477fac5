"""Tokens straight into the table, and what is taken of them."""

from __future__ import annotations

from collections import Counter

from sqlalchemy import func, select

from fakes.job_rows import JobRows
from reelqueue.kit.ids import new_id
from reelqueue.store.tables import jobs, upstream_tokens


def token(board: JobRows, tenant_id: str | None = None, **values: object) -> str:
    """A token that nothing is wrong with; of the pool, if no tenant is named."""
    token_id = new_id("upstream_token")
    given = {"label": "t", "kind": "supplied", "secret": b"x", "fingerprint": token_id.encode(), **values}
    with board.database.statement() as connection:
        connection.execute(upstream_tokens.insert().values(id=token_id, tenant_id=tenant_id, **given))
    return token_id


def in_use(board: JobRows, kind: str = "turn") -> Counter[str]:
    """How many slots of each token are taken."""
    taken = select(jobs.c.token_id, func.count()).where(jobs.c.slot == kind).group_by(jobs.c.token_id)
    with board.database.statement() as connection:
        return Counter({row[0]: row[1] for row in connection.execute(taken)})
