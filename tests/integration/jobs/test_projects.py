"""Projects with several jobs: one turn at a time, every version kept, exports that cost nothing."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import select, update

from reelqueue.domain.intake import NewJob
from reelqueue.domain.jobs import Status, WaitingReason
from reelqueue.domain.projects import NewProject
from reelqueue.domain.upstream import SessionState
from reelqueue.errors import SessionNotFound
from reelqueue.store.project_records import ProjectRecords
from reelqueue.store.projects import Projects
from reelqueue.store.tables import draft_versions, former_sessions, jobs, projects
from reelqueue.store.versions import Versions


@pytest.fixture
def records(plant):
    return ProjectRecords(plant.database)


@pytest.fixture
def project(plant, records):
    return records.create(plant.tenant, NewProject(name="Summer", metadata={"a": "b"}))


@pytest.fixture
def versions(plant):
    return Versions(plant.database)


def test_jobs_of_a_project_go_on_with_one_timeline_in_one_session(plant, records, project, versions):
    first = plant.accept("one", project_id=project.id)
    second = plant.accept("two", project_id=project.id, pictures=0)
    assert first.waiting.reason is WaitingReason.TURN
    assert second.waiting.reason is WaitingReason.PROJECT
    assert plant.jobs.find(plant.tenant, second.id).waiting.reason is WaitingReason.PROJECT
    assert records.find(plant.tenant, project.id).live_jobs == (first.id, second.id)
    done = [plant.run(job.id) for job in (first, second)]
    assert [job.status for job in done] == [Status.SUCCEEDED] * 2
    assert [text for _, text in plant.studio.turns] == ["one", "two"]
    assert len(plant.studio.sessions) == 1
    assert [receipt["version"] for job in done for receipt in job.receipts] == [1, 2]
    found = versions.list(plant.tenant, project.id, before=None, limit=10)
    assert [(one.number, one.job_id) for one in found] == [(2, second.id), (1, first.id)]
    after = records.find(plant.tenant, project.id)
    assert (after.version, after.live_jobs, after.state) == (2, (), "ready")


def test_the_second_job_of_a_project_is_not_admitted_while_the_first_is_at_work(plant, project):
    first = plant.accept("one", project_id=project.id)
    second = plant.accept("two", project_id=project.id, pictures=0)
    other = plant.accept("three")
    admitted = [bell.id for bell in plant.dispatch.admit(10)]
    assert admitted == [first.id, other.id]
    assert plant.dispatch.admit(10) == []
    assert plant.sweep.restore_flags() == 0
    assert plant.dispatch.admit(10) == []
    for job in (first, other):
        plant.worker.runner.work(job.id)
    plant.run(first.id)
    waiting = plant.jobs.find(plant.tenant, second.id)
    assert waiting.status.is_final or waiting.waiting is None or waiting.waiting.reason is not WaitingReason.PROJECT
    assert plant.run(second.id).status is Status.SUCCEEDED


def test_a_job_in_a_project_of_another_job_goes_on_there(plant):
    first = plant.run(plant.accept("one").id)
    second = plant.run(plant.accept("two", project_id=first.project_id, pictures=0).id)
    assert second.project_id == first.project_id
    assert {session for session, _ in plant.studio.turns} == set(plant.studio.sessions)
    assert len(plant.studio.sessions) == 1


def test_a_version_is_exported_as_it_was_for_nothing(plant, monkeypatch):
    drafts = []
    whole = plant.studio.submit_render

    def submit(*arguments, draft, **named):
        drafts.append(draft)
        return whole(*arguments, draft=draft, **named)

    monkeypatch.setattr(plant.studio, "submit_render", submit)
    first = plant.run(plant.accept("one").id)
    plant.run(plant.accept("two", project_id=first.project_id, pictures=0).id)
    spent = plant.studio.charged
    new = NewJob(tenant_id=plant.tenant, instructions=(), project_id=first.project_id, version=1)
    again = plant.run(plant.intake.accept(new).job.id)
    assert (again.status, again.billing.spent, plant.studio.charged) == (Status.SUCCEEDED, 0.0, spent)
    assert len(plant.studio.turns) == 2
    assert [len(draft["t"]) for draft in drafts] == [1, 2, 1]
    assert drafts[2] == drafts[0]


def test_unknown_keys_of_a_draft_come_back_as_they_were(plant, versions, monkeypatch):
    strange = {"t": [{"tt": 9, "sg": [{"d": 1000}]}], "zz": {"a\u0000b": [1.5, "\ud800", None]}, "v": 10**30}
    whole = plant.studio.state

    def state(credential, session_id):
        seen = whole(credential, session_id)
        return SessionState(draft=seen.draft and strange, uploads=seen.uploads, generated=(), canvas=None)

    monkeypatch.setattr(plant.studio, "state", state)
    job = plant.run(plant.accept("one").id)
    assert json.loads(versions.draft(plant.tenant, job.project_id, 1)) == strange


def test_an_export_does_not_wait_for_the_jobs_of_its_project(plant):
    first = plant.run(plant.accept("one").id)
    busy = plant.accept("two", project_id=first.project_id, pictures=0)
    plant.dispatch.admit(10)
    new = NewJob(tenant_id=plant.tenant, instructions=(), project_id=first.project_id, version=1)
    export = plant.intake.accept(new).job
    assert export.waiting.reason is WaitingReason.TURN
    assert [bell.id for bell in plant.dispatch.admit(10)] == [export.id]
    assert plant.jobs.find(plant.tenant, busy.id).status is Status.QUEUED


def test_inputs_alone_are_brought_into_the_project(plant, project):
    new = plant.accept(project_id=project.id)
    with plant.database.statement() as connection:
        connection.execute(update(jobs).where(jobs.c.id == new.id).values(instructions=[], outputs=[]))
    done = plant.run(new.id)
    assert (done.status, done.billing.spent) == (Status.SUCCEEDED, 0.0)
    assert [len(names) for names in plant.studio.sessions.values()] == [1]
    assert plant.studio.turns == []


def test_what_somebody_else_changed_between_two_jobs_is_a_version_too(plant, versions, monkeypatch):
    first = plant.run(plant.accept("one").id)
    session = plant.studio.turns[0][0]
    plant.studio.turns.append((session, "by hand"))
    plant.run(plant.accept("two", project_id=first.project_id, pictures=0).id)
    found = versions.list(plant.tenant, first.project_id, before=None, limit=10)
    assert [(one.number, one.job_id is None, len(one.timeline.tracks)) for one in found] == [
        (3, False, 3),
        (2, True, 2),
        (1, False, 1),
    ]


def test_a_lost_session_with_a_timeline_is_never_made_again(plant, monkeypatch):
    first = plant.run(plant.accept("one").id)
    second = plant.accept("two", project_id=first.project_id)
    plant.studio.turns.clear()
    whole = plant.studio.state

    def state(credential, session_id):
        raise SessionNotFound

    monkeypatch.setattr(plant.studio, "state", state)
    failed = plant.run(second.id)
    monkeypatch.setattr(plant.studio, "state", whole)
    assert (failed.status, failed.error.code) == (Status.FAILED, "upstream_session_lost")
    assert (len(plant.studio.sessions), plant.studio.turns) == (1, [])


def test_a_lost_session_that_holds_others_inputs_is_never_made_again(plant, project):
    brings = plant.accept(project_id=project.id)
    with plant.database.statement() as connection:
        connection.execute(update(jobs).where(jobs.c.id == brings.id).values(instructions=[], outputs=[]))
    plant.run(brings.id)
    Projects(plant.database).lost(project.id)
    failed = plant.run(plant.accept("two", project_id=project.id, pictures=0).id)
    assert failed.error.code == "upstream_session_lost"
    assert len(plant.studio.sessions) == 1


def test_a_lost_session_without_anything_in_it_is_made_again_under_the_same_project(plant, project, records):
    job = plant.accept("one", project_id=project.id)
    plant.dispatch.admit(10)
    whole, lost = plant.studio.upload_files, []

    def forget(credential, session_id, files):
        plant.studio.upload_files = whole
        lost.append(session_id)
        raise SessionNotFound

    plant.studio.upload_files = forget
    plant.worker.runner.work(job.id)
    done = plant.run(job.id)
    assert (done.status, done.project_id) == (Status.SUCCEEDED, project.id)
    with plant.database.statement() as connection:
        assert connection.execute(select(former_sessions.c.session_id)).scalars().all() == lost
    assert set(plant.studio.sessions) - set(lost) == {plant.studio.turns[0][0]}


def test_killed_at_any_call_of_two_jobs_of_a_project_no_turn_is_sent_twice(plant, records):
    """A crash after each thing that is done for the second job; the versions stay without gaps."""
    first = plant.run(plant.accept("one").id)
    plant.wire.calls.clear()
    sound = plant.run(plant.accept("sound", project_id=first.project_id, pictures=0).id)
    assert sound.status is Status.SUCCEEDED
    calls = len(plant.wire.calls)
    assert "versions.note" in plant.wire.calls
    for place in range(1, calls + 1):
        text = f"turn {place}"
        job = plant.accept(text, project_id=first.project_id, pictures=0)
        plant.wire.calls.clear()
        plant.wire.kill_at = place
        try:
            done = plant.survive(job.id)
        finally:
            plant.wire.kill_at = 0
        assert [said for _, said in plant.studio.turns].count(text) <= 1
        assert done.status in {Status.SUCCEEDED, Status.FAILED}, place
    with plant.database.statement() as connection:
        of_project = select(draft_versions.c.number).where(draft_versions.c.project_id == first.project_id)
        numbers = sorted(connection.execute(of_project).scalars())
        sessions = connection.execute(select(former_sessions.c.session_id)).all()
    assert numbers == list(range(1, len(numbers) + 1))
    assert numbers[-1] == len(plant.studio.turns)
    assert (sessions, len(plant.studio.sessions)) == ([], 1)


def test_a_worker_killed_while_it_opens_a_project_leaves_the_project_its_id(plant, records):
    """Each former session stays on record, whether its answer came or not."""
    for place in range(1, 12):
        project = records.create(plant.tenant, NewProject())
        job = plant.accept("one", project_id=project.id)
        plant.wire.calls.clear()
        plant.wire.kill_at = place
        done = plant.survive(job.id)
        plant.wire.kill_at = 0
        assert (done.status, done.project_id) == (Status.SUCCEEDED, project.id)
    with plant.database.statement() as connection:
        former = connection.execute(select(former_sessions.c.session_id)).scalars().all()
        current = connection.execute(select(projects.c.session_id)).scalars().all()
    unknown = [one for one in former if one is None]
    assert former
    assert len(set(plant.studio.sessions) - {*former, *current}) <= len(unknown)
