"""Several outputs of one job: each rendered, saved and told of by itself."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fakes.engine import RESULT
from fakes.upstream import RESULT_URL, state
from reelqueue import errors
from reelqueue.domain.jobs import EventType, Status, WaitingReason
from reelqueue.domain.outputs import Output
from reelqueue.domain.sessions import RenderState
from reelqueue.domain.upstream import RenderPhase, RenderReport
from reelqueue.domain.verdicts import Advance, Fail, Snooze

OUTPUTS = tuple(Output(quality=quality) for quality in ("low", "medium", "high"))
DONE = RenderReport(RenderPhase.COMPLETED, 100.0, RESULT_URL)
BROKEN = RenderReport(RenderPhase.FAILED, None, error="x")


def working(percent):
    return RenderReport(RenderPhase.PROCESSING, percent)


class Exporting:
    """A job of three outputs, whose steps run one after another as the runner would."""

    def __init__(self, bench):
        self.bench = bench
        bench.world.ready_project()
        bench.upstream.script("state", state("clip"))
        self.facts = {"status": Status.RENDERING, "outputs": OUTPUTS}
        self.told = []

    @property
    def claim(self):
        return self.bench.world.claim(**self.facts)

    def step(self):
        """One run, and what it writes."""
        steps = {Status.RENDERING: self.bench.render, Status.SAVING: self.bench.save}
        verdict = steps[self.facts["status"]].run(self.claim)
        if verdict.learned.exports is not None:
            self.facts["exports"] = verdict.learned.exports
        if verdict.learned.result is not None:
            self.facts["result"] = verdict.learned.result
        if isinstance(verdict, Advance):
            self.facts["status"] = verdict.to
            if verdict.event is EventType.EXPORTED:
                self.told.append(dict(verdict.data))
        return verdict

    def to_the_end(self):
        for _ in range(60):
            verdict = self.step()
            if isinstance(verdict, Fail) or verdict == Advance(Status.SUCCEEDED):
                return verdict
            if isinstance(verdict, Snooze):
                self.bench.clock.forward(verdict.seconds)
        raise AssertionError("no end")

    def reports(self, **by_quality):
        """Answer polls by the output's quality, the last answer staying."""
        plans = {quality: list(answers) for quality, answers in by_quality.items()}

        def answer(credential, render_id):
            [render] = [known for known in self.bench.world.renders if known.id == render_id]
            plan = plans[OUTPUTS[render.output_index].quality]
            said = plan.pop(0) if len(plan) > 1 else plan[0]
            if isinstance(said, Exception):
                raise said
            return said

        self.bench.upstream.render_report = answer


@pytest.fixture
def job(bench):
    return Exporting(bench)


def said(job):
    return [(told["output"], told["status"]) for told in job.told]


def test_all_are_submitted_in_one_run_each_under_an_id_stored_before(bench, job):
    assert job.step().seconds == 2
    assert bench.events() == [*("stored", "state", "submit_render"), *("stored", "submit_render") * 2]
    calls = bench.upstream.calls("submit_render")
    assert [call["output"].quality for call in calls] == ["low", "medium", "high"]
    assert [call["render_id"] for call in calls] == [render.id for render in bench.world.renders]


def test_each_goes_at_its_own_pace_and_all_are_waited_for(job):
    job.reports(low=[DONE], medium=[working(50), DONE], high=[working(20), working(80), DONE])
    job.step()
    first = job.step()
    assert isinstance(first, Snooze)
    assert [export.progress for export in first.learned.exports] == [100, 50, 20]
    assert first.learned.progress == 84
    assert isinstance(job.step(), Snooze)
    assert job.step().to is Status.SAVING
    assert job.to_the_end() == Advance(Status.SUCCEEDED)
    assert said(job) == [(1, "succeeded"), (2, "succeeded"), (3, "succeeded")]


