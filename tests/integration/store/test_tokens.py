from __future__ import annotations

import threading
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from fakes.job_rows import as_owner
from reelqueue.domain.tokens import TokenHealth, TokenKind
from reelqueue.domain.upstream import AnonymousToken
from reelqueue.errors import DependencyUnavailable, NotFound, ValidationFailed
from reelqueue.kit.ids import new_id
from reelqueue.kit.sealing import SealBroken
from reelqueue.store.tables import upstream_tokens as table
from reelqueue.store.tokens import UpstreamTokens

SECRET = "nmv_usr_canary"
HOUR = timedelta(hours=1)
LATER = datetime(2126, 3, 1, tzinfo=UTC)

WAITING = text(
    "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)
HOLDER = text(
    "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)


def fresh(token="nmv_usr_fresh", *, user_id="anon_1", expires_at=LATER):
    return AnonymousToken(token=token, user_id=user_id, credits=100, expires_at=expires_at)


def holders(database):
    with database.statement() as connection:
        return list(connection.execute(HOLDER).scalars())


def waiters(database):
    with database.statement() as connection:
        return connection.execute(WAITING).scalar_one()


# --- kept -------------------------------------------------------------------------------------------------------------


def test_a_token_is_kept_also_once_the_driver_has_prepared_the_statement(tokens, tenant):
    # psycopg prepares what has run five times on a connection.
    added = [tokens.add(tenant, f"{SECRET}-{number}", label="one of many") for number in range(10)]
    assert len({token.id for token in added}) == 10
    assert tokens.add(tenant, f"{SECRET}-3", label="again") == added[3]


def test_a_supplied_token_is_kept_and_given_out_as_a_credential_only(tokens, tenant, rows):
    added = tokens.add(tenant, SECRET, label="main account")
    assert (added.tenant_id, added.label, added.kind) == (tenant, "main account", TokenKind.SUPPLIED)
    assert (added.health, added.generation, added.client_id) == (TokenHealth.OK, 1, None)
    assert tokens.find(added.id) == added
    credential = tokens.credential(added.id)
    assert (credential.token_id, credential.token) == (added.id, SECRET)
    assert SECRET not in repr(added) + repr(credential)
    row = rows.read(table, added.id)
    assert b"canary" not in row["secret"] + row["fingerprint"]


def test_the_same_secret_twice_is_one_row(tokens, tenant, rows):
    first = tokens.add(tenant, SECRET, label="first")
    tokens.mark(first.id, TokenHealth.INVALID, generation=1)
    sealed = rows.read(table, first.id)["secret"]
    again = tokens.add(tenant, SECRET, label="second")
    assert (again.id, again.label, again.health) == (first.id, "first", TokenHealth.INVALID)
    assert rows.read(table, first.id)["secret"] == sealed


def test_the_same_secret_from_many_at_once_is_one_row(tokens, tenant, at_once):
    assert len({token.id for token in at_once(8, lambda _: tokens.add(tenant, SECRET, label="x"))}) == 1


def test_the_same_secret_of_two_tenants_and_of_the_pool_is_three_rows(tokens, tenant, other_tenant):
    ids = {tokens.add(owner, SECRET, label="x").id for owner in (tenant, other_tenant, None)}
    assert len(ids) == 3
    assert {tokens.credential(token_id).token for token_id in ids} == {SECRET}


@pytest.mark.parametrize(
    "wrong", ["", "nmv canary", "nmv_canary\n", "nmv_canary\0", "nmv_çanary", "x" * 4097, "\ud800"]
)
def test_what_cannot_be_a_token_is_refused_and_not_repeated(tokens, tenant, wrong):
    with pytest.raises(ValidationFailed) as caught:
        tokens.add(tenant, wrong, label="x")
    assert caught.value.pointer == "/token"
    assert "anary" not in str(caught.value)
    assert tokens.pick(tenant) is None


def test_no_tenant_gets_no_token(tokens):
    with pytest.raises(NotFound):
        tokens.add(new_id("tenant"), SECRET, label="x")


def test_an_unknown_token_is_not_found(tokens):
    for read in (tokens.find, tokens.credential):
        with pytest.raises(NotFound):
            read(new_id("upstream_token"))


def test_ciphertexts_swapped_between_rows_and_tenants_do_not_open(tokens, tenant, other_tenant, rows):
    owners = (tenant, tenant, other_tenant, None)
    ids = [tokens.add(owner, f"nmv_usr_{n}", label="x").id for n, owner in enumerate(owners)]
    sealed = {token_id: rows.read(table, token_id)["secret"] for token_id in ids}
    for into in ids:
        for origin in ids:
            if into == origin:
                continue
            rows.write(table, into, secret=sealed[origin])
            with pytest.raises(SealBroken):
                tokens.credential(into)
        rows.write(table, into, secret=sealed[into])
        assert tokens.credential(into).token


def test_a_row_handed_to_another_tenant_does_not_open(tokens, tenant, other_tenant, rows):
    token_id = tokens.add(tenant, SECRET, label="x").id
    for owner in (other_tenant, None):
        rows.write(table, token_id, tenant_id=owner)
        with pytest.raises(SealBroken):
            tokens.credential(token_id)


# --- chosen -----------------------------------------------------------------------------------------------------------


def test_nothing_to_pick(tokens, tenant, other_tenant):
    tokens.add(other_tenant, SECRET, label="theirs")
    assert tokens.pick(tenant) is None


def test_the_own_token_comes_before_the_pools_however_long_those_live(tokens, tenant, other_tenant, rows):
    pool = tokens.add(None, "nmv_usr_pool", label="pool")
    own = tokens.add(tenant, SECRET, label="own")
    rows.write(table, own.id, expires_at=text("now()"))
    assert tokens.pick(tenant).id == own.id
    assert tokens.pick(other_tenant).id == pool.id


@pytest.mark.parametrize("health", [TokenHealth.INVALID, TokenHealth.EXHAUSTED])
def test_a_token_that_waits_for_a_person_is_passed_over(tokens, tenant, health):
    own = tokens.add(tenant, SECRET, label="own")
    pool = tokens.add(None, "nmv_usr_pool", label="pool")
    assert tokens.mark(own.id, health, generation=1)
    assert tokens.pick(tenant).id == pool.id
    assert tokens.mark(pool.id, health, generation=1)
    assert tokens.pick(tenant) is None


def test_a_cooling_token_is_passed_over_until_it_has_cooled(tokens, tenant, rows):
    own = tokens.add(tenant, SECRET, label="own")
    pool = tokens.add(None, "nmv_usr_pool", label="pool")
    assert tokens.mark(own.id, TokenHealth.COOLING, generation=1, cooling_s=3600)
    assert tokens.pick(tenant).id == pool.id
    rows.write(table, own.id, cooling_until=text("now()"))
    assert tokens.pick(tenant).id == own.id


def test_the_longest_life_comes_first_and_an_unknown_end_is_the_longest(tokens, tenant):
    short = tokens.add_anonymous("a", fresh("nmv_usr_a", expires_at=LATER))
    long = tokens.add_anonymous("b", fresh("nmv_usr_b", expires_at=LATER + HOUR))
    assert tokens.pick(tenant).id == long.id
    endless = tokens.add(None, "nmv_usr_c", label="supplied")
    assert tokens.pick(tenant).id == endless.id
    tokens.mark(endless.id, TokenHealth.INVALID, generation=1)
    tokens.mark(long.id, TokenHealth.INVALID, generation=1)
    assert tokens.pick(tenant).id == short.id


def test_a_token_past_its_date_is_still_tried(tokens, tenant, rows):
    only = tokens.add_anonymous("a", fresh())
    rows.write(table, only.id, expires_at=text("now() - interval '1 day'"))
    assert tokens.pick(tenant).id == only.id


# --- marked -----------------------------------------------------------------------------------------------------------


def test_a_mark_for_an_older_generation_writes_nothing(tokens):
    token = tokens.add_anonymous("client", fresh("nmv_usr_1"))
    assert tokens.replace_secret(token.id, generation=1, fresh=fresh("nmv_usr_2"))
    assert not tokens.mark(token.id, TokenHealth.INVALID, generation=1)
    assert tokens.find(token.id).health is TokenHealth.OK
    assert tokens.mark(token.id, TokenHealth.INVALID, generation=2)
    assert tokens.find(token.id).health is TokenHealth.INVALID


def test_a_mark_on_nothing_writes_nothing(tokens):
    assert not tokens.mark(new_id("upstream_token"), TokenHealth.INVALID, generation=1)


def test_cooling_lasts_by_the_databases_clock_and_the_longer_stays(tokens, tenant, database):
    token = tokens.add(tenant, SECRET, label="x")
    assert tokens.mark(token.id, TokenHealth.COOLING, generation=1, cooling_s=3600)
    first = tokens.find(token.id).cooling_until
    assert tokens.mark(token.id, TokenHealth.COOLING, generation=1, cooling_s=1)
    assert tokens.find(token.id).cooling_until == first
    with database.statement() as connection:
        now = connection.execute(text("SELECT now()")).scalar_one()
    assert now < first <= now + HOUR


@pytest.mark.parametrize("worse", [TokenHealth.INVALID, TokenHealth.EXHAUSTED])
def test_cooling_never_cures(tokens, tenant, worse):
    token = tokens.add(tenant, SECRET, label="x")
    tokens.mark(token.id, worse, generation=1)
    assert not tokens.mark(token.id, TokenHealth.COOLING, generation=1, cooling_s=0)
    assert tokens.find(token.id).health is worse


def test_a_cured_token_forgets_its_cooling(tokens, tenant):
    token = tokens.add(tenant, SECRET, label="x")
    tokens.mark(token.id, TokenHealth.COOLING, generation=1, cooling_s=3600)
    assert tokens.mark(token.id, TokenHealth.OK, generation=1)
    assert tokens.find(token.id) == token


@pytest.mark.parametrize(("health", "cooling_s"), [(TokenHealth.COOLING, None), (TokenHealth.OK, 1.0)])
def test_cooling_and_its_seconds_go_together(tokens, tenant, health, cooling_s):
    token = tokens.add(tenant, SECRET, label="x")
    with pytest.raises(ValueError, match="cooling_s"):
        tokens.mark(token.id, health, generation=1, cooling_s=cooling_s)


# --- refreshed --------------------------------------------------------------------------------------------------------


def test_an_anonymous_token_belongs_to_the_pool_and_to_its_client_id(tokens):
    token = tokens.add_anonymous("client", fresh())
    assert (token.tenant_id, token.kind, token.client_id, token.user_id) == (None, "anonymous", "client", "anon_1")
    assert tokens.credential(token.id).token == "nmv_usr_fresh"


def test_a_client_id_has_one_row_and_a_newer_secret_takes_over(tokens):
    first = tokens.add_anonymous("client", fresh("nmv_usr_1"))
    tokens.mark(first.id, TokenHealth.INVALID, generation=1)
    renewed = tokens.add_anonymous("client", fresh("nmv_usr_2"))
    assert (renewed.id, renewed.generation, renewed.health) == (first.id, 2, TokenHealth.OK)
    assert tokens.find(first.id) == renewed
    assert tokens.credential(first.id).token == "nmv_usr_2"
    assert tokens.add_anonymous("other", fresh("nmv_usr_2")).id != first.id


def test_the_same_anonymous_token_again_cures_nothing(tokens):
    first = tokens.add_anonymous("client", fresh("nmv_usr_1"))
    tokens.mark(first.id, TokenHealth.EXHAUSTED, generation=1)
    again = tokens.add_anonymous("client", fresh("nmv_usr_1"))
    assert again == tokens.find(first.id)
    assert (again.generation, again.health) == (1, TokenHealth.EXHAUSTED)


def test_an_untold_end_is_seven_days_from_now(tokens, rows, database):
    token = tokens.add_anonymous("client", fresh(expires_at=None))
    with database.statement() as connection:
        now = connection.execute(text("SELECT now()")).scalar_one()
    week = timedelta(days=7)
    assert now + week - HOUR < rows.read(table, token.id)["expires_at"] <= now + week


def test_a_refresh_heals_and_counts_on(tokens):
    token = tokens.add_anonymous("client", fresh("nmv_usr_1"))
    tokens.mark(token.id, TokenHealth.INVALID, generation=1)
    assert tokens.replace_secret(token.id, generation=1, fresh=fresh("nmv_usr_2", user_id="anon_2"))
    refreshed = tokens.find(token.id)
    assert (refreshed.generation, refreshed.health) == (2, TokenHealth.OK)
    assert refreshed.user_id == "anon_1"
    assert tokens.credential(token.id).token == "nmv_usr_2"


def test_a_user_id_that_was_missing_is_learned(tokens):
    token = tokens.add_anonymous("client", fresh(user_id=None))
    tokens.replace_secret(token.id, generation=1, fresh=fresh(user_id="anon_9"))
    assert tokens.find(token.id).user_id == "anon_9"


def test_of_many_refreshes_of_one_generation_one_is_kept(tokens, at_once):
    token = tokens.add_anonymous("client", fresh("nmv_usr_0"))
    kept = at_once(8, lambda n: tokens.replace_secret(token.id, generation=1, fresh=fresh(f"nmv_usr_{n + 1}")))
    assert sorted(kept) == [False] * 7 + [True]
    assert tokens.find(token.id).generation == 2
    assert tokens.credential(token.id).token == f"nmv_usr_{kept.index(True) + 1}"


def test_a_supplied_token_is_never_replaced(tokens, tenant):
    token = tokens.add(tenant, SECRET, label="x")
    assert not tokens.replace_secret(token.id, generation=1, fresh=fresh())
    assert tokens.credential(token.id).token == SECRET
    assert tokens.find(token.id) == token


def test_a_refresh_of_nothing_writes_nothing(tokens):
    assert not tokens.replace_secret(new_id("upstream_token"), generation=1, fresh=fresh())


# --- one at a time ----------------------------------------------------------------------------------------------------


def test_two_processes_refresh_one_after_the_other(tokens, make_database, sealer, database, eventually):
    """The second waits in the database; it sees what the first has written."""
    token = tokens.add_anonymous("client", fresh("nmv_usr_1"))
    elsewhere = UpstreamTokens(make_database(), sealer)
    seen = []

    def second():
        with elsewhere.refreshing(token.id):
            seen.append(elsewhere.find(token.id).generation)

    thread = threading.Thread(target=second)
    with tokens.refreshing(token.id):
        thread.start()
        eventually(lambda: waiters(database) == 1)
        assert seen == []
        tokens.replace_secret(token.id, generation=1, fresh=fresh("nmv_usr_2"))
    thread.join(30)
    assert seen == [2]


def test_threads_of_one_process_take_turns_with_one_connection(tokens, database):
    """A crowd costs one connection, not one each."""
    inside, most_inside, most_sessions = [], [], []
    ready = threading.Barrier(12)

    def one():
        ready.wait()
        with tokens.refreshing("tok_crowded"):
            inside.append(1)
            most_inside.append(len(inside))
            most_sessions.append(waiters(database) + len(holders(database)))
            inside.pop()

    threads = [threading.Thread(target=one) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert most_inside == [1] * 12
    assert most_sessions == [1] * 12


def test_other_tokens_do_not_wait(tokens):
    with ExitStack() as stack:
        for n in range(3):
            stack.enter_context(tokens.refreshing(f"tok_{n}"))


def test_the_lock_is_let_go_when_the_call_fails(tokens, make_database, sealer, database, eventually):
    with pytest.raises(ZeroDivisionError), tokens.refreshing("tok_1"):
        raise ZeroDivisionError
    with tokens.refreshing("tok_1"), tokens.refreshing("tok_2"):
        pass
    with UpstreamTokens(make_database(), sealer).refreshing("tok_1"):
        eventually(lambda: len(holders(database)) == 1)
    eventually(lambda: holders(database) == [])
    assert database.engine.pool.checkedout() == 0


def test_no_transaction_is_open_while_the_lock_is_held(tokens, database):
    with tokens.refreshing("tok_1"), as_owner(database) as connection:
        [holder] = connection.execute(HOLDER).scalars()
        state = text("SELECT state, xact_start FROM pg_stat_activity WHERE pid = :pid")
        assert tuple(connection.execute(state, {"pid": holder}).one()) == ("idle", None)


def test_a_connection_lost_during_the_call_hurts_nobody_inside(tokens, database, eventually):
    with tokens.refreshing("tok_1"):
        [holder] = holders(database)
        with as_owner(database) as connection:
            connection.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": holder})
        eventually(lambda: holders(database) == [])
    with tokens.refreshing("tok_1"):
        assert len(holders(database)) == 1


def test_who_waits_too_long_gives_up(make_database, sealer):
    here, elsewhere = (UpstreamTokens(make_database(), sealer, refresh_wait_s=0.05) for _ in range(2))
    with here.refreshing("tok_1"):
        for other in (here, elsewhere):
            with pytest.raises(DependencyUnavailable), other.refreshing("tok_1"):
                pytest.fail("two are inside")
    with elsewhere.refreshing("tok_1"):
        pass
