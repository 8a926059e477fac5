from __future__ import annotations

import pytest

from reelqueue.domain.claims import ClaimLost
from reelqueue.domain.jobs import Status
from reelqueue.domain.sessions import RenderState
from reelqueue.kit.ids import new_id
from reelqueue.store.renders import Renders
from reelqueue.store.tables import renders as table

WORKER = "wrk_one"


@pytest.fixture
def database(module_database):
    return module_database


@pytest.fixture
def tenant(board):
    return board.tenant(new_id("tenant"))


@pytest.fixture
def renders(database):
    return Renders(database)


@pytest.fixture
def claim(board, tenant):
    return board.held(tenant, WORKER, Status.RENDERING)


def render_id():
    return f"render_{new_id('request')}"


def test_an_id_is_stored_and_goes_its_way(renders, claim):
    assert renders.newest(claim.job.id) == {}
    name = render_id()
    made = renders.prepare(claim, name, output_index=0, attempt=1)
    assert (made.id, made.attempt, made.state, made.polls, made.submitted_at) == (
        name,
        1,
        RenderState.PREPARED,
        0,
        None,
    )
    renders.submitted(claim, made)
    renders.polled(claim, made)
    renders.polled(claim, made)
    now = renders.newest(claim.job.id)[0]
    assert (now.state, now.polls) == (RenderState.SUBMITTED, 2)
    assert now.submitted_at is not None
    renders.completed(claim, made, "https://cdn.invalid/x.mp4")
    done = renders.newest(claim.job.id)[0]
    assert (done.state, done.url) == (RenderState.COMPLETED, "https://cdn.invalid/x.mp4")
    assert "cdn.invalid" not in repr(done)


def test_the_newest_is_the_last_attempt(renders, claim):
    first = renders.prepare(claim, render_id(), output_index=0, attempt=1)
    renders.failed(claim, first)
    second = renders.prepare(claim, render_id(), output_index=0, attempt=2)
    assert renders.newest(claim.job.id)[0].id == second.id


def test_an_attempt_has_one_id_whoever_asks(renders, claim, board, at_once):
    outcomes = at_once(8, lambda _: renders.prepare(claim, render_id(), output_index=0, attempt=1))
    assert sum(isinstance(outcome, ClaimLost) for outcome in outcomes) == 7
    assert board.count(table, table.c.job_id == claim.job.id) == 1


def test_an_id_is_used_once_ever(renders, claim, board, tenant):
    name = render_id()
    renders.prepare(claim, name, output_index=0, attempt=1)
    other = board.held(tenant, WORKER, Status.RENDERING)
    with pytest.raises(ClaimLost):
        renders.prepare(other, name, output_index=0, attempt=1)


def test_another_tenants_render_is_not_touched(renders, claim, board):
    theirs = board.held(board.tenant(new_id("tenant")), WORKER, Status.RENDERING)
    made = renders.prepare(theirs, render_id(), output_index=0, attempt=1)
    with pytest.raises(ClaimLost):
        renders.failed(claim, made)
    assert renders.newest(theirs.job.id)[0].state is RenderState.PREPARED


def test_each_output_has_its_own_attempts(renders, claim):
    made = [renders.prepare(claim, render_id(), output_index=index, attempt=1) for index in range(3)]
    renders.failed(claim, made[1])
    again = renders.prepare(claim, render_id(), output_index=1, attempt=2)
    newest = renders.newest(claim.job.id)
    assert {index: render.id for index, render in newest.items()} == {0: made[0].id, 1: again.id, 2: made[2].id}
    assert [newest[index].output_index for index in range(3)] == [0, 1, 2]