def test_each_file_is_kept_under_its_number_and_told(bench, job):
    files = [replace(RESULT, blob_key=f"results/{number}") for number in (1, 2, 3)]
    bench.keeper.__init__(*files)
    job.reports(low=[DONE], medium=[DONE], high=[DONE])
    job.to_the_end()
    assert bench.keeper.numbers == [1, 2, 3]
    assert [export.result for export in job.facts["exports"]] == files
    assert job.facts["result"] == files[0]
    assert job.told[1]["quality"] == "medium"
    assert job.told[1]["result"]["url"].endswith("/outputs/2/result")
    assert "blob_key" not in job.told[1]["result"]


def test_one_that_fails_twice_loses_none_of_the_others(bench, job):
    job.reports(low=[DONE], medium=[BROKEN], high=[working(1), working(2), DONE])
    end = job.to_the_end()
    assert isinstance(end.cause, errors.RenderFailed)
    assert said(job) == [(2, "failed"), (1, "succeeded"), (3, "succeeded")]
    assert job.told[0]["error"]["code"] == errors.RenderFailed.code
    assert [render.output_index for render in bench.world.renders] == [0, 1, 2, 1]


def test_when_all_fail_the_job_does_with_the_first_error(job):
    job.reports(low=[BROKEN], medium=[BROKEN], high=[BROKEN])
    assert isinstance(job.to_the_end().cause, errors.RenderFailed)
    assert said(job) == [(1, "failed"), (2, "failed"), (3, "failed")]
    assert job.facts["status"] is Status.RENDERING


def test_one_that_never_ends_is_given_up_alone(bench, job):
    job.reports(low=[DONE], medium=[working(5)], high=[DONE])
    assert isinstance(job.to_the_end().cause, errors.RenderTimedOut)
    assert said(job) == [(2, "failed"), (1, "succeeded"), (3, "succeeded")]
    [call] = bench.upstream.calls("cancel_render")
    assert call["render_id"] == bench.world.renders[1].id


@pytest.mark.parametrize("arrived", [True, False])
def test_doubt_about_one_is_cleared_by_asking_for_that_one(bench, job, arrived):
    bench.upstream.script("submit_render", None, errors.UpstreamUnavailable(), None)
    job.step()
    states = [render.state for render in bench.world.renders]
    assert states == [RenderState.SUBMITTED, RenderState.PREPARED, RenderState.SUBMITTED]
    job.reports(low=[DONE], medium=[DONE] if arrived else [errors.RenderUnknown(), DONE], high=[DONE])
    assert job.to_the_end() == Advance(Status.SUCCEEDED)
    assert len(bench.upstream.calls("submit_render")) == (3 if arrived else 4)
    assert len(bench.world.renders) == 3


def test_what_is_not_about_one_output_is_the_jobs(bench, job):
    bench.upstream.script("submit_render", None, errors.ExportNotAllowed())
    with pytest.raises(errors.ExportNotAllowed):
        job.step()
    assert job.told == []


def test_a_429_rests_the_token_and_forgets_nothing_that_was_learned(bench, job):
    job.reports(low=[working(50), DONE], medium=[errors.RateLimited(retry_after=7), DONE], high=[working(10), DONE])
    job.step()
    pause = job.step()
    assert (pause.seconds, pause.reason, pause.exact) == (7, WaitingReason.UPSTREAM_BUSY, True)
    assert [export.progress for export in pause.learned.exports] == [50, 0, 0]
    assert job.to_the_end() == Advance(Status.SUCCEEDED)
    assert said(job) == [(1, "succeeded"), (2, "succeeded"), (3, "succeeded")]


def test_a_timeline_that_cannot_be_exported_fails_the_job(bench, job):
    bench.upstream.script("state", state())
    assert isinstance(job.step().cause, errors.NoTimeline)


def test_a_file_that_cannot_be_used_is_given_up_at_the_last_try(bench, job):
    job.reports(low=[DONE], medium=[DONE], high=[DONE])
    while job.facts["status"] is Status.RENDERING:
        job.step()
    bench.keeper.__init__(errors.ResultUnusable(), errors.ResultUnusable(), RESULT)
    with pytest.raises(errors.ResultUnusable):
        job.step()
    job.facts["attempt"] = 2
    job.step()
    job.facts["attempt"] = 0
    assert isinstance(job.to_the_end().cause, errors.ResultUnusable)
    assert said(job) == [(1, "failed"), (2, "succeeded"), (3, "succeeded")]


