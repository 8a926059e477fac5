"""A retry goes on where the job before it stopped, through the real statements."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fakes.engine import RESULT
from fakes.upstream import said
from reelqueue.domain.documents import job_document
from reelqueue.domain.jobs import Policies, Status
from reelqueue.domain.upstream import CutReason, TurnCut, TurnEnd
from reelqueue.errors import IdempotencyKeyReused, NotFound, StateConflict, StorageFull
from reelqueue.jobs.retry import JobRetry
from reelqueue.store.assets import Assets
from reelqueue.store.past_jobs import PastJobs
from reelqueue.store.projects import Projects
from reelqueue.store.tables import draft_versions


@pytest.fixture
def retry(plant):
    use_case = JobRetry(intake=plant.intake, assets=Assets(plant.database), past=PastJobs(plant.database))

    def again(job, *, accept=False, key=None):
        return use_case.retry(plant.tenant, job.id, accept_double_charge=accept, key=key)

    return again


def unsaved(plant):
    """A job whose turns are all done, and whose file could not be kept."""
    plant.keeper.__init__(StorageFull())
    job = plant.run(plant.accept("one", "two").id)
    plant.keeper.__init__(RESULT)
    assert job.status is Status.FAILED
    return job


def test_after_the_last_turn_a_retry_begins_at_the_export_and_is_free(plant, retry):
    old = unsaved(plant)
    new = retry(old).job
    assert (new.retried_from, new.project_id) == (old.id, old.project_id)
    assert job_document(new)["retry"] == {"from": "rendering", "free": True}
    done = plant.run(new.id)
    assert (done.status, done.billing.spent) == (Status.SUCCEEDED, 0)
    assert job_document(done)["retry"] == {"from": "rendering", "free": True}
    assert (len(plant.studio.turns), len(plant.studio.sessions)) == (2, 1)


def test_an_answer_within_an_instruction_does_not_hide_that_it_failed(plant, retry):
    whole, said_so_far = plant.studio.run_turn, []

    def run_turn(*arguments, text, control, **named):
        said_so_far.append(text)
        if text == "two":
            control.gate()
            return said("Which title would you like?")
        if said_so_far == ["one", "two", "A"]:
            control.gate()
            return said("Half.", end=TurnEnd.ERROR_FRAME, error="boom", error_code=None)
        return whole(*arguments, text=text, control=control, **named)

    plant.studio.run_turn = run_turn
    policies = Policies(on_question="answer", answer_text="A")
    old = plant.run(plant.accept("one", "two", policies=policies).id)
    assert (old.error.code, len(old.answers)) == ("upstream_turn_failed", 1)
    new = retry(old).job
    assert (new.instruction_index, job_document(new)["retry"]["free"]) == (1, False)
    assert plant.run(new.id).status is Status.SUCCEEDED
    assert said_so_far == ["one", "two", "A", "two", "A"]


def test_a_turn_in_doubt_is_paid_for_again_only_if_its_owner_accepts(plant, retry):
    whole = plant.studio.run_turn

    def vanish(*arguments, text, control, **named):
        if text == "one":
            return whole(*arguments, text=text, control=control, **named)
        control.gate()
        raise TurnCut(reason=CutReason.BROKEN, partial=said(end=TurnEnd.INTERRUPTED))

    plant.studio.run_turn = vanish
    old = plant.run(plant.accept("one", "two").id)
    assert old.error.code == "outcome_unknown"
    plant.studio.run_turn = whole
    with pytest.raises(StateConflict, match="accept_double_charge"):
        retry(old)
    new = retry(old, accept=True).job
    assert job_document(new)["retry"] == {"from": "instructing", "free": False}
    assert all(one.sent for one in new.inputs)
    assert plant.run(new.id).status is Status.SUCCEEDED
    assert [text for _, text in plant.studio.turns] == ["one", "two"]
    assert [len(names) for names in plant.studio.sessions.values()] == [1]


def test_a_turn_that_failed_is_taken_again_and_none_is_left_out(plant, retry):
    whole = plant.studio.run_turn

    def refuse(*arguments, text, control, **named):
        if text != "two":
            return whole(*arguments, text=text, control=control, **named)
        control.gate()
        return said(end=TurnEnd.ERROR_FRAME, error_code="500")

    plant.studio.run_turn = refuse
    old = plant.run(plant.accept("one", "two", "three").id)
    assert (old.status, old.instruction_index) == (Status.FAILED, 2)
    plant.studio.run_turn = whole
    assert plant.run(retry(old).job.id).status is Status.SUCCEEDED
    assert [text for _, text in plant.studio.turns] == ["one", "two", "three"]


def test_a_job_that_sent_nothing_begins_anew(plant, retry):
    old = plant.accept("one")
    plant.jobs.request_cancel(plant.tenant, old.id)
    new = retry(old).job
    assert job_document(new)["retry"] == {"from": "queued", "free": False}
    assert plant.run(new.id).status is Status.SUCCEEDED


def test_what_was_made_is_exported_for_nothing_though_its_session_is_lost(plant, retry):
    old = unsaved(plant)
    Projects(plant.database).lost(old.project_id)
    new = plant.run(retry(old).job.id)
    assert (new.status, new.version, new.billing.spent) == (Status.SUCCEEDED, 2, 0.0)
    assert job_document(new)["retry"] == {"from": "rendering", "free": True}
    assert len(plant.studio.turns) == 2
    assert len(plant.studio.sessions) == 1


def test_a_lost_session_is_not_made_again_under_a_retry(plant, retry):
    old = unsaved(plant)
    with plant.database.statement() as connection:
        connection.execute(draft_versions.delete())
    new = retry(old).job
    Projects(plant.database).lost(old.project_id)
    assert plant.run(new.id).error.code == "upstream_session_lost"
    with pytest.raises(StateConflict, match="accept_double_charge"):
        retry(old)


def test_what_cannot_be_retried(plant, retry):
    live = plant.accept()
    with pytest.raises(StateConflict):
        retry(live)
    with pytest.raises(StateConflict):
        retry(plant.run(live.id))
    with pytest.raises(NotFound):
        retry(replace(live, id="job_00000000000000000000000000"))


def test_an_asset_that_was_deleted_since_is_pointed_to(plant, retry):
    old = unsaved(plant)
    Assets(plant.database).delete(plant.tenant, old.inputs[0].asset_id)
    with pytest.raises(NotFound) as caught:
        retry(old)
    assert caught.value.pointer == "/inputs/0"


def test_a_key_gives_the_same_job_again(plant, retry):
    old = unsaved(plant)
    first, second = retry(old, key="k"), retry(old, key="k")
    assert (first.job.id, second.replayed) == (second.job.id, True)
    with pytest.raises(IdempotencyKeyReused):
        retry(old, key="k", accept=True)
