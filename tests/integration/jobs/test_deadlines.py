"""A job that is late: before its first turn it costs nothing, after it what is paid is exported."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, update

from fakes.upstream import said
from reelqueue.domain.jobs import Policies, Status
from reelqueue.domain.retrying import beginning
from reelqueue.store.past_jobs import PastJobs
from reelqueue.store.tables import jobs


def soon():
    return datetime.now(UTC) + timedelta(hours=1)


def pass_deadline(plant, job_id):
    with plant.database.statement() as connection:
        passed = func.now() - timedelta(seconds=1)
        connection.execute(update(jobs).where(jobs.c.id == job_id).values(finish_by=passed))


def late_at(plant, job, text):
    """The deadline passes while this turn runs."""
    whole = plant.studio.run_turn

    def run_turn(*arguments, **named):
        if named["text"] == text:
            pass_deadline(plant, job.id)
        return whole(*arguments, **named)

    plant.studio.run_turn = run_turn


def texts(plant):
    return [text for _, text in plant.studio.turns]


def test_a_turn_in_flight_goes_on_to_its_export(plant):
    job = plant.accept("one", finish_by=soon())
    late_at(plant, job, "one")
    ended = plant.run(job.id)
    assert (ended.status, ended.late, ended.result is not None) == (Status.SUCCEEDED, True, True)


def test_of_several_instructions_no_further_one_is_paid_and_the_paid_one_is_exported(plant):
    job = plant.accept("one", "two", finish_by=soon())
    late_at(plant, job, "one")
    ended = plant.run(job.id)
    assert (ended.status, ended.error.code, ended.late) == (Status.FAILED, "deadline_exceeded", True)
    assert (texts(plant), ended.error.spent) == (["one"], 10)
    assert ended.result is not None
    again = beginning(PastJobs(plant.database).find(plant.tenant, job.id), accept_double_charge=False)
    assert (again.instruction_index, again.same_project) == (1, True)


def test_without_an_export_the_paid_edits_stay_and_the_job_says_that_it_is_late(plant):
    job = plant.accept("one", "two", outputs=(), finish_by=soon())
    late_at(plant, job, "one")
    ended = plant.run(job.id)
    assert (ended.status, ended.error.code, texts(plant)) == (Status.FAILED, "deadline_exceeded", ["one"])


@pytest.mark.parametrize("status", [Status.RENDERING, Status.SAVING])
def test_an_export_that_is_late_is_kept_all_the_same(plant, status):
    job = plant.accept(finish_by=soon())
    name = "submit_render" if status is Status.RENDERING else "render_report"
    whole = getattr(plant.studio, name)

    def passing(*arguments, **named):
        pass_deadline(plant, job.id)
        return whole(*arguments, **named)

    setattr(plant.studio, name, passing)
    ended = plant.run(job.id)
    assert (ended.status, ended.late) == (Status.SUCCEEDED, True)


@pytest.mark.parametrize(("first", "code"), [("one", "deadline_exceeded"), ("ask", "deadline_exceeded")])
def test_a_question_that_nobody_answered_in_time(plant, first, code):
    whole = plant.studio.run_turn

    def run_turn(*arguments, **named):
        if named["text"] == "ask":
            named["control"].gate()
            named["control"].count(1)
            return said("Which title would you like?")
        return whole(*arguments, **named)

    plant.studio.run_turn = run_turn
    job = plant.accept(first, "ask", finish_by=soon(), policies=Policies())
    for _ in range(50):
        if plant.jobs.find(plant.tenant, job.id).status is Status.REQUIRES_INPUT:
            break
        plant.round()
    pass_deadline(plant, job.id)
    plant.sweep.fail_overdue()
    ended = plant.run(job.id)
    assert (ended.status, ended.error.code) == (Status.FAILED, code)
    assert (ended.result is not None) == (first == "one")


def test_work_that_begins_too_late_does_not_begin(plant):
    ended = plant.run(plant.accept(start_by=datetime.now(UTC) - timedelta(seconds=1)).id)
    assert (ended.status, ended.error.code) == (Status.FAILED, "deadline_unreachable")
    assert plant.studio.sessions == {}
