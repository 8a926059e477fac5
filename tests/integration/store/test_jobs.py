from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import event, func, select

from fakes.job_rows import analyzed
from fakes.refusals import refusal
from reelqueue.domain.channels import CANCEL, JOB
from reelqueue.domain.intake import JobFilter
from reelqueue.domain.jobs import Status
from reelqueue.errors import NotFound, StateConflict
from reelqueue.kit.acting import acting_for
from reelqueue.kit.ids import new_id
from reelqueue.store.events import Events
from reelqueue.store.jobs import Jobs
from reelqueue.store.notices import Notices
from reelqueue.store.tables import job_events

EVERYTHING = JobFilter()


@pytest.fixture
def database(module_database):
    return module_database


@pytest.fixture
def tenant(board):
    return board.tenant(new_id("tenant"))


@pytest.fixture
def jobs(database):
    return Jobs(database)


def listed(jobs, tenant, narrow=EVERYTHING, *, before=None, limit=50):
    return [job.id for job in jobs.list(tenant, narrow, before=before, limit=limit)]


# --- finding ----------------------------------------------------------------------------------------------------------


def test_a_job_is_found_with_its_inputs(jobs, board, tenant):
    job_id = board.job(tenant, Status.RENDERING)
    board.input(job_id, tenant, 0, url="https://x", state="sent")
    found = jobs.find(tenant, job_id)
    assert (found.id, found.status) == (job_id, Status.RENDERING)
    assert [(one.url, one.sent) for one in found.inputs] == [("https://x", True)]


def test_anothers_job_cannot_be_told_from_one_that_never_was(jobs, board, tenant):
    theirs = board.job(board.tenant(new_id("tenant")))
    never = refusal(lambda: jobs.find(tenant, new_id("job")))
    assert refusal(lambda: jobs.find(tenant, theirs)) == never
    assert refusal(lambda: jobs.request_cancel(tenant, theirs)) == never
    assert never["class"] is NotFound
    assert board.read(theirs)["cancel_requested_at"] is None


# --- listing ----------------------------------------------------------------------------------------------------------


def test_the_newest_come_first_page_by_page(jobs, board, tenant):
    ids = sorted((board.job(tenant) for _ in range(5)), reverse=True)
    board.job(board.tenant(new_id("tenant")))
    assert listed(jobs, tenant) == ids
    assert listed(jobs, tenant, limit=2) == ids[:2]
    assert listed(jobs, tenant, before=ids[1], limit=2) == ids[2:4]
    assert listed(jobs, tenant, before=ids[4]) == []


def test_each_filter_narrows_and_all_of_them_together(jobs, board, tenant, database):
    plain = board.job(tenant, created_at=func.now() - timedelta(days=2))
    tagged = board.job(tenant, metadata={"a": "1", "b": "2"}, external_id="order")
    done = board.job(tenant, Status.SUCCEEDED, external_id="order")
    with database.statement() as connection:
        yesterday = connection.execute(select(func.now() - timedelta(days=1))).scalar_one()
    for narrow, expected in (
        (EVERYTHING, {plain, tagged, done}),
        (JobFilter(status=frozenset({Status.SUCCEEDED})), {done}),
        (JobFilter(status=frozenset({Status.SUCCEEDED, Status.QUEUED})), {plain, tagged, done}),
        (JobFilter(external_id="order"), {tagged, done}),
        (JobFilter(metadata={"a": "1"}), {tagged}),
        (JobFilter(metadata={"a": "1", "b": "2"}), {tagged}),
        (JobFilter(metadata={"a": "2"}), set()),
        (JobFilter(created_after=yesterday), {tagged, done}),
        (JobFilter(created_before=yesterday), {plain}),
        (JobFilter(project_id="prj_x"), set()),
        (JobFilter(external_id="order", metadata={"a": "1"}, created_after=yesterday), {tagged}),
    ):
        assert set(listed(jobs, tenant, narrow)) == expected, narrow


@pytest.mark.parametrize("value", ["'; DROP TABLE jobs; --", "%", "\\", '"', "{}"])
def test_what_is_filtered_by_is_data(jobs, board, tenant, value):
    job_id = board.job(tenant, external_id=value, metadata={value: value})
    board.job(tenant, external_id="other", metadata={"k": "v"})
    assert listed(jobs, tenant, JobFilter(external_id=value)) == [job_id]
    assert listed(jobs, tenant, JobFilter(metadata={value: value})) == [job_id]


def test_a_rare_tag_is_found_by_its_index(jobs, board, tenant, database):
    board.many(tenant, 5000)
    rare = board.job(tenant, metadata={"rare": "1"})
    asked = []

    def note(_connection, _cursor, statement, parameters, *_):
        asked.append((statement, parameters))

    event.listen(database.engine, "before_cursor_execute", note)
    assert listed(jobs, tenant, JobFilter(metadata={"rare": "1"})) == [rare]
    event.remove(database.engine, "before_cursor_execute", note)
    [(statement, parameters)] = asked
    analyzed(database)
    # As the tenant, whose policy is in the way.
    with acting_for(tenant), database.statement() as connection:
        plan = connection.exec_driver_sql(f"EXPLAIN {statement}", parameters).scalars().all()
    assert "ix_jobs_metadata" in "\n".join(plan)


