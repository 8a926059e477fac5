"""A blocked token: nothing new begins on it, and what was begun is seen through. Who blocks, and who takes it back."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import func, insert, select, update

from fakes.engine import snapshot
from fakes.in_name import InTheirName
from fakes.job_rows import emptied
from fakes.token_rows import in_use, token
from reelqueue.domain.claims import ClaimLost
from reelqueue.domain.jobs import Queue, Status, WaitingReason
from reelqueue.domain.tokens import (
    MOST_REFUSALS,
    PASSED_OVER_S,
    Block,
    BlockedBy,
    TokenHealth,
    TokenScope,
    TokenWish,
)
from reelqueue.domain.turns import TurnState
from reelqueue.domain.upstream import Balance
from reelqueue.errors import NotFound, StateConflict, TokenBlocked
from reelqueue.kit.ids import new_id
from reelqueue.store.facts_of_waiting import WaitingFacts
from reelqueue.store.jobs import Jobs
from reelqueue.store.sweep import Sweep
from reelqueue.store.tables import jobs, projects, tenants, upstream_tokens
from reelqueue.store.token_balances import TokenBalances
from reelqueue.store.token_refusals import TokenRefusals
from reelqueue.store.turns import Turns

RICH = Balance(available=500, frozen=0, total=500)
BLOCKED = {"blocked_at": func.now(), "blocked_by": "operator"}
ON = TokenWish(block=Block(on=True, by=BlockedBy.OPERATOR, why="looks stolen"))
OFF = TokenWish(block=Block(on=False, by=BlockedBy.OPERATOR))
READ, UPLOAD, RENDER = TokenScope.READ, TokenScope.UPLOAD, TokenScope.RENDER


@pytest.fixture
def database(module_database):
    return emptied(module_database)


@pytest.fixture
def one(board):
    return board.tenant(new_id("tenant"), max_running=1000)


def shown(database, tenant, job_id):
    """What the job says that it waits for: by `GET`, and by `why`."""
    said = Jobs(database).find(tenant, job_id).waiting.reason
    facts = InTheirName(WaitingFacts(database)).of(tenant, job_id)
    assert facts.token is not None
    assert facts.token.blocked is (said is WaitingReason.TOKEN_BLOCKED)
    return said


def bound(board, tenant, token_id):
    """A project whose session is the token's."""
    project_id = new_id("project")
    row = {"id": project_id, "tenant_id": tenant, "state": "ready", "session_id": project_id, "token_id": token_id}
    with board.database.statement() as connection:
        connection.execute(insert(projects).values(**row))
    return project_id


def admitted(board, dispatch, tenant):
    """The tenant's turn: the jobs that begin."""
    with board.database.statement() as connection:
        connection.execute(update(tenants).where(tenants.c.id == tenant).values(has_waiting=True))
    return [bell.id for bell in dispatch.admit(10)]


# --- new work ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("own", [True, False])
def test_new_jobs_wait_for_the_only_token_while_it_is_blocked(board, database, dispatch, records, one, own):
    owner = one if own else None
    only = token(board, owner, **BLOCKED)
    job_id = board.job(one)
    assert admitted(board, dispatch, one) == []
    assert shown(database, one, job_id) is WaitingReason.TOKEN_BLOCKED
    records.change(owner, only, OFF)
    Sweep(database).ask_for_room()
    assert shown(database, one, job_id) is WaitingReason.TURN
    assert [bell.id for bell in dispatch.admit(10)] == [job_id]
    assert in_use(board) == {only: 1}


def test_new_jobs_go_to_another_token_and_those_of_its_projects_wait(board, database, dispatch, one):
    blocked, well = token(board, one, **BLOCKED), token(board, one)
    free = board.job(one)
    project_id = bound(board, one, blocked)
    stays = board.job(one, project_id=project_id)
    exports = board.job(one, project_id=project_id, version=1, instructions=[], outputs=[{"quality": "low"}])
    assert admitted(board, dispatch, one) == [free]
    assert in_use(board) == {well: 1}
    for job_id in (stays, exports):
        assert shown(database, one, job_id) is WaitingReason.TOKEN_BLOCKED


def test_a_removed_token_is_waited_for_by_nobody(board, dispatch, one):
    token(board, one, **BLOCKED, removed_at=func.now())
    job_id = board.job(one)
    assert admitted(board, dispatch, one) == [job_id]


def test_an_export_that_was_paid_for_is_granted_its_room(board, dispatch, one):
    blocked = token(board, one, **BLOCKED)
    job_id = board.job(one, Status.RENDERING, token_id=blocked, wants="render", queue="step", due_at=func.now())
    assert [bell.id for bell in dispatch.mark_due(Queue.STEP, 10)] == [job_id]


