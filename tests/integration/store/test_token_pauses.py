from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import func, update

from reelqueue.domain.tokens import TokenHealth
from reelqueue.store.tables import upstream_tokens
from reelqueue.store.tokens import UpstreamTokens


@pytest.fixture
def tokens(database, sealer):
    return UpstreamTokens(database, sealer)


def test_how_long_until_the_first_of_the_tokens_has_cooled(tokens, tenant, other_tenant, database):
    assert tokens.cooled_in(tenant) is None
    own = tokens.add(tenant, "nmv_usr_own", label="own")
    pool = tokens.add(None, "nmv_usr_pool", label="pool")
    theirs = tokens.add(other_tenant, "nmv_usr_theirs", label="theirs")
    assert tokens.cooled_in(tenant) is None
    for token, seconds in ((own, 600), (pool, 300), (theirs, 5)):
        tokens.mark(token.id, TokenHealth.COOLING, generation=1, cooling_s=seconds)
    assert 290 < tokens.cooled_in(tenant) <= 300
    tokens.mark(pool.id, TokenHealth.EXHAUSTED, generation=1)
    assert 590 < tokens.cooled_in(tenant) <= 600
    past = func.now() - timedelta(seconds=5)
    with database.statement() as connection:
        connection.execute(update(upstream_tokens).where(upstream_tokens.c.id == own.id).values(cooling_until=past))
    assert tokens.cooled_in(tenant) == 0
    assert tokens.pick(tenant).id == own.id
