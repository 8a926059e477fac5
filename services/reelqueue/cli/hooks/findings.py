"""What a receiver's answers say of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from reelqueue.cli.hooks.checks import Case
from reelqueue.cli.hooks.sending import words_of
from reelqueue.webhooks.sender import DeliveryOutcome

SLOW_MS: Final = 5_000
"""A receiver that takes a third of its time when nothing else goes on will not keep it when much does."""

_LATER: Final = frozenset({408, 425, 429})


Verdict = Literal["ok", "warning", "wrong"]


@dataclass(frozen=True, slots=True)
class Finding:
    """How a case went. `answers` are the statuses, each once; `wrong` is what is not right, if anything."""

    case: Case
    verdict: Verdict
    answers: str
    slowest_ms: int
    wrong: str = ""

    @property
    def advice(self) -> str:
        """What to do about it. Nothing where the receiver was not reached, or the words say it already."""
        return self.case.why if self.verdict == "wrong" and self.answers[:1].isdigit() else ""


def judge(case: Case, outcomes: Sequence[DeliveryOutcome]) -> Finding:
    """What to say of a case. The worst of its tries counts."""
    verdict, words = _verdict(case, outcomes)
    answers = ", ".join(sorted({str(outcome.status or outcome.error_class) for outcome in outcomes}))
    return Finding(case, verdict, answers, max(outcome.elapsed_ms for outcome in outcomes), words)


def _verdict(case: Case, outcomes: Sequence[DeliveryOutcome]) -> tuple[Verdict, str]:
    fault = _not_taken if case.should == "taken" else _not_refused
    for words in map(fault, outcomes):
        if words:
            return "wrong", words
    if case.should == "refused" and any((outcome.status or 0) >= 500 for outcome in outcomes):
        return "warning", "It broke over it. Answer 4xx, so that your alarms tell the two apart."
    if any(outcome.elapsed_ms > SLOW_MS for outcome in outcomes):
        return "warning", "It is slow: a try fails after 15 seconds, whatever comes then."
    return "ok", ""


def _not_taken(outcome: DeliveryOutcome) -> str:
    if outcome.delivered:
        return ""
    if outcome.gone:
        return "410 says that no more is wanted: the endpoint would be disabled."
    return f"It was not taken: {words_of(outcome) or 'the answer is no 2xx'}."


def _not_refused(outcome: DeliveryOutcome) -> str:
    status = outcome.status
    if outcome.delivered:
        return "It was taken."
    if outcome.error_class != "status" or status is None:
        return f"It was not refused with a 4xx: {words_of(outcome)}."
    if outcome.gone:
        return "410 says that no more is wanted: whoever forges a message could have the endpoint disabled."
    return f"{status} says to come again later." if status in _LATER else ""