def test_a_blocked_token_is_picked_by_nobody_and_is_no_reason_to_fetch_another(tokens, records, one):
    known, _ = records.keep(one, "nmv_usr_1", TokenWish(), RICH)
    assert not tokens.any_set_aside(one)
    records.change(one, known.token.id, ON)
    assert tokens.pick(one) is None
    assert tokens.any_set_aside(one)
    assert tokens.own(one).id == known.token.id


def test_a_blocked_token_that_ran_dry_is_not_the_one_to_top_up_and_is_not_looked_at(
    tokens, records, database, rows, one
):
    known, _ = records.keep(one, "nmv_usr_1", TokenWish(), RICH)
    tokens.mark(known.token.id, TokenHealth.EXHAUSTED, generation=1)
    rows.write(upstream_tokens, known.token.id, looked_at=func.now() - timedelta(hours=1))
    assert tokens.spent(one).id == known.token.id
    records.change(one, known.token.id, ON)
    assert tokens.spent(one) is None
    assert TokenBalances(database).due(spent_s=60, others_s=600, most=5) == []


# --- turns ------------------------------------------------------------------------------------------------------------


def test_no_intent_is_committed_once_the_token_is_blocked(board, database, records, one):
    turns, its = Turns(database), token(board, one)
    claim = board.held(one, board.worker(), Status.INSTRUCTING, token_id=its)
    turns.prepare(claim, 0, snapshot())
    records.change(one, its, ON)
    with pytest.raises(TokenBlocked):
        turns.begin_sending(claim, 0)
    assert turns.find(claim.job.id, 0).state is TurnState.READY
    records.change(one, its, OFF)
    turns.begin_sending(claim, 0)
    assert turns.find(claim.job.id, 0).state is TurnState.SENDING
    records.change(one, its, ON)
    assert turns.finish(claim, 0, None).state is TurnState.FINISHED
    board.steal(claim)
    records.change(one, its, OFF)
    with pytest.raises(ClaimLost):
        turns.begin_sending(claim, 0)


def test_whoever_waits_for_a_blocked_token_goes_on_when_it_is_unblocked(board, database, records, one):
    its, other = token(board, one), token(board, one)
    later = func.now() + timedelta(minutes=5)
    made = {
        (reason, owner): board.job(
            one,
            Status.INSTRUCTING,
            token_id=owner,
            slot="turn",
            slot_since=func.now(),
            due_at=later,
            waiting={"reason": reason, "since": "2026-01-01T00:00:00Z", "until": None, "detail": None},
        )
        for reason, owner in (("token_blocked", its), ("token_blocked", other), ("retry", its))
    }
    records.change(one, its, OFF)
    due = select(jobs.c.id).where(jobs.c.due_at <= func.now())
    with database.statement() as connection:
        assert list(connection.execute(due).scalars()) == [made["token_blocked", its]]


# --- who --------------------------------------------------------------------------------------------------------------


def test_a_block_is_shown_and_taken_back_and_the_health_beside_it_is_what_it_was(tokens, records, one):
    known, _ = records.keep(one, "nmv_usr_1", TokenWish(), RICH)
    tokens.mark(known.token.id, TokenHealth.EXHAUSTED, generation=1)
    blocked = records.change(one, known.token.id, ON).token
    assert (blocked.blocked_by, blocked.blocked_why) == (BlockedBy.OPERATOR, "looks stolen")
    assert blocked.health_at(blocked.created_at) is TokenHealth.BLOCKED
    again = TokenWish(block=Block(on=True, by=BlockedBy.OPERATOR, why="it is"))
    assert records.change(one, blocked.id, again).token.blocked_at == blocked.blocked_at
    tokens.mark(blocked.id, TokenHealth.OK, generation=1)
    assert tokens.find(blocked.id).blocked_why == "it is"
    free = records.change(one, blocked.id, OFF).token
    assert (free.blocked_at, free.blocked_by, free.blocked_why) == (None, None, None)
    assert free.health is TokenHealth.OK


@pytest.mark.parametrize("on", [True, False])
def test_a_tenant_takes_back_its_own_block_and_not_the_operators(records, one, on):
    known, _ = records.keep(one, "nmv_usr_1", TokenWish(), RICH)
    mine, off = (TokenWish(block=Block(on=wanted, by=BlockedBy.TENANT)) for wanted in (True, False))
    assert records.change(one, known.token.id, mine).token.blocked_by is BlockedBy.TENANT
    assert records.change(one, known.token.id, off).token.blocked_at is None
    records.change(one, known.token.id, ON)
    with pytest.raises(StateConflict):
        records.change(one, known.token.id, mine if on else off)
    with pytest.raises(StateConflict):
        records.rotate(one, known.token.id, "nmv_usr_2", mine if on else off, RICH)
    assert records.find(one, known.token.id).token.blocked_by is BlockedBy.OPERATOR


