from __future__ import annotations

import pytest

from fakes.engine import make_job
from fakes.upstream import said
from reelqueue.domain.follow_ups import STRIPPING, follow_up
from reelqueue.domain.jobs import Answer, Policies, Status
from reelqueue.domain.verdicts import Advance, Ask, Fail, Learned
from reelqueue.errors import QuestionAsked

QUESTION = "Which title would you like?"
MUSIC = {"kind": "audio", "index": 2, "name": "Lo-fi"}


def followed(*texts, unasked=(), changed=False, answers=(), **policies):
    job = make_job(status=Status.INSTRUCTING, policies=Policies(**policies), answers=tuple(answers))
    learned = Learned(instruction_index=1, receipt={"verdict": "unchanged"})
    return follow_up(job, {"unasked": list(unasked)}, said(*texts), changed=changed, learned=learned)


def answer(question=QUESTION, instruction=0):
    return Answer(instruction=instruction, question=question, text="x", by="policy")


def test_a_turn_that_did_its_work_needs_nothing_more():
    assert followed("Done, added the title.", changed=True) is None


def test_a_question_goes_to_its_owner_and_the_instruction_is_not_done():
    verdict = followed(QUESTION)
    assert verdict == Ask(QUESTION, Learned(receipt={"verdict": "unchanged"}))


def test_a_job_that_may_not_wait_fails_with_the_receipt_kept():
    verdict = followed(QUESTION, on_question="fail")
    assert isinstance(verdict, Fail)
    assert isinstance(verdict.cause, QuestionAsked)
    assert verdict.learned.receipt is not None


def test_an_answer_given_in_advance_is_said_once_an_instruction():
    policy = {"on_question": "answer", "answer_text": "Choose what fits."}
    verdict = followed(QUESTION, **policy)
    assert isinstance(verdict, Advance)
    assert verdict.to is Status.INSTRUCTING
    given = Answer(instruction=0, question=QUESTION, text="Choose what fits.", by="policy")
    assert (verdict.learned.answer, verdict.learned.instruction_index) == (given, None)
    assert isinstance(followed(QUESTION, answers=[answer()], **policy), Ask)
    # The answer to an earlier instruction, or a word about finishing touches, is no answer to this one.
    assert isinstance(followed(QUESTION, answers=[answer(instruction=7)], **policy), Advance)
    assert isinstance(followed(QUESTION, answers=[answer(STRIPPING)], **policy), Advance)


@pytest.mark.parametrize(("policy", "stripped"), [("keep", False), ("strip", True)])
def test_what_nobody_asked_for_is_taken_off_where_the_owner_wants_it(policy, stripped):
    verdict = followed("Done.", unasked=[MUSIC], changed=True, post_production=policy)
    if not stripped:
        assert verdict is None
        return
    assert isinstance(verdict, Advance)
    assert verdict.learned.answer.question == STRIPPING
    assert 'audio track 2 "Lo-fi"' in verdict.learned.answer.text
    # Once: an agent that adds it again is not asked for ever.
    assert (
        followed("Done.", unasked=[MUSIC], changed=True, post_production="strip", answers=[answer(STRIPPING)]) is None
    )


def test_the_turn_after_an_answer_says_the_answer_and_counts_by_itself():
    job = make_job(instructions=("one", "two"), instruction_index=0, answers=(answer(),))
    assert (job.turn_position, job.turn_text) == (1, "x")
    later = make_job(instructions=("one", "two"), instruction_index=1, answers=(answer(),))
    assert (later.turn_position, later.turn_text) == (2, "two")
