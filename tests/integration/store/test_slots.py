"""Room on tokens: reserved before a bell is rung, never twice, and given up by the write that ends its use."""

from __future__ import annotations

import random
import threading
from datetime import timedelta

import pytest
from sqlalchemy import func, text, update

from fakes.job_rows import emptied
from fakes.token_rows import in_use, token
from reelqueue.domain.claims import Change
from reelqueue.domain.jobs import EventType, JobError, Question, Queue, Status
from reelqueue.kit.ids import new_id
from reelqueue.store.claims import Claims
from reelqueue.store.dispatch import Dispatch
from reelqueue.store.jobs import Jobs
from reelqueue.store.sweep import Sweep
from reelqueue.store.tables import projects, tenants, upstream_tokens
from reelqueue.store.tokens import UpstreamTokens

ERROR = JobError(code="c", message="m", blame="upstream", retryable=False, spent=None, fix="f")
AGO = func.now() - timedelta(seconds=1)


@pytest.fixture
def database(module_database):
    return emptied(module_database)


@pytest.fixture
def one(board):
    return board.tenant("one", max_running=1000)


def slot(board, job_id):
    row = board.read(job_id)
    return row["slot"], row["wants"], row["token_id"]


def ids(bells):
    return {bell.id for bell in bells}


def working(board, tenant, token_id, status=Status.INSTRUCTING, kind="turn", **changes):
    """A job at work that holds a slot, as a claim."""
    held = {"token_id": token_id, "slot": kind, "slot_since": func.now() - timedelta(seconds=40), **changes}
    return board.held(tenant, board.worker(), status, **held)


def moved(database, claim, to, **changes):
    """The verdict that takes the job there."""
    hold = "end" if to.is_final else "release"
    event = EventType(f"job.{to}")
    error = ERROR if to is Status.FAILED else None
    change = Change(origin=claim.job.status, to=to, hold=hold, event=event, error=error, **changes)
    return Claims(database).apply(claim, change)


# --- where new jobs go ------------------------------------------------------------------------------------------------


def test_a_job_is_admitted_onto_a_token_and_holds_a_turn_of_it(board, dispatch, one):
    mine = token(board)
    job_id = board.job(one)
    board.many(one, 0)
    assert ids(dispatch.admit(5)) == {job_id}
    assert slot(board, job_id) == ("turn", None, mine)
    assert board.read(job_id)["charged"] == 60


def test_no_more_are_admitted_than_there_is_room(board, dispatch, one):
    token(board, max_turns=3)
    board.many(one, 10)
    assert sum(len(dispatch.admit(10)) for _ in range(5)) == 3


def test_room_is_spread_over_tokens_by_what_is_left(board, dispatch, one):
    large, small = token(board, max_turns=6), token(board, max_turns=2)
    board.many(one, 20)
    assert len(dispatch.admit(4, each=4)) == 4
    assert in_use(board) == {large: 4}
    while dispatch.admit(10):
        pass
    assert in_use(board) == {large: 6, small: 2}


def test_a_tenants_own_tokens_come_first_and_nobody_elses_are_touched(board, dispatch, one):
    other = board.tenant("other", max_running=100)
    own, shared = token(board, one, max_turns=2), token(board, max_turns=5)
    for tenant in (one, other):
        board.many(tenant, 10)
    while dispatch.admit(10):
        pass
    assert in_use(board) == {own: 2, shared: 5}


@pytest.mark.parametrize(
    "ill",
    [
        {"health": "invalid"},
        {"health": "exhausted"},
        {"blocked_at": func.now(), "blocked_by": "operator"},
        {"health": "cooling", "cooling_until": func.now() + timedelta(seconds=60)},
        {"removed_at": func.now()},
    ],
)
def test_an_ill_token_gets_no_new_work(board, dispatch, one, ill):
    token(board, **ill)
    well = token(board, max_turns=1)
    board.many(one, 5)
    while dispatch.admit(10):
        pass
    assert in_use(board) == {well: 1}


def test_a_token_that_is_about_to_expire_is_the_last_resort(board, dispatch, one):
    ending = token(board, max_turns=9, expires_at=func.now() + timedelta(hours=1))
    fresh = token(board, max_turns=1, expires_at=func.now() + timedelta(days=5))
    board.many(one, 2)
    dispatch.admit(1)
    assert in_use(board) == {fresh: 1}
    dispatch.admit(1)
    assert in_use(board) == {fresh: 1, ending: 1}