def test_nobody_blocks_anothers_token(records, one, board):
    known, _ = records.keep(board.tenant("other"), "nmv_usr_1", TokenWish(), RICH)
    with pytest.raises(NotFound):
        records.change(one, known.token.id, ON)


def test_a_fresh_secret_ends_a_block_that_came_of_refusals_and_no_other(tokens, records, database, one):
    known, _ = records.keep(one, "nmv_usr_1", TokenWish(), RICH)
    for _ in range(MOST_REFUSALS):
        tokens.forbidden(known.token.id, RENDER, generation=1)
    assert tokens.find(known.token.id).blocked_by is BlockedBy.REFUSALS
    fresh = records.rotate(one, known.token.id, "nmv_usr_2", TokenWish(), RICH).token
    assert (fresh.blocked_at, fresh.refused) == (None, ())
    records.change(one, fresh.id, ON)
    assert records.rotate(one, fresh.id, "nmv_usr_3", TokenWish(), RICH).token.blocked_by is BlockedBy.OPERATOR


# --- refusals ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def refusals(database):
    return TokenRefusals(database)


def test_refusals_of_one_scope_in_a_row_block_a_token_and_say_why(tokens, records, refusals, one):
    its = records.keep(one, "nmv_usr_1", TokenWish(), RICH)[0].token.id
    told = []
    for _ in range(MOST_REFUSALS - 1):
        told += [refusals.refused(its, scope, generation=1) for scope in (RENDER, READ)]
        refusals.allowed(its, READ, generation=1)
    assert not any(told)
    assert refusals.refused(its, RENDER, generation=1)
    found = tokens.find(its)
    assert found.blocked_by is BlockedBy.REFUSALS
    assert "render" in found.blocked_why
    assert not refusals.refused(its, RENDER, generation=1)
    assert records.change(one, its, OFF).token.refused == ()


def test_of_many_refusals_at_once_one_blocks(records, refusals, one, at_once):
    its = records.keep(one, "nmv_usr_1", TokenWish(), RICH)[0].token.id
    assert sorted(at_once(8, lambda _: refusals.refused(its, RENDER, generation=1))) == [False] * 7 + [True]


def test_a_refusal_of_an_earlier_secret_counts_for_nothing(tokens, records, refusals, one):
    its = records.keep(one, "nmv_usr_1", TokenWish(), RICH)[0].token.id
    records.rotate(one, its, "nmv_usr_2", TokenWish(), RICH)
    refusals.refused(its, RENDER, generation=1)
    assert tokens.find(its).refused == ()
    refusals.refused(its, RENDER, generation=2)
    assert not refusals.allowed(its, RENDER, generation=1)
    assert tokens.find(its).refused == ("render",)


# --- scopes -----------------------------------------------------------------------------------------------------------

LACKING = [
    {"scopes": ["read", "write", "upload"]},
    {"scopes": ["read", "write", "render"]},
    {"refused": ["render"], "refused_at": func.now()},
]
HAVING = [
    {},
    {"scopes": ["*"]},
    {"scopes": ["write", "upload", "render"]},
    {"refused": ["render"], "refused_at": func.now() - timedelta(seconds=PASSED_OVER_S + 1)},
]


@pytest.mark.parametrize("lacking", LACKING)
def test_a_token_that_lacks_a_scope_is_given_nothing_while_another_has_it(board, tokens, dispatch, one, lacking):
    token(board, one, max_turns=9, **lacking)
    well = token(board, None, max_turns=1)
    board.many(one, 3)
    while dispatch.admit(10):
        pass
    assert in_use(board) == {well: 1}
    assert tokens.pick(one).id == well


@pytest.mark.parametrize("lacking", LACKING)
def test_where_there_is_no_other_it_is_tried(board, tokens, dispatch, one, lacking):
    its = token(board, one, **lacking)
    token(board, one, health="invalid")
    token(board, board.tenant("other"))
    board.many(one, 1)
    dispatch.admit(10)
    assert in_use(board) == {its: 1}
    assert tokens.pick(one).id == its


@pytest.mark.parametrize("having", HAVING)
def test_a_token_that_is_not_known_to_lack_anything_serves_like_any_other(board, tokens, one, having):
    its = token(board, one, max_turns=9, **having)
    token(board, one, max_turns=1)
    assert tokens.pick(one).id == its


def test_scopes_are_kept_changed_and_forgotten(records, refusals, board, one):
    wish = TokenWish(scopes=(READ, UPLOAD))
    known, _ = records.keep(one, "nmv_usr_1", wish, RICH)
    assert known.token.scopes == ("read", "upload")
    refusals.refused(known.token.id, RENDER, generation=1)
    assert records.change(one, known.token.id, TokenWish(label="x")).token.refused == ("render",)
    changed = records.change(one, known.token.id, TokenWish(scopes=())).token
    assert (changed.scopes, changed.refused) == ((), ())
