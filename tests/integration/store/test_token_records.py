from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import func, insert, select, text

from reelqueue.domain.tokens import TokenHealth, TokenWish
from reelqueue.domain.upstream import AnonymousToken, Balance
from reelqueue.errors import NotFound, ValidationFailed
from reelqueue.kit.ids import new_id
from reelqueue.store.tables import projects, upstream_tokens
from reelqueue.store.token_balances import TokenBalances

NOTHING = TokenWish()
RICH = Balance(available=500, frozen=20, total=520)
POOR = Balance(available=0, frozen=0, total=0)


@pytest.fixture
def balances(database):
    return TokenBalances(database)


def keep(records, owner, secret="nmv_usr_1", *, wish=NOTHING, balance=RICH):
    return records.keep(owner, secret, wish, balance)[0].token


def bind(rows, tenant, token):
    """A project of the tenant that names the token."""
    values = {"id": new_id("project"), "tenant_id": tenant, "token_id": token.id, "state": "creating"}
    with rows.database.transaction() as connection:
        connection.execute(insert(projects).values(values))


def test_a_token_is_kept_with_its_limits_and_its_balance(records, tenant):
    wish = TokenWish(label="main", plan="pro", requests_per_minute=60, burst=2, max_turns=4, max_renders=5)
    known, is_new = records.keep(tenant, "nmv_usr_1", wish, RICH)
    assert is_new
    token = known.token
    assert (token.label, token.plan, token.requests_per_minute, token.burst) == ("main", "pro", 60, 2)
    assert (token.max_turns, token.max_renders, token.available, token.frozen) == (4, 5, 500, 20)
    assert token.balance_at is not None
    assert records.find(tenant, token.id) == known
    assert records.list(tenant, before=None, limit=5) == [known]


def test_a_token_that_was_not_asked_for_its_balance_has_none_that_is_known(records):
    token = keep(records, None, balance=None)
    assert (token.health, token.available, token.balance_at) == (TokenHealth.OK, None, None)


@pytest.mark.parametrize("ailing", [TokenHealth.INVALID, TokenHealth.EXHAUSTED])
def test_a_token_that_proved_alive_is_cured_and_a_late_word_of_its_death_misses(records, tokens, tenant, ailing):
    token = keep(records, tenant)
    tokens.mark(token.id, ailing, generation=1)
    again, is_new = records.keep(tenant, "nmv_usr_1", NOTHING, RICH)
    assert (again.id, is_new, again.token.health, again.token.generation) == (token.id, False, TokenHealth.OK, 2)
    assert not tokens.mark(token.id, TokenHealth.INVALID, generation=1)


def test_a_balance_says_nothing_of_a_pause(records, tokens, tenant):
    token = keep(records, tenant)
    tokens.mark(token.id, TokenHealth.COOLING, generation=1, cooling_s=60)
    assert keep(records, tenant).health is TokenHealth.COOLING


def test_a_removed_token_that_a_project_is_bound_to_works_on_and_is_not_seen(records, tokens, tenant, rows):
    token = keep(records, tenant)
    bind(rows, tenant, token)
    records.remove(tenant, token.id)
    assert tokens.pick(tenant) is None
    assert tokens.own(tenant) is None
    assert records.list(tenant, before=None, limit=5) == []
    for ask in (records.find, records.remove):
        with pytest.raises(NotFound):
            ask(tenant, token.id)
    with pytest.raises(NotFound):
        records.owner_of(token.id)
    assert tokens.credential(token.id).token == "nmv_usr_1"
    assert keep(records, tenant).id == token.id
    assert tokens.pick(tenant).id == token.id


def test_a_token_that_was_added_again_by_a_worker_comes_back_too(records, tokens, tenant, rows):
    token = tokens.add(None, "nmv_usr_1", label="NEMO_TOKEN")
    bind(rows, tenant, token)
    records.remove(None, token.id)
    assert tokens.pick(tenant) is None
    assert tokens.add(None, "nmv_usr_1", label="NEMO_TOKEN").id == token.id
    assert tokens.pick(tenant).id == token.id


def test_a_token_that_nothing_names_is_erased(records, tenant, database):
    token = keep(records, tenant)
    records.remove(tenant, token.id)
    with database.statement() as connection:
        assert connection.execute(select(func.count()).select_from(upstream_tokens)).scalar_one() == 0


def test_nobody_touches_anothers_token(records, tenant, other_tenant):
    theirs, pools = keep(records, other_tenant), keep(records, None)
    for token in (theirs, pools):
        for ask in (
            lambda one: records.find(tenant, one),
            lambda one: records.change(tenant, one, TokenWish(label="mine")),
            lambda one: records.rotate(tenant, one, "nmv_usr_mine", NOTHING, RICH),
            lambda one: records.remove(tenant, one),
        ):
            with pytest.raises(NotFound):
                ask(token.id)
    assert records.list(tenant, before=None, limit=5) == []
    assert [one.token for one in records.list(None, before=None, limit=5)] == [pools]
    assert records.owner_of(theirs.id) == other_tenant
    assert records.owner_of(pools.id) is None