# --- canceling --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [Status.QUEUED, Status.REQUIRES_INPUT])
@pytest.mark.parametrize("dispatch", ["idle", "rung"])
def test_a_job_that_nobody_works_on_and_that_asked_nobody_anything_ends_at_once(jobs, board, tenant, status, dispatch):
    bell = {"bell_at": func.now(), "bells": 1} if dispatch == "rung" else {}
    job_id = board.job(tenant, status, dispatch=dispatch, webhook_url="https://own.example/", **bell)
    canceled = jobs.request_cancel(tenant, job_id)
    assert canceled.status is Status.CANCELED
    assert canceled.finished_at is not None
    row = board.read(job_id)
    assert (row["dispatch"], row["due_at"], row["bell_at"], row["lease_epoch"]) == ("done", None, None, 1)
    assert board.events(job_id) == [(1, "job.queued"), (2, "job.canceled")]
    assert [(one["type"], one["url"]) for one in board.told(job_id)] == [("job.canceled", "https://own.example/")]


@pytest.mark.parametrize("status", [Status.UPLOADING, Status.INSTRUCTING, Status.RENDERING, Status.SAVING])
def test_a_job_that_sleeps_is_woken_to_be_canceled(jobs, board, tenant, status):
    job_id = board.job(tenant, status, due_at=func.now() + timedelta(hours=1))
    wished = jobs.request_cancel(tenant, job_id)
    assert (wished.status, wished.cancel_requested_at is not None) == (status, True)
    assert board.read(job_id)["due_at"] <= wished.cancel_requested_at
    assert board.events(job_id) == [(1, "job.queued")]


def test_a_job_that_is_worked_on_is_canceled_by_its_worker(jobs, board, tenant):
    claim = board.held(tenant, "wrk_one", Status.QUEUED)
    assert jobs.request_cancel(tenant, claim.job.id).status is Status.QUEUED
    row = board.read(claim.job.id)
    assert (row["dispatch"], row["lease_epoch"], row["lease_owner"]) == ("held", claim.epoch, "wrk_one")


def test_the_worker_is_told(jobs, board, tenant, database):
    claim = board.held(tenant, "wrk_one")
    listener = Notices(database.engine.url.render_as_string(hide_password=False), (CANCEL, JOB))
    heard = listener.listen()
    assert next(heard).channel == "reconnected"
    jobs.request_cancel(tenant, claim.job.id)
    notice = next(notice for notice in heard if notice is not None)
    assert (notice.channel, notice.payload) == (CANCEL, claim.job.id)
    listener.close()
    heard.close()


def test_asking_twice_is_asking_once(jobs, board, tenant):
    job_id = board.job(tenant, Status.RENDERING)
    first = jobs.request_cancel(tenant, job_id).cancel_requested_at
    assert jobs.request_cancel(tenant, job_id).cancel_requested_at == first
    queued = board.job(tenant)
    assert jobs.request_cancel(tenant, queued) == jobs.request_cancel(tenant, queued)
    assert board.events(queued) == [(1, "job.queued"), (2, "job.canceled")]


@pytest.mark.parametrize("status", [Status.SUCCEEDED, Status.FAILED])
def test_what_is_over_cannot_be_canceled(jobs, board, tenant, status):
    job_id = board.job(tenant, status)
    before = board.read(job_id)
    with pytest.raises(StateConflict):
        jobs.request_cancel(tenant, job_id)
    assert board.read(job_id) == before


def test_many_cancels_at_once_end_a_job_once(jobs, board, tenant, at_once):
    job_id = board.job(tenant)
    outcomes = at_once(10, lambda _: jobs.request_cancel(tenant, job_id))
    assert {outcome.status for outcome in outcomes} == {Status.CANCELED}
    assert board.events(job_id) == [(1, "job.queued"), (2, "job.canceled")]


# --- events -----------------------------------------------------------------------------------------------------------


def test_events_come_in_order_from_where_one_stopped(board, tenant, database):
    job_id, other = board.job(tenant), board.job(tenant)
    with database.statement() as connection:
        for seq in (3, 2, 5, 4):
            connection.execute(
                job_events.insert().values(
                    id=new_id("event"), job_id=job_id, tenant_id=tenant, seq=seq, type="job.uploading", data={"n": seq}
                )
            )
    events = Events(database)
    assert [one.seq for one in events.after(tenant, job_id, 0)] == [1, 2, 3, 4, 5]
    assert [one.seq for one in events.after(tenant, job_id, 3)] == [4, 5]
    assert [one.seq for one in events.after(tenant, job_id, 1, limit=2)] == [2, 3]
    assert events.after(tenant, job_id, 5) == []
    assert events.after(tenant, job_id, 4)[0].data == {"n": 5}
    assert [one.job_id for one in events.after(tenant, other, 0)] == [other]


def test_anothers_events_are_nobodys(board, tenant, database):
    theirs = board.job(board.tenant(new_id("tenant")))
    assert Events(database).after(tenant, theirs, 0) == []