@pytest.mark.parametrize(("margin_s", "first"), [(1800, "ending"), (5400, "fresh")])
def test_when_a_token_is_drained_is_a_setting(board, database, sealer, one, margin_s, first):
    hour = timedelta(hours=1)
    names = {
        token(board, max_turns=9, expires_at=func.now() + hour): "ending",
        token(board, max_turns=1, expires_at=func.now() + 100 * hour): "fresh",
    }
    board.many(one, 1)
    assert names[UpstreamTokens(database, sealer, drain_s=margin_s).pick(one).id] == first
    Dispatch(database, drain_s=margin_s).admit(1)
    assert [names[its] for its in in_use(board)] == [first]


def test_while_every_token_cools_nothing_is_admitted_and_afterwards_it_is(board, dispatch, one, database):
    cooling = token(board, health="cooling", cooling_until=func.now() + timedelta(seconds=60))
    board.many(one, 1)
    assert dispatch.admit(10) == []
    with database.statement() as connection:
        connection.execute(update(upstream_tokens).values(cooling_until=AGO))
    assert Sweep(database).ask_for_room() == 1
    assert len(dispatch.admit(10)) == 1
    assert in_use(board) == {cooling: 1}


def test_without_any_token_a_job_is_admitted_to_say_so(board, dispatch, one):
    job_id = board.job(one)
    board.many(one, 0)
    assert ids(dispatch.admit(5)) == {job_id}
    assert slot(board, job_id) == (None, None, None)


def project_on(database, tenant, token_id):
    project = new_id("project")
    ready = {"state": "ready", "session_id": project, "token_id": token_id}
    with database.statement() as connection:
        connection.execute(projects.insert().values(id=project, tenant_id=tenant, **ready))
    return project


def test_a_project_stays_with_its_token_and_waits_for_it(board, dispatch, one, database):
    home, other = token(board, max_turns=1), token(board, max_turns=50)
    first = working(board, one, home)
    bound = board.job(one, project_id=project_on(database, one, home))
    free = board.job(one)
    board.many(one, 0)
    assert ids(dispatch.admit(10)) == {free}
    assert slot(board, free)[2] == other
    moved(database, first, Status.FAILED)
    dispatch.settle()
    assert ids(dispatch.admit(10)) == {bound}
    assert slot(board, bound)[2] == home


def test_an_export_takes_a_render_and_no_turn(board, dispatch, one, database):
    home = token(board, max_turns=0, max_renders=1)
    project = project_on(database, one, home)
    exports = [board.job(one, project_id=project, version=1, instructions=[], outputs=[{"format": "mp4"}])]
    exports += [board.job(one, project_id=project, version=1, instructions=[], outputs=[{"format": "mp4"}])]
    board.many(one, 0)
    assert ids(dispatch.admit(10)) == {exports[0]}
    assert slot(board, exports[0]) == ("render", None, home)


# --- on the way -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("to", [Status.REQUIRES_INPUT, Status.RENDERING, Status.FAILED, Status.CANCELED])
def test_a_turn_is_given_up_by_the_write_that_ends_its_use(board, database, dispatch, one, to):
    home = token(board, max_turns=1)
    claim = working(board, one, home, charged=60.0)
    changes = {}
    if to is Status.REQUIRES_INPUT:
        changes = {"question": Question(instruction=0, text="?", asked_at=claim.job.created_at, until=None)}
    moved(database, claim, to, **changes)
    assert slot(board, claim.job.id)[:2] == (None, "render" if to is Status.RENDERING else None)
    assert 40 <= board.read(claim.job.id)["held"] < 60
    assert dispatch.settle() == 1
    assert dispatch.settle() == 0


def test_what_a_turn_took_is_settled_with_its_tenant_once(board, database, dispatch):
    tenant = board.tenant("two", weight=2, virtual_time=100.0)
    claim = working(board, tenant, token(board), charged=10.0)
    moved(database, claim, Status.FAILED)
    assert [dispatch.settle() for _ in range(2)] == [1, 0]
    with database.statement() as connection:
        row = connection.execute(tenants.select().where(tenants.c.id == tenant)).one()
    assert 114 < row.virtual_time < 124  # 40 and a little, less 10, over 2
    assert 50 < row.expected_s < 60