def test_a_fresh_secret_is_a_generation_on_and_its_life_is_unknown(records, tokens, tenant, rows):
    token = keep(records, tenant)
    rows.write(upstream_tokens, token.id, expires_at=text("now()"), health="invalid")
    rotated = records.rotate(tenant, token.id, "nmv_usr_2", TokenWish(max_turns=3), RICH).token
    assert (rotated.generation, rotated.health, rotated.expires_at, rotated.max_turns) == (2, TokenHealth.OK, None, 3)
    assert tokens.credential(token.id).token == "nmv_usr_2"
    assert keep(records, tenant, "nmv_usr_2").id == token.id
    other = keep(records, tenant, "nmv_usr_3")
    with pytest.raises(ValidationFailed):
        records.rotate(tenant, other.id, "nmv_usr_2", NOTHING, RICH)


def test_an_anonymous_token_is_not_given_a_secret(records, tokens):
    fresh = AnonymousToken(token="nmv_usr_a", user_id="anon_1", credits=100, expires_at=None)
    token = tokens.add_anonymous("client", fresh)
    with pytest.raises(ValidationFailed):
        records.rotate(None, token.id, "nmv_usr_2", NOTHING, RICH)
    assert tokens.credential(token.id).token == "nmv_usr_a"


# --- placed -----------------------------------------------------------------------------------------------------------


def test_a_new_project_goes_to_no_token_that_is_known_to_have_nothing(tokens, records, balances, tenant):
    own = keep(records, tenant, "nmv_usr_own", balance=None)
    pool = keep(records, None, "nmv_usr_pool", balance=None)
    assert tokens.pick(tenant).id == own.id
    balances.note(own.id, POOR, generation=1, cures=False)
    assert tokens.pick(tenant).id == pool.id
    assert tokens.spent(tenant).id == own.id
    balances.note(own.id, RICH, generation=1, cures=False)
    assert tokens.pick(tenant).id == own.id
    assert tokens.spent(tenant) is None


def test_room_comes_before_life_and_draining_before_room(tokens, records, tenant, rows):
    roomy = keep(records, None, "nmv_usr_1", wish=TokenWish(max_turns=9))
    lasting = keep(records, None, "nmv_usr_2", wish=TokenWish(max_turns=3))
    rows.write(upstream_tokens, roomy.id, expires_at=text("now() + interval '5 days'"))
    assert tokens.pick(tenant).id == roomy.id
    rows.write(upstream_tokens, roomy.id, expires_at=text("now() + interval '1 hour'"))
    assert tokens.pick(tenant).id == lasting.id
    records.change(None, lasting.id, TokenWish(max_turns=0))
    assert tokens.pick(tenant).id == roomy.id


def test_an_anonymous_token_serves_one_tenant_and_no_two(tokens, tenant, request):
    fresh = AnonymousToken(token="nmv_usr_a", user_id="anon_1", credits=100, expires_at=None)
    token = tokens.add_anonymous("client", fresh)
    assert tokens.single_tenant()
    assert tokens.pick(tenant).id == token.id
    request.getfixturevalue("other_tenant")
    assert not tokens.single_tenant()
    assert tokens.pick(tenant) is None


# --- looked at --------------------------------------------------------------------------------------------------------


def due(balances, most=10):
    return set(balances.due(spent_s=60, others_s=600, most=most))


def test_tokens_without_credits_are_looked_at_sooner_and_each_by_one(balances, records, tokens, rows):
    healthy, spent, dry, dead = (keep(records, None, f"nmv_usr_{n}") for n in range(4))
    tokens.mark(spent.id, TokenHealth.EXHAUSTED, generation=1)
    balances.note(dry.id, POOR, generation=1, cures=False)
    tokens.mark(dead.id, TokenHealth.INVALID, generation=1)
    assert due(balances) == set()
    for age, expected in ((120, {spent.id, dry.id}), (601, {healthy.id, spent.id, dry.id})):
        for token in (healthy, spent, dry, dead):
            rows.write(upstream_tokens, token.id, looked_at=func.now() - timedelta(seconds=age))
        assert due(balances) == expected
        assert due(balances) == set()


def test_a_round_is_bounded(balances, records, rows):
    for number in range(3):
        token = keep(records, None, f"nmv_usr_{number}")
        rows.write(upstream_tokens, token.id, looked_at=func.now() - timedelta(hours=1))
    assert len(due(balances, most=2)) == 2
    assert len(due(balances, most=2)) == 1


def test_what_was_read_before_a_refusal_is_known_no_more(balances, records, tokens):
    token = keep(records, None)
    tokens.mark(token.id, TokenHealth.EXHAUSTED, generation=1)
    found = tokens.find(token.id)
    assert (found.available, found.balance_at) == (None, None)
    assert balances.note(token.id, RICH, generation=1, cures=False)
    assert (tokens.find(token.id).health, tokens.find(token.id).available) == (TokenHealth.EXHAUSTED, 500)
    assert balances.note(token.id, RICH, generation=1, cures=True)
    assert tokens.find(token.id).health is TokenHealth.OK


def test_the_balance_of_an_earlier_secret_is_not_kept(balances, records, tokens):
    token = keep(records, None, balance=None)
    assert not balances.note(token.id, RICH, generation=2, cures=True)
    assert tokens.find(token.id).available is None