class Downloading(Exporting):
    """All are rendered, and the upstream names a URL for the others but none for the medium one."""

    def __init__(self, bench):
        super().__init__(bench)
        self.reports(low=[DONE], medium=[replace(DONE, url=None)], high=[DONE])
        while self.facts["status"] is Status.RENDERING:
            self.step()
        del bench.world.log[:]

    def last_try_at(self, output):
        """Save what comes before, and have one try left for this one."""
        for _ in range(output - 1):
            self.step()
        self.facts["attempt"] = 2
        verdict = self.step()
        self.facts["attempt"] = 0
        return verdict


FINAL = [
    errors.TokenRejected(),
    errors.UpstreamForbidden(),
    errors.ExportNotAllowed(),
    errors.SessionNotFound(),
    errors.UpstreamRequestInvalid(),
    errors.UpstreamRefused(),
]
PASSING = [errors.RenderUnknown(), errors.NotSent(), errors.UpstreamUnavailable(), errors.UpstreamProtocolError()]


@pytest.mark.parametrize("error", FINAL + PASSING, ids=lambda error: error.code)
def test_a_file_that_the_upstream_does_not_give_costs_no_other_output(bench, error):
    job = Downloading(bench)
    bench.upstream.script("download_render", error)
    job.last_try_at(2)
    assert isinstance(job.to_the_end().cause, type(error))
    assert said(job) == [(1, "succeeded"), (2, "failed"), (3, "succeeded")]


@pytest.mark.parametrize("error", FINAL, ids=lambda error: error.code)
def test_nothing_is_tried_again_for_a_file_that_was_refused_by_name(bench, error):
    job = Downloading(bench)
    bench.upstream.script("download_render", error)
    job.step()
    job.step()
    assert said(job) == [(1, "succeeded"), (2, "failed")]


@pytest.mark.parametrize("error", PASSING, ids=lambda error: error.code)
def test_a_file_that_may_come_yet_is_tried_for_again(bench, error):
    job = Downloading(bench)
    bench.upstream.script("download_render", error, errors.ResultUnusable())
    job.step()
    with pytest.raises(type(error)):
        job.step()
    assert said(job) == [(1, "succeeded")]


def test_a_render_without_a_file_is_asked_for_its_url_again(bench):
    job = Downloading(bench)
    bench.upstream.script("download_render", errors.RenderUnknown())
    job.reports(low=[DONE], medium=[DONE], high=[DONE])
    job.step()
    with pytest.raises(errors.RenderUnknown):
        job.step()
    assert job.to_the_end() == Advance(Status.SUCCEEDED)


def test_a_429_at_a_file_waits_and_costs_no_output(bench):
    job = Downloading(bench)
    bench.upstream.script("download_render", errors.RateLimited(retry_after=7))
    with pytest.raises(errors.RateLimited):
        job.last_try_at(2)
    assert said(job) == [(1, "succeeded")]


def test_what_helps_a_person_with_one_output_helps_with_the_job(bench):
    job = Downloading(bench)
    bench.upstream.script("download_render", errors.CreditsExhausted("None are left."))
    job.step()
    job.step()
    link = job.told[1]["error"]["link"]
    assert link.startswith("https://")
    cause = job.to_the_end().cause
    assert (type(cause), cause.message, cause.detail) == (
        errors.CreditsExhausted,
        "None are left.",
        {"link": link},
    )


def test_a_cancel_stops_every_render(bench, job):
    job.step()
    job.facts["cancel_requested_at"] = bench.clock.now()
    verdict = bench.cancel.run(job.claim)
    assert verdict.data == {"render": "canceled"}
    stopped = [call["render_id"] for call in bench.upstream.calls("cancel_render")]
    assert stopped == list(verdict.learned.stopped) == [render.id for render in bench.world.renders]