def test_who_waits_for_a_render_is_rung_when_there_is_room_and_blocks_nobody(board, database, dispatch, one):
    home = token(board, max_renders=1)
    busy = working(board, one, home, Status.RENDERING, "render")
    waits = working(board, one, home)
    moved(database, waits, Status.RENDERING)
    passing = board.job(one, Status.RENDERING, due_at=AGO)
    assert ids(dispatch.mark_due(Queue.STEP, 10)) == {passing}
    moved(database, busy, Status.SAVING)
    assert waits.job.id in ids(dispatch.mark_due(Queue.STEP, 10))
    assert slot(board, waits.job.id) == ("render", None, home)


def test_a_cancel_waits_for_no_room(board, database, dispatch, one):
    home = token(board, max_renders=0)
    waits = working(board, one, home)
    moved(database, waits, Status.RENDERING)
    assert dispatch.mark_due(Queue.STEP, 10) == []
    Jobs(database).request_cancel(one, waits.job.id)
    assert ids(dispatch.mark_due(Queue.STEP, 10)) == {waits.job.id}


def test_nothing_goes_on_to_a_token_that_cools(board, database, dispatch, one):
    home = token(board)
    waits = working(board, one, home)
    moved(database, waits, Status.RENDERING)
    with database.statement() as connection:
        connection.execute(
            update(upstream_tokens).values(health="cooling", cooling_until=func.now() + timedelta(hours=1))
        )
    assert dispatch.mark_due(Queue.STEP, 10) == []


def test_a_dead_workers_job_keeps_its_slot(board, database, one):
    claim = working(board, one, token(board))
    with database.statement() as connection:
        connection.execute(text("UPDATE workers SET expires_at = now() - interval '1 s'"))
    assert Sweep(database).take_over() == 1
    assert slot(board, claim.job.id)[0] == "turn"


# What a worker writes of some of them: an instruction is done, an export is done.
_INSTRUCTED = text(
    "UPDATE jobs SET slot = NULL, slot_since = NULL, held = 30, wants = 'render', dispatch = 'idle', due_at = now(),"
    " bell_at = NULL WHERE id IN (SELECT id FROM jobs WHERE slot = 'turn'"
    " ORDER BY random() LIMIT 2 FOR UPDATE SKIP LOCKED)"
)
_EXPORTED = text(
    "UPDATE jobs SET slot = NULL, slot_since = NULL, dispatch = 'done', status = 'canceled', finished_at = now(),"
    " due_at = NULL WHERE id IN (SELECT id FROM jobs WHERE slot = 'render' ORDER BY random() LIMIT 1"
    " FOR UPDATE SKIP LOCKED)"
)


# --- many at once -----------------------------------------------------------------------------------------------------


def test_many_dispatchers_never_reserve_what_is_not_there(board, database, more_databases, at_once):
    """Admitting, going on and ending at the same time; looked at after each step."""
    limits = {
        token(board, max_turns=turns, max_renders=renders): (turns, renders) for turns, renders in ((3, 2), (5, 1))
    }
    for number in range(12):
        board.many(board.tenant(f"t{number}", max_running=50), 30)
    dispatchers = [Dispatch(more_databases(database)) for _ in range(4)]
    over, rung, lock = [], [], threading.Lock()

    def work(number):
        rng = random.Random(number)
        mine = dispatchers[number]
        for _ in range(25):
            bells = mine.admit(rng.choice((2, 5, 20))) if rng.random() < 0.6 else mine.mark_due(Queue.STEP, 10)
            with lock:
                rung.extend(bells)
            with mine._database.statement() as connection:
                connection.execute(_INSTRUCTED)
                connection.execute(_EXPORTED)
            mine.settle()
            for kind, place in (("turn", 0), ("render", 1)):
                over.extend((key, n) for key, n in in_use(board, kind).items() if n > limits[key][place])

    assert [outcome for outcome in at_once(4, work) if outcome is not None] == []
    assert over == []
    assert len(rung) > 50
