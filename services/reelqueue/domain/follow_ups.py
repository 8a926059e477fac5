"""What a turn leaves to be said: an answer to the agent's question, or a word about what nobody asked for. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from reelqueue.domain.jobs import Answer, Job, Status
from reelqueue.domain.questions import question_in
from reelqueue.domain.upstream import TurnReport
from reelqueue.domain.verdicts import Advance, Ask, Fail, Learned, Verdict
from reelqueue.errors import QuestionAsked

STRIPPING: Final = "post_production"
"""In place of a question, in the answer that takes finishing touches away."""


def follow_up(
    job: Job, receipt: Mapping[str, Any], report: TurnReport | None, *, changed: bool, learned: Learned
) -> Verdict | None:
    """The verdict on a turn that is not the last of its instruction; `None` where the instruction is done.

    `learned` is what the turn taught, as if the instruction were done. A question goes to its owner, or gets the
    policy's answer, once an instruction: an agent that asks again was not helped by it.
    """
    waits = replace(learned, instruction_index=None)
    question = None if report is None else question_in(report.texts, changed=changed)
    if question is not None:
        return _asked(job, question, waits)
    extra = receipt["unasked"]
    if extra and job.policies.post_production == "strip" and not _stripped(job):
        return _said(job, STRIPPING, _strip_text(extra), waits)
    return None


def _asked(job: Job, question: str, waits: Learned) -> Verdict:
    answered = any(one.instruction == job.instruction_index and one.question != STRIPPING for one in job.answers)
    match job.policies.on_question:
        case "fail":
            return Fail(QuestionAsked(), waits)
        case "answer" if job.policies.answer_text and not answered:
            return _said(job, question, job.policies.answer_text, waits)
        case _:
            return Ask(question, waits)


def _said(job: Job, question: str, text: str, waits: Learned) -> Advance:
    answer = Answer(instruction=job.instruction_index, question=question, text=text, by="policy")
    data = {"instruction": job.instruction_index + 1, "answered": "policy"}
    return Advance(Status.INSTRUCTING, replace(waits, answer=answer), data)


def _stripped(job: Job) -> bool:
    return any(one.question == STRIPPING and one.instruction == job.instruction_index for one in job.answers)


def _strip_text(extra: list[Mapping[str, Any]]) -> str:
    named = "; ".join(f'{track["kind"]} track {track["index"]} "{track["name"] or "untitled"}"' for track in extra)
    return f"Remove these tracks and change nothing else: {named}."
