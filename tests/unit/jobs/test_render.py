"""`rendering`, and what a cancel does to it: exports under ids of ours, polled by sleeping."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakes.engine import NOW, HandClock
from fakes.upstream import RESULT_URL, draft, state
from reelqueue import errors
from reelqueue.domain.claims import ClaimLost
from reelqueue.domain.jobs import Status, WaitingReason
from reelqueue.domain.outputs import Export, Output
from reelqueue.domain.sessions import RenderState
from reelqueue.domain.upstream import OutputSpec, RenderPhase, RenderReport
from reelqueue.domain.verdicts import Advance, Canceled, Fail, Learned, Snooze
from reelqueue.jobs.steps.render import PollSchedule, new_render_id

READY = state("clip")
DONE = RenderReport(RenderPhase.COMPLETED, 100.0, RESULT_URL)
SAVING = Advance(Status.SAVING, Learned(progress=95, exports=(Export(progress=100),)))
BROKEN = RenderReport(RenderPhase.FAILED, None, error="x")


def working(percent=None):
    return RenderReport(RenderPhase.PROCESSING, percent)


@pytest.fixture
def job(bench):
    bench.world.ready_project()
    bench.upstream.script("state", READY)

    def now(**changes):
        return bench.world.claim(**{"status": Status.RENDERING, **changes})

    return now


def submitted(bench, job):
    bench.render.run(job())
    [call] = bench.upstream.calls("submit_render")
    return call["render_id"]


# --- submitting -------------------------------------------------------------------------------------------------------


def test_the_id_is_on_record_before_it_is_used(bench, job):
    assert bench.render.run(job(outputs=(Output(format="webm", quality="low"),))) == Snooze(2, WaitingReason.RENDER)
    assert bench.events() == ["stored", "state", "submit_render"]
    [stored] = [entry[1] for entry in bench.world.log if entry[0] == "stored"]
    [call] = bench.upstream.calls("submit_render")
    assert call["render_id"] == stored
    assert call["draft"] == draft("clip")
    assert call["output"] == OutputSpec(format="webm", quality="low")
    assert bench.world.renders[0].state is RenderState.SUBMITTED


def test_a_lost_claim_submits_nothing(bench, job):
    claim = job()
    bench.world.epoch += 1
    with pytest.raises(ClaimLost):
        bench.render.run(claim)
    assert bench.upstream.calls("submit_render") == []


def test_there_must_be_something_to_export(bench, job):
    bench.upstream.script("state", state())
    assert isinstance(bench.render.run(job()).cause, errors.NoTimeline)


@pytest.mark.parametrize(
    "error",
    [errors.UpstreamUnavailable(), errors.UpstreamProtocolError(), errors.RenderIdTaken()],
    ids=lambda e: e.code,
)
@pytest.mark.parametrize("arrived", [True, False])
def test_after_doubt_that_very_id_is_asked_for_before_it_is_submitted_again(bench, job, error, arrived):
    bench.upstream.script("submit_render", error, None)
    bench.upstream.script("render_report", DONE if arrived else errors.RenderUnknown())
    assert isinstance(bench.render.run(job()), Snooze)
    assert bench.world.renders[0].state is RenderState.PREPARED
    del bench.world.log[:]
    verdict = bench.render.run(job())
    assert bench.events()[0] == "render_report"
    assert verdict == (SAVING if arrived else Snooze(2, WaitingReason.RENDER))
    assert len(bench.upstream.calls("submit_render")) == (0 if arrived else 1)
    assert len(bench.world.renders) == 1


def test_a_worker_that_died_before_the_post_leaves_an_id_that_is_asked_for_first(bench, job):
    """K18: the id is stored, nothing was sent."""
    bench.upstream.script("submit_render", MemoryError("the worker dies here"), None)
    bench.upstream.script("render_report", errors.RenderUnknown())
    with pytest.raises(MemoryError):
        bench.render.run(job())
    bench.render.run(job())
    ids = {call["render_id"] for call in bench.upstream.calls("submit_render")}
    assert ids == {bench.world.renders[0].id}
    assert len(bench.world.renders) == 1


@pytest.mark.parametrize("call", ["state", "submit_render"])
@pytest.mark.parametrize("error", [errors.NotSent(), errors.UpstreamUnavailable()], ids=lambda e: e.code)
def test_an_upstream_that_is_away_uses_up_no_attempt_but_the_budget(bench, job, call, error):
    bench.upstream.script(call, error)
    bench.upstream.script("render_report", errors.RenderUnknown())
    rounds = 0
    while isinstance(verdict := bench.render.run(job()), Snooze):
        bench.clock.forward(verdict.seconds)
        rounds += 1
    assert isinstance(verdict.cause, errors.RenderTimedOut)
    assert rounds > 10
    assert 600 <= (bench.clock.now() - NOW).total_seconds() <= 660


def test_a_plan_without_this_export_is_told_as_such(bench, job):
    bench.upstream.script("submit_render", errors.ExportNotAllowed())
    with pytest.raises(errors.ExportNotAllowed):
        bench.render.run(job())


# --- polling ----------------------------------------------------------------------------------------------------------


def test_polls_grow_further_apart_and_show_how_far_it_is(bench, job):
    submitted(bench, job)
    bench.upstream.script("render_report", working(None), working(0), working(50), working(100), DONE)
    waits = [bench.render.run(job()) for _ in range(4)]
    assert [wait.seconds for wait in waits] == [3.0, 4.5, 6.75, 10.125]
    assert [wait.learned for wait in waits] == [
        Learned(),
        Learned(),
        Learned(progress=82, exports=(Export(progress=50),)),
        Learned(progress=95, exports=(Export(progress=99),)),
    ]
    assert bench.render.run(job()) == SAVING
    assert bench.world.renders[0].url == RESULT_URL


@settings(deadline=None)
@given(st.integers(0, 10_000))
def test_no_wait_is_longer_than_the_longest(polls):
    assert 2 <= PollSchedule(first_s=2, longest_s=30, budget_s=600).wait(polls) <= 30


def test_the_budget_ends_it_and_stops_the_render(bench, job):
    submitted(bench, job)
    bench.upstream.script("render_report", working(1))
    bench.clock.forward(600)
    assert isinstance(bench.render.run(job()), Snooze)
    bench.clock.forward(1)
    assert isinstance(bench.render.run(job()).cause, errors.RenderTimedOut)
    assert len(bench.upstream.calls("cancel_render")) == 1


def test_a_render_that_cannot_be_stopped_times_out_all_the_same(bench, job):
    submitted(bench, job)
    bench.upstream.script("render_report", working(1))
    bench.upstream.script("cancel_render", errors.UpstreamUnavailable())
    bench.clock.forward(601)
    assert isinstance(bench.render.run(job()).cause, errors.RenderTimedOut)


@pytest.mark.parametrize(
    "error", [errors.NotSent(), errors.UpstreamUnavailable(), errors.UpstreamProtocolError()], ids=lambda e: e.code
)
def test_a_poll_that_fails_is_made_again_and_no_attempt_is_used_up(bench, job, error):
    submitted(bench, job)
    bench.upstream.script("render_report", *[error] * 12, DONE)
    for _ in range(12):
        assert isinstance(bench.render.run(job()), Snooze)
    assert bench.render.run(job()) == SAVING


def test_a_failed_render_gets_one_new_id(bench, job):
    submitted(bench, job)
    bench.upstream.script("render_report", BROKEN)
    assert isinstance(bench.render.run(job()), Snooze)
    assert isinstance(bench.render.run(job()), Snooze)
    assert isinstance(bench.render.run(job()).cause, errors.RenderFailed)
    assert len({call["render_id"] for call in bench.upstream.calls("submit_render")}) == 2
    assert [render.attempt for render in bench.world.renders] == [1, 2]


def test_a_worker_that_died_on_the_last_failure_does_not_start_a_third(bench, job):
    submitted(bench, job)
    bench.upstream.script("render_report", BROKEN)
    for _ in range(3):
        bench.render.run(job())
    assert isinstance(bench.render.run(job()), Fail)
    assert len(bench.world.renders) == 2


def test_a_render_just_submitted_may_not_be_listed_yet(bench, job):
    submitted(bench, job)
    bench.upstream.script("render_report", errors.RenderUnknown(), errors.RenderUnknown(), DONE)
    assert isinstance(bench.render.run(job()), Snooze)
    assert isinstance(bench.render.run(job()), Snooze)
    assert bench.render.run(job()) == SAVING
    assert len(bench.world.renders) == 1


def test_a_render_that_stays_unknown_has_failed(bench, job):
    submitted(bench, job)
    bench.upstream.script("render_report", errors.RenderUnknown())
    bench.clock.forward(11)
    assert isinstance(bench.render.run(job()), Snooze)
    assert bench.world.renders[0].state is RenderState.FAILED


def test_a_worker_that_died_after_the_end_was_written_goes_on(bench, job):
    """K22."""
    submitted(bench, job)
    bench.render.run(job())
    del bench.world.log[:]
    assert bench.render.run(job()) == SAVING
    assert bench.events() == []


def test_without_a_session_there_is_nothing_to_export(bench, job):
    bench.world.bound = None
    assert isinstance(bench.render.run(job()).cause, errors.SessionNotFound)


# --- ids --------------------------------------------------------------------------------------------------------------


def test_ids_have_the_upstreams_form_and_cannot_collide_on_a_clock_that_stands_still():
    clock = HandClock()
    ids = {new_render_id(clock) for _ in range(10_000)}
    assert len(ids) == 10_000
    assert all(re.fullmatch(r"render_1772366400000_[0-9a-f]{32}", one) for one in ids)


# --- canceled ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (True, "canceled"),
        (False, "running_on"),
        (errors.UpstreamUnavailable(), "unknown"),
        (errors.RenderUnknown(), "unknown"),
    ],
)
def test_a_cancel_stops_the_render_and_tells_what_came_of_it(bench, job, answer, told):
    render_id = submitted(bench, job)
    bench.upstream.script("cancel_render", answer)
    proven = Learned(stopped=(render_id,) if told == "canceled" else ())
    assert bench.cancel.run(job(cancel_requested_at=NOW)) == Canceled(proven, {"render": told})
    assert [call["render_id"] for call in bench.upstream.calls("cancel_render")] == [render_id]


@pytest.mark.parametrize("status", [Status.QUEUED, Status.UPLOADING, Status.RENDERING, Status.SAVING])
def test_a_cancel_before_anything_runs_asks_nobody(bench, job, status):
    assert bench.cancel.run(job(status=status, cancel_requested_at=NOW)) == Canceled()
    assert bench.events() == []
