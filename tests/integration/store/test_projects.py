from __future__ import annotations

import pytest
from sqlalchemy import func, insert, select, update

from reelqueue.domain.claims import ClaimLost
from reelqueue.domain.jobs import Status
from reelqueue.domain.sessions import ProjectState
from reelqueue.domain.upstream import NemoSession
from reelqueue.kit.ids import new_id
from reelqueue.store.projects import Projects
from reelqueue.store.tables import former_sessions, upstream_tokens
from reelqueue.store.tables import projects as table

WORKER = "wrk_one"


@pytest.fixture
def database(module_database):
    return module_database


@pytest.fixture
def tenant(board):
    return board.tenant(new_id("tenant"))


@pytest.fixture
def projects(database):
    return Projects(database)


@pytest.fixture
def token(database):
    token_id = new_id("upstream_token")
    with database.statement() as connection:
        row = {"id": token_id, "label": "x", "kind": "supplied", "secret": b"x", "fingerprint": token_id.encode()}
        connection.execute(insert(upstream_tokens).values(row))
    return token_id


def session():
    return NemoSession(session_id=new_id("request"), task_id="task_1", user_id="me")


def test_a_session_is_on_record_and_bound_before_it_exists(projects, board, tenant, token):
    claim = board.held(tenant, WORKER, Status.QUEUED)
    begun = projects.begin(claim, token)
    assert (begun.state, begun.session_id, begun.token_id) == (ProjectState.CREATING, None, token)
    assert board.read(claim.job.id)["project_id"] == begun.id
    made = session()
    ready = projects.ready(begun, made)
    assert (ready.state, ready.session_id, ready.task_id, ready.user_id) == (
        ProjectState.READY,
        made.session_id,
        "task_1",
        "me",
    )
    assert projects.find(tenant, begun.id) == ready


def test_a_lost_claim_leaves_no_row(projects, board, tenant, token):
    claim = board.held(tenant, WORKER, Status.QUEUED)
    board.steal(claim)
    with pytest.raises(ClaimLost):
        projects.begin(claim, token)
    assert board.count(table, table.c.tenant_id == tenant) == 0
    assert board.read(claim.job.id)["project_id"] is None


def test_a_session_lost_is_marked_and_one_that_never_was_is_not(projects, board, tenant, token):
    claim = board.held(tenant, WORKER, Status.QUEUED)
    never = projects.begin(claim, token)
    projects.lost(never.id)
    assert projects.find(tenant, never.id).state is ProjectState.CREATING
    made = projects.ready(projects.begin(claim, token), session())
    projects.lost(made.id)
    assert projects.find(tenant, made.id).state is ProjectState.LOST


def test_in_a_new_session_nothing_was_sent_yet(projects, board, tenant, token, database):
    claim = board.held(tenant, WORKER, Status.UPLOADING)
    board.input(claim.job.id, tenant, 0, state="sent")
    board.input(claim.job.id, tenant, 1, state="sending")
    other = board.held(tenant, WORKER, Status.UPLOADING)
    board.input(other.job.id, tenant, 0, state="sent")
    projects.begin(claim, token)
    from reelqueue.store.tables import job_inputs

    with database.statement() as connection:
        found = connection.execute(select(job_inputs.c.job_id, job_inputs.c.state)).all()
    assert sorted(state for job_id, state in found if job_id == claim.job.id) == ["pending", "pending"]
    assert [state for job_id, state in found if job_id == other.job.id] == ["sent"]


def test_sessions_that_may_exist_without_our_knowing_are_counted(projects, board, tenant, token, database):
    claim = board.held(tenant, WORKER, Status.QUEUED)
    before = projects.unfinished()
    old = projects.begin(claim, token)
    assert projects.unfinished() == before
    with database.statement() as connection:
        aged = update(table).where(table.c.id == old.id)
        connection.execute(aged.values(created_at=func.now() - func.make_interval(0, 0, 0, 0, 2)))
    assert projects.unfinished() == before + 1
    projects.ready(old, session())
    assert projects.unfinished() == before


def test_a_session_made_too_late_is_on_record_and_not_the_projects(projects, board, tenant, token, database):
    """Two workers open the same project one after the other; the first one's answer comes last."""
    first = projects.begin(board.held(tenant, WORKER, Status.QUEUED), token)
    claim = board.held(tenant, WORKER, Status.QUEUED, project_id=first.id)
    second = projects.begin(claim, token)
    assert (second.id, second.opening) == (first.id, 2)
    late, made = session(), session()
    with pytest.raises(ClaimLost):
        projects.ready(first, late)
    assert projects.ready(second, made).session_id == made.session_id
    with database.statement() as connection:
        former = connection.execute(select(former_sessions).where(former_sessions.c.project_id == first.id)).one()
    assert (former.opening, former.session_id, former.task_id) == (1, late.session_id, late.task_id)


def test_a_lost_claim_opens_no_session_again(projects, board, tenant, token, database):
    first = projects.begin(board.held(tenant, WORKER, Status.QUEUED), token)
    claim = board.held(tenant, WORKER, Status.QUEUED, project_id=first.id)
    board.steal(claim)
    with pytest.raises(ClaimLost):
        projects.begin(claim, token)
    with database.statement() as connection:
        assert connection.execute(select(table.c.openings).where(table.c.id == first.id)).scalar_one() == 1
