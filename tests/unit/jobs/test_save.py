"""`saving`: the finished file is fetched, checked and kept."""

from __future__ import annotations

import pytest

from fakes.engine import RESULT
from fakes.upstream import RESULT_URL, state
from reelqueue import errors
from reelqueue.domain.jobs import Status
from reelqueue.domain.outputs import Export
from reelqueue.domain.upstream import RenderPhase, RenderReport
from reelqueue.domain.verdicts import Advance, Learned

KEPT = Advance(Status.SUCCEEDED, Learned(result=RESULT, progress=100, exports=(Export(progress=100, result=RESULT),)))
ELSEWHERE = "https://other.invalid/file.mp4"


@pytest.fixture
def job(bench):
    """A job whose render is completed."""
    bench.world.ready_project()
    bench.upstream.script("state", state("clip"))
    rendering = bench.world.claim(status=Status.RENDERING)
    bench.render.run(rendering)
    bench.render.run(rendering)
    del bench.world.log[:]
    return lambda: bench.world.claim(status=Status.SAVING)


def keeping(bench, *outcomes):
    bench.keeper.__init__(*outcomes)
    return bench.keeper


def test_the_file_is_fetched_from_where_the_upstream_says(bench, job):
    assert bench.save.run(job()) == KEPT
    assert bench.keeper.urls == [RESULT_URL]
    assert bench.events() == []


def test_a_url_that_does_not_serve_the_file_is_asked_for_anew(bench, job):
    keeper = keeping(bench, errors.ResultUnusable(), RESULT)
    bench.upstream.script("render_report", RenderReport(RenderPhase.COMPLETED, 100.0, ELSEWHERE))
    with pytest.raises(errors.ResultUnusable):
        bench.save.run(job())
    assert bench.save.run(job()) == KEPT
    assert keeper.urls == [RESULT_URL, ELSEWHERE]


def test_without_a_url_the_download_route_is_used(bench, job):
    keeper = keeping(bench, errors.ResultUnusable(), RESULT)
    bench.upstream.script("render_report", RenderReport(RenderPhase.COMPLETED, 100.0, None))
    with pytest.raises(errors.ResultUnusable):
        bench.save.run(job())
    assert bench.save.run(job()) == KEPT
    assert keeper.urls == [RESULT_URL, None]
    [call] = bench.upstream.calls("download_render")
    assert call["max_bytes"] == 1000


def test_the_download_route_may_name_another_place(bench, job):
    keeper = keeping(bench, errors.ResultUnusable(), RESULT)
    bench.upstream.script("render_report", RenderReport(RenderPhase.COMPLETED, 100.0, None))
    bench.upstream.script("download_render", ELSEWHERE)
    with pytest.raises(errors.ResultUnusable):
        bench.save.run(job())
    assert bench.save.run(job()) == KEPT
    assert keeper.urls == [RESULT_URL, None, ELSEWHERE]


@pytest.mark.parametrize(
    "answer",
    [
        errors.UpstreamUnavailable(),
        errors.RenderUnknown(),
        RenderReport(RenderPhase.PROCESSING, 50.0),
        RenderReport(RenderPhase.FAILED, None),
    ],
)
def test_an_answer_that_helps_nobody_leaves_the_url_as_it_was(bench, job, answer):
    keeping(bench, errors.ResultUnusable())
    bench.upstream.script("render_report", answer)
    with pytest.raises(errors.ResultUnusable):
        bench.save.run(job())
    assert bench.world.renders[0].url == RESULT_URL


@pytest.mark.parametrize("error", [errors.UpstreamUnavailable(), errors.StorageFull(), errors.DependencyUnavailable()])
def test_what_is_not_the_files_fault_asks_nobody_for_another_url(bench, job, error):
    keeping(bench, error)
    with pytest.raises(type(error)):
        bench.save.run(job())
    assert bench.events() == []


def test_keeping_it_twice_is_keeping_it_once(bench, job):
    """K24: the file is durable, and the worker died before the job was done."""
    assert bench.save.run(job()) == bench.save.run(job()) == KEPT


def test_without_session_or_render_there_is_nothing_to_fetch(bench, job):
    bench.world.renders.clear()
    assert isinstance(bench.save.run(job()).cause, errors.SessionNotFound)
