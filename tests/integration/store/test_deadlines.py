"""The sweep ends in time what can meet its times no more and has cost nothing."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import func

from fakes.engine import MemoryHistory
from reelqueue.domain.estimates import ENOUGH_TO_JUDGE, ONE_TURN, Estimates, Size
from reelqueue.domain.jobs import Status
from reelqueue.store.deadlines import Deadlines
from reelqueue.store.jobs import Jobs
from reelqueue.store.rows import waiting_from
from reelqueue.store.tables import jobs


def in_s(seconds):
    return func.now() + timedelta(seconds=seconds)


ANSWER = {"reason": "answer", "since": "2026-01-01T00:00:00Z", "until": None, "detail": None}


@pytest.fixture
def history():
    made = MemoryHistory()
    made.estimates = Estimates(samples=ENOUGH_TO_JUDGE, work_p10_s=300.0)
    return made


@pytest.fixture
def deadlines(database, history):
    return Deadlines(database, history)


def test_work_that_has_not_begun_by_its_time_fails_for_nothing(board, deadlines, tenant):
    late, soon = board.job(tenant, start_by=in_s(-1)), board.job(tenant, start_by=in_s(60))
    begun = board.job(tenant, start_by=in_s(-1), admitted_at=in_s(-2))
    assert deadlines.keep() == 1
    row = board.read(late)
    assert (row["status"], row["error"]["code"], row["error"]["spent"]) == ("failed", "deadline_unreachable", 0)
    assert {board.read(one)["status"] for one in (soon, begun)} == {"queued"}
    assert board.events(late) == [(1, "job.queued"), (2, "job.failed")]


def test_a_job_that_would_be_late_though_it_began_now_fails_early(board, deadlines, history, database, tenant):
    outputs = [{"format": "mp4", "quality": "1080p"}]
    hopeless = board.job(tenant, finish_by=in_s(290), outputs=outputs)
    possible = board.job(tenant, finish_by=in_s(310))
    at_work = board.held(tenant, board.worker(), Status.UPLOADING, finish_by=in_s(290))
    assert deadlines.keep() == 1
    found = Jobs(database).find(tenant, hopeless)
    assert (found.status, found.error.code, found.late) == (Status.FAILED, "deadline_unreachable", False)
    assert {board.read(one)["status"] for one in (possible, at_work.job.id)} == {"queued", "uploading"}
    assert set(history.asked) == {(tenant, ONE_TURN), (tenant, Size(turns=1, exports=False))}


def test_with_too_little_history_nobody_is_judged(board, deadlines, history, tenant):
    history.estimates = Estimates(samples=ENOUGH_TO_JUDGE - 1, work_p10_s=300.0)
    job_id = board.job(tenant, finish_by=in_s(1))
    assert deadlines.keep() == 0
    assert board.read(job_id)["status"] == "queued"


def test_jobs_without_times_are_not_looked_at(board, deadlines, history, tenant):
    board.job(tenant)
    assert (deadlines.keep(), history.asked) == (0, [])


@pytest.mark.parametrize("reason", ["answer", "credits", "reconcile", "upstream_unavailable"])
def test_whoever_is_late_and_waits_for_a_person_is_woken(board, deadlines, tenant, reason):
    """What is being found out upstream has looks at times of its own."""
    status = Status.REQUIRES_INPUT if reason == "answer" else Status.INSTRUCTING
    waiting = {"waiting": {**ANSWER, "reason": reason}, "due_at": in_s(3600)}
    late = board.job(tenant, status, finish_by=in_s(-1), **waiting)
    board.job(tenant, status, finish_by=in_s(60), **waiting)
    assert deadlines.keep() == (1 if reason in ("answer", "credits") else 0)
    assert waiting_from(board.read(late)["waiting"]).reason == reason
    assert board.count(jobs, jobs.c.due_at <= func.now()) == (1 if reason in ("answer", "credits") else 0)


def test_late_is_what_ended_or_is_live_after_its_time(board, database, tenant):
    seen = {
        name: Jobs(database).find(tenant, board.job(tenant, status, finish_by=finish_by)).late
        for name, status, finish_by in (
            ("live in time", Status.RENDERING, in_s(60)),
            ("live and late", Status.RENDERING, in_s(-1)),
            ("ended before it", Status.SUCCEEDED, in_s(60)),
            ("ended late", Status.SUCCEEDED, in_s(-1)),
            ("at any time", Status.SUCCEEDED, None),
        )
    }
    assert {name for name, late in seen.items() if late} == {"live and late", "ended late"}
    long_ago = board.job(tenant, Status.SUCCEEDED, finish_by=in_s(-1), finished_at=in_s(-2))
    assert not Jobs(database).find(tenant, long_ago).late
