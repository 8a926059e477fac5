from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import func, update

from reelqueue.domain.tokens import TokenHealth
from reelqueue.errors import NotFound
from reelqueue.store.tables import upstream_tokens


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


# --- a 429 ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def token(tokens, tenant):
    return tokens.add(tenant, "nmv_usr_cools", label="x").id


@pytest.fixture
def passes(database, token):
    """Let so many seconds pass for the token."""

    def forward(seconds):
        ago = timedelta(seconds=seconds)
        columns = ("cooling_until", "learned_at")
        moved = {name: upstream_tokens.c[name] - ago for name in columns}
        with database.statement() as connection:
            connection.execute(update(upstream_tokens).where(upstream_tokens.c.id == token).values(moved))

    return forward


def test_a_429_cools_the_token_and_halves_its_rate(tokens, token):
    assert tokens.cool(token, asked_s=17) == 17
    row, pace = tokens.find(token), tokens.credential(token).pace
    assert (row.health, row.strikes, row.learned_per_minute) == (TokenHealth.COOLING, 1, 150)
    assert 16 < pace.cooling_s <= 17
    assert (pace.per_minute, pace.burst, pace.strikes, pace.learned_per_minute) == (300, 1, 1, 150)
    assert 0 <= pace.learned_age_s < 5


def test_a_second_one_after_the_cooling_doubles_it(tokens, token, passes):
    told = []
    for _ in range(7):
        told.append(tokens.cool(token, asked_s=None))
        passes(told[-1] + 1)
    assert told == [30, 60, 120, 240, 480, 600, 600]
    assert tokens.find(token).strikes == 7
    assert tokens.cool(token, asked_s=3_000) == 3_000, "what is asked for is kept"


def test_many_at_once_count_as_one(tokens, token):
    with ThreadPoolExecutor(20) as pool:
        told = list(pool.map(lambda seconds: tokens.cool(token, asked_s=seconds), [30.0] * 19 + [50.0]))
    row = tokens.find(token)
    assert (row.strikes, row.learned_per_minute) == (1, 150)
    assert max(told) == pytest.approx(50, abs=1), "the longest one stays"
    assert tokens.cool(token, asked_s=1) > 40


def test_the_rate_comes_back_and_is_halved_where_it_is(tokens, token, passes):
    tokens.cool(token, asked_s=1)
    passes(900)
    tokens.cool(token, asked_s=1)
    assert tokens.find(token).learned_per_minute == pytest.approx((150 + 300 / 4) / 2, abs=0.5)


def test_with_speed_it_comes_back_as_much_sooner(tokens, token, passes):
    tokens.cool(token, asked_s=None, speed=10)
    assert tokens.credential(token).pace.cooling_s <= 3
    passes(90)
    tokens.cool(token, asked_s=1, speed=10)
    assert tokens.find(token).learned_per_minute == pytest.approx((150 + 300 / 4) / 2, abs=0.5)


def test_success_after_the_cooling_forgets_the_strikes_and_not_the_rate(tokens, token, passes):
    tokens.cool(token, asked_s=60)
    assert tokens.works(token) is False, "it was under way when the cooling began"
    passes(61)
    assert tokens.works(token) is True
    assert tokens.works(token) is False
    row = tokens.find(token)
    assert (row.health, row.strikes, row.learned_per_minute) == (TokenHealth.OK, 0, 150)
    assert tokens.cool(token, asked_s=None) == 30


@pytest.mark.parametrize("health", [TokenHealth.EXHAUSTED, TokenHealth.INVALID])
def test_what_is_worse_off_stays_so_and_is_left_alone_too(tokens, token, passes, health):
    tokens.mark(token, health, generation=1)
    tokens.cool(token, asked_s=30)
    assert tokens.find(token).health is health
    assert tokens.credential(token).pace.cooling_s > 29
    passes(31)
    tokens.works(token)
    assert tokens.find(token).health is health


def test_a_token_that_never_was_cannot_cool(tokens):
    with pytest.raises(NotFound):
        tokens.cool("tok_never", asked_s=1)
