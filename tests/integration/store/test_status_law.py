"""The law of `domain/jobs.py`, held by the database itself: no code path can write what it does not have."""

from __future__ import annotations

import pytest
from sqlalchemy import delete, update
from sqlalchemy.exc import DBAPIError, IntegrityError

from fakes.job_rows import standing
from reelqueue.domain.jobs import TRANSITIONS, Status
from reelqueue.kit.ids import new_id
from reelqueue.store.tables import job_events, jobs


@pytest.fixture
def database(module_database):
    return module_database


@pytest.fixture
def tenant(board):
    return board.tenant(new_id("tenant"))


def refusal_of(board, job_id, values):
    try:
        board.write(job_id, **values)
    except DBAPIError as error:
        return str(error)
    return None


def test_every_move_outside_the_law_is_refused_by_the_database(board, tenant):
    wrong = []
    for origin in Status:
        for to in Status:
            job_id = board.job(tenant, origin)
            # The companions of the new status are right, so that only the move itself can be at fault.
            released = {} if to.is_final else {"dispatch": "idle", "finished_at": None, "error": None}
            said = refusal_of(board, job_id, standing(to, **released))
            allowed = to in TRANSITIONS[origin] or origin is to
            if (said is None) != allowed or (said is not None and "may not go to" not in said):
                wrong.append((origin.value, to.value, said))
    assert wrong == []


def test_a_status_that_nobody_knows_is_refused(board, tenant):
    with pytest.raises(IntegrityError):
        board.write(board.job(tenant), status="dreaming")


def test_an_epoch_never_goes_back(board, tenant):
    job_id = board.job(tenant, lease_epoch=5)
    with pytest.raises(DBAPIError, match="only grows"):
        board.write(job_id, lease_epoch=4)
    board.write(job_id, lease_epoch=6)


@pytest.mark.parametrize(
    ("status", "changes"),
    [
        (Status.QUEUED, {"dispatch": "sleeping"}),
        (Status.QUEUED, {"queue": "webhook"}),
        (Status.QUEUED, {"dispatch": "held"}),
        (Status.QUEUED, {"lease_owner": "wrk_1"}),
        (Status.QUEUED, {"dispatch": "done"}),
        (Status.QUEUED, {"finished_at": "2026-01-01T00:00:00Z"}),
        (Status.QUEUED, {"error": {"code": "x"}}),
        (Status.QUEUED, {"progress": 101}),
        (Status.QUEUED, {"progress": -1}),
        (Status.QUEUED, {"instructions": []}),
        (Status.QUEUED, {"instructions": ["x"] * 11}),
        (Status.QUEUED, {"instruction_index": 2}),
        (Status.QUEUED, {"instruction_index": -1}),
        (Status.UPLOADING, {"admitted_at": None}),
        (Status.SUCCEEDED, {"dispatch": "idle"}),
        (Status.SUCCEEDED, {"finished_at": None}),
        (Status.SUCCEEDED, {"outputs": [{"format": "mp4"}], "result": None}),
        (Status.FAILED, {"error": None}),
        (Status.CANCELED, {"dispatch": "idle"}),
    ],
)
def test_a_row_that_means_nothing_cannot_be_written(board, tenant, status, changes):
    with pytest.raises(IntegrityError):
        board.job(tenant, status, **changes)


def test_a_job_ends_once(board, tenant, database):
    job_id = board.job(tenant, Status.SUCCEEDED)
    with database.statement() as connection:
        mine = update(job_events).where(job_events.c.job_id == job_id)
        connection.execute(mine.values(type="job.succeeded"))
    for kind in ("job.failed", "job.canceled", "job.succeeded"):
        with pytest.raises(IntegrityError), database.statement() as connection:
            connection.execute(
                job_events.insert().values(id=kind, job_id=job_id, tenant_id=tenant, seq=2, type=kind, data={})
            )


def test_an_event_number_is_given_once(board, tenant, database):
    job_id = board.job(tenant)
    with pytest.raises(IntegrityError), database.statement() as connection:
        connection.execute(
            job_events.insert().values(id="e", job_id=job_id, tenant_id=tenant, seq=1, type="job.uploading", data={})
        )


def test_a_job_with_a_history_is_not_deleted(board, tenant, database):
    job_id = board.job(tenant)
    with pytest.raises(IntegrityError), database.statement() as connection:
        connection.execute(delete(jobs).where(jobs.c.id == job_id))
