"""Why a job waits, from the facts of one moment."""

from __future__ import annotations

from datetime import timedelta

import pytest

from fakes.engine import JOB, NOW, make_job
from reelqueue.domain.estimates import Estimates
from reelqueue.domain.explanations import CHANGES, EXPLANATIONS
from reelqueue.domain.jobs import Status, Waiting, WaitingReason
from reelqueue.domain.why import Facts, TokenFacts, blocking, explain

KNOWN = Estimates(samples=30, basis="own", work_p50_s=100, work_p90_s=200, wait_p50_s=10, wait_p90_s=40)


def after(seconds):
    return NOW + timedelta(seconds=seconds)


def facts(reason=WaitingReason.TURN, *, until=None, status=Status.QUEUED, **changes):
    waiting = None if reason is None else Waiting(reason=reason, since=NOW, until=until)
    given = {
        "job": make_job(status=status, waiting=waiting),
        "now": NOW,
        "admitted_at": None,
        "due_at": NOW,
        "running": 0,
        "max_running": 50,
        "paused": False,
        "share": 1.0,
        "place": 0,
    }
    return Facts(**{**given, **changes})


@pytest.mark.parametrize("reason", list(WaitingReason))
def test_every_reason_is_explained_for_new_jobs_and_for_those_at_work(reason):
    for admitted_at in (None, NOW):
        why = explain(facts(reason, admitted_at=admitted_at, until=after(5)), KNOWN)
        assert (why.state, why.blocker.reason) == ("waiting", reason.value)
        assert why.text
        assert "{" not in why.text
        assert all(one.text for one in why.changes)


def test_the_sentences_and_the_changes_fit_each_other():
    assert {do for one in EXPLANATIONS.values() for do in one.changes} == set(CHANGES)
    assert {reason.value for reason in WaitingReason} <= set(EXPLANATIONS)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, "its_turn"),
        ({"paused": True, "running": 50}, "tenant_paused"),
        ({"running": 50}, "tenant_cap"),
        ({"running": 50, "admitted_at": NOW}, "its_turn"),
        ({"token": TokenFacts(own=True, full=True)}, "token_room"),
        ({"token": TokenFacts(own=True, full=True, cooling_until=after(9))}, "token_cooling"),
        ({"token": TokenFacts(own=True, cooling_until=after(-9))}, "its_turn"),
    ],
)
def test_a_new_job_waits_for_what_dispatch_would_meet_first(changes, reason):
    assert blocking(facts(**changes)) == reason


def test_a_busy_project_comes_before_all_else():
    busy = facts(WaitingReason.PROJECT, running=50, paused=True, project_job="job_one")
    assert blocking(busy) == "project_busy"
    assert "job_one" in explain(busy, KNOWN).text


def test_the_figures_are_in_the_sentence_and_the_change_has_its_moment_and_its_place():
    capped = explain(facts(running=7, max_running=7), KNOWN)
    assert ("7 of your jobs" in capped.text, capped.changes[0].do) == (True, "raise_max_running")
    cooling = explain(facts(token=TokenFacts(own=False, cooling_until=after(30))), KNOWN)
    assert [(one.do, one.until) for one in cooling.changes] == [("wait", after(30))]
    poor = explain(facts(WaitingReason.CREDITS, admitted_at=NOW, until=after(300)), KNOWN, link="https://buy.example")
    assert [(one.do, one.link) for one in poor.changes] == [("top_up", "https://buy.example"), ("wait", None)]
    asked = explain(facts(WaitingReason.ANSWER, admitted_at=NOW, until=after(60)), KNOWN)
    assert [(one.do, one.until, one.link) for one in asked.changes] == [("answer", after(60), f"/v1/jobs/{JOB}/answer")]


def test_what_nobody_waits_for_says_so():
    working = explain(facts(None, admitted_at=after(-40)), KNOWN)
    assert (working.state, working.blocker, working.changes) == ("working", None, ())
    ended = explain(facts(None, status=Status.CANCELED), KNOWN)
    assert (ended.state, ended.eta, ended.text) == ("ended", None, "The job has ended: it was canceled.")


# --- when it will be done ---------------------------------------------------------------------------------------------


def eta(**changes):
    found = explain(facts(**changes), KNOWN).eta
    return (
        None
        if found is None
        else [
            None if moment is None else (moment - NOW).total_seconds()
            for moment in (found.start_p50, found.start_p90, found.finish_p50, found.finish_p90)
        ]
    )


def waited(seconds):
    return make_job(created_at=after(-seconds), waiting=Waiting(reason=WaitingReason.TURN, since=NOW))


def test_a_new_job_waits_as_others_did_and_then_works_as_others_did():
    assert eta() == [10, 40, 110, 240]


def test_what_it_has_waited_counts():
    assert eta(job=waited(15)) == [0, 25, 100, 225]


def test_at_a_full_cap_those_before_it_have_to_end_first():
    assert eta(running=2, max_running=2, place=5) == [300, 600, 400, 800]


def test_nothing_begins_before_the_moment_that_is_waited_for():
    assert eta(token=TokenFacts(own=True, cooling_until=after(60))) == [60, 60, 160, 260]


@pytest.mark.parametrize(
    ("reason", "changes", "expected"),
    [
        (None, {"admitted_at": after(-30)}, [None, None, 70, 170]),
        (None, {"admitted_at": after(-150)}, [None, None, 0, 50]),
        (None, {"admitted_at": after(-200)}, None),
        (WaitingReason.RENDER, {"admitted_at": after(-95), "until": after(20)}, [None, None, 20, 105]),
        (WaitingReason.ANSWER, {"admitted_at": after(-30)}, None),
        (WaitingReason.TURN, {"paused": True}, None),
    ],
    ids=["at work", "slower than half", "slower than nine in ten", "polled", "up to its owner", "paused"],
)
def test_at_work_the_rest_of_the_time_is_left(reason, changes, expected):
    assert eta(reason=reason, **changes) == expected


def test_without_history_nothing_is_promised():
    assert explain(facts(), Estimates(wait_p50_s=1, wait_p90_s=2)).eta is None
