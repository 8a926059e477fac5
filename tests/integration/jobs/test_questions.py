"""The agent asks instead of editing: the job waits for its owner, and each answer is a turn of its own."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import func, select, text, update

from fakes.upstream import said
from reelqueue.domain.jobs import Policies, Status, WaitingReason
from reelqueue.errors import CreditsExhausted, NotFound, StateConflict
from reelqueue.store.answers import Answers
from reelqueue.store.tables import jobs, turns

QUESTION = "Which title would you like?"


@pytest.fixture
def asking(plant):
    """A studio that asks first, and does what it is told then."""
    whole = plant.studio.run_turn
    asked = []

    def run_turn(*arguments, **named):
        if named["text"].startswith("ask"):
            named["control"].gate()
            named["control"].count(1)
            asked.append(named["text"])
            return said(QUESTION)
        return whole(*arguments, **named)

    plant.studio.run_turn = run_turn
    return asked


def waits(plant, job_id):
    for _ in range(50):
        if not plant.round():
            break
    return plant.jobs.find(plant.tenant, job_id)


def test_a_question_pauses_the_job_and_the_answer_goes_on_in_the_same_session(plant, asking):
    job = waits(plant, plant.accept("ask me", "add music").id)
    assert (job.status, job.waiting.reason) == (Status.REQUIRES_INPUT, WaitingReason.ANSWER)
    assert (job.question.text, job.question.instruction) == (QUESTION, 0)
    row = plant.board.read(job.id)
    assert (row["dispatch"], row["lease_owner"]) == ("idle", None)
    answered = Answers(plant.database).give(plant.tenant, job.id, "Golden Hour", asked_at=job.question.asked_at)
    assert (answered.status, answered.question) == (Status.INSTRUCTING, None)
    done = plant.run(job.id)
    assert done.status is Status.SUCCEEDED
    assert asking == ["ask me"]
    assert [said for _, said in plant.studio.turns] == ["Golden Hour", "add music"]
    assert len(plant.studio.sessions) == 1
    assert [receipt["outcome"] for receipt in done.receipts] == ["question", "text", "text"]
    with plant.database.statement() as connection:
        found = connection.execute(select(turns.c.position, turns.c.state).where(turns.c.job_id == job.id)).all()
    assert sorted(found) == [(0, "finished"), (1, "finished"), (2, "finished")]
    kinds = [kind for _, kind in plant.board.events(job.id)]
    assert kinds.count("job.requires_input") == 1


def test_an_answer_is_taken_once_and_for_the_question_it_names(plant, asking):
    job = waits(plant, plant.accept("ask me").id)
    answers = Answers(plant.database)
    with pytest.raises(StateConflict):
        answers.give(plant.tenant, job.id, "late", asked_at=job.question.asked_at - timedelta(seconds=1))
    with pytest.raises(NotFound):
        answers.give("ten_other", job.id, "theirs", asked_at=None)
    answers.give(plant.tenant, job.id, "ask again", asked_at=None)
    with pytest.raises(StateConflict):
        answers.give(plant.tenant, job.id, "twice", asked_at=None)
    again = waits(plant, job.id)
    assert again.status is Status.REQUIRES_INPUT
    with pytest.raises(StateConflict):
        answers.give(plant.tenant, job.id, "a repeat of the first", asked_at=job.question.asked_at)
    assert asking == ["ask me", "ask again"]


def test_a_question_that_nobody_answers_fails_the_job(plant, asking):
    job = waits(plant, plant.accept("ask me").id)
    past = "2020-01-01T00:00:00Z"
    overdue = update(jobs).where(jobs.c.id == job.id)
    with plant.database.statement() as connection:
        moved = func.jsonb_set(jobs.c.question, text("'{until}'"), func.to_jsonb(past))
        connection.execute(overdue.values(due_at=func.now(), question=moved))
    failed = plant.run(job.id)
    assert (failed.status, failed.error.code, failed.question) == (Status.FAILED, "question_unanswered", None)


def test_a_policy_answers_in_its_owners_place(plant, asking):
    policies = Policies(on_question="answer", answer_text="Choose what fits.")
    done = plant.run(plant.accept("ask me", policies=policies).id)
    assert done.status is Status.SUCCEEDED
    assert [said for _, said in plant.studio.turns] == ["Choose what fits."]
    assert [answer.by for answer in done.answers] == ["policy"]


def test_a_worker_that_dies_anywhere_around_a_question_sends_no_turn_twice(plant, asking):
    plant.run(plant.accept("ask me", policies=Policies(on_question="answer", answer_text="A")).id)
    total = len(plant.wire.calls)
    for place in range(1, total + 1):
        asking.clear()
        plant.studio.turns.clear()
        plant.wire.calls.clear()
        plant.wire.kill_at = place
        job = plant.survive(plant.accept("ask me", policies=Policies(on_question="answer", answer_text="A")).id)
        plant.wire.kill_at = 0
        assert job.status.is_final
        assert len(asking) <= 1, place
        assert len(plant.studio.turns) <= 1, place


def test_a_cancel_of_an_open_question_ends_the_job_at_once(plant, asking):
    job = waits(plant, plant.accept("ask me").id)
    canceled = plant.jobs.request_cancel(plant.tenant, job.id)
    assert (canceled.status, canceled.question) == (Status.CANCELED, None)
    with pytest.raises(StateConflict):
        Answers(plant.database).give(plant.tenant, job.id, "x", asked_at=None)


def test_a_job_that_may_wait_for_credits_sends_nothing_until_the_balance_has_grown(plant):
    whole, tries = plant.studio.run_turn, []

    def broke(*arguments, **named):
        tries.append(plant.studio.charged)
        if plant.studio.charged >= 100:
            raise CreditsExhausted
        return whole(*arguments, **named)

    plant.studio.run_turn, plant.studio.charged = broke, 100.0
    job_id = plant.accept(policies=Policies(on_no_credits="wait")).id
    for _ in range(30):
        plant.round()
    waiting = plant.jobs.find(plant.tenant, job_id)
    assert (waiting.status, len(tries)) == (Status.INSTRUCTING, 1)
    assert waiting.waiting.reason is WaitingReason.CREDITS
    plant.studio.charged = 0.0
    done = plant.run(job_id)
    assert (done.status, len(tries)) == (Status.SUCCEEDED, 2)


def test_without_that_wish_it_fails_and_says_where_to_top_up(plant):
    def broke(*_, **__):
        raise CreditsExhausted

    plant.studio.run_turn = broke
    failed = plant.run(plant.accept().id)
    assert (failed.error.code, failed.billing.spent) == ("upstream_credits_exhausted", 0)
    assert failed.error.link == "https://nemovideo.com"
