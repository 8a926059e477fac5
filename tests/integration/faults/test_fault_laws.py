"""The laws notice what they are there for: a sound outcome with one thing wrong."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fakes.fault_laws import broken
from reelqueue.domain.jobs import Billing, JobError, Status

CODE = {"message": "x", "blame": "upstream", "retryable": False, "fix": "x"}


@pytest.fixture(scope="module")
def sound(fault_run):
    return replace(fault_run.run(None), struck=1)


def ledger(outcome, kind, lines):
    return replace(outcome, ledger={**outcome.ledger, kind: lines})


def ended(outcome, code, **billing):
    """The same, but failed with this code."""
    billing = Billing(**billing)
    spent = None if billing.certainty == "unknown" else billing.spent
    job = replace(
        outcome.job, status=Status.FAILED, error=JobError(code=code, spent=spent, **CODE), result=None, billing=billing
    )
    return replace(outcome, job=job, events=(*outcome.events[:-1], (outcome.events[-1][0], "job.failed")))


def twice(outcome, kind):
    return ledger(outcome, kind, [*outcome.ledger[kind], *outcome.ledger[kind]])


WRONG = {
    "the fault never struck": lambda o: replace(o, struck=0),
    "a second turn": lambda o: twice(o, "turns"),
    "a turn that we take for unsent": lambda o: replace(o, turns=("ready",)),
    "a turn without an intent": lambda o: replace(o, turns=()),
    "a render that we do not know": lambda o: replace(o, renders=frozenset()),
    "a session that we do not know": lambda o: replace(o, sessions=()),
    "an input that is there twice": lambda o: ledger(o, "uploads", [{**o.ledger["uploads"][0], "duplicate": True}]),
    "a token in a URL": lambda o: ledger(o, "tokens_in_urls", o.ledger["requests"][:1]),
    "a bearer at the storage": lambda o: ledger(o, "bearers_at_cdn", o.ledger["requests"][:1]),
    "another film": lambda o: replace(o, films={"render": "0" * 64}),
    "a success without a change": lambda o: ledger(o, "turns", [{**o.ledger["turns"][0], "changed_state": False}]),
    "a charge that nobody told of": lambda o: twice(o, "charges"),
    "an end too many": lambda o: replace(o, events=(*o.events, (len(o.events) + 1, "job.failed"))),
    "a gap in the events": lambda o: replace(o, events=(o.events[0], *o.events[2:])),
    "no end": lambda o: replace(o, events=o.events[:-1]),
    "a fault of ours": lambda o: ended(o, "internal_error", spent=100.0, certainty="inferred"),
    "an outcome that could be known": lambda o: ended(o, "outcome_unknown", spent=100.0, certainty="inferred"),
    "a cost that could be known": lambda o: ended(o, "upstream_no_timeline", certainty="unknown"),
    "a wait for nothing": lambda o: replace(o, job=replace(o.job, status=Status.RENDERING), events=o.events[:-1]),
}


def test_a_sound_outcome_breaks_none(sound):
    assert broken(sound) == []


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_wrong_is_noticed(sound, wrong):
    assert broken(WRONG[wrong](sound)) != []
