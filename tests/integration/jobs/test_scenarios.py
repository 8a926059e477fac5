"""Every scenario of the twin's catalogue, played by the real engine: jobs end as the catalogue says."""

from __future__ import annotations

import pytest

from fakes.rehearsal import SPEED, Rehearsal
from fakes.twin import Process, Twin
from nemotwin.scenarios.catalog import catalog
from reelqueue.domain.jobs import Job, Status

WISH = "create a 5 second video of the sea"


@pytest.fixture(scope="module")
def process(tmp_path_factory):
    started = Process(tmp_path_factory.mktemp("twin"), "--speed", SPEED, "--film-max-side", 64, "--seed", 1)
    yield started
    started.stop()


@pytest.fixture
def twin(process):
    running = Twin(process)
    running.settings(film_fps=6)
    yield running
    running.close()


@pytest.fixture
def user(twin):
    return twin.user()


@pytest.fixture
def rehearsal(database_url, tmp_path, twin, user):
    made = Rehearsal(database_url, tmp_path, twin_url=twin.url, token=user.token)
    yield made
    made.close()


def told(job: Job) -> str:
    """How a job ended, as the catalogue spells it."""
    return f"failed({job.error.code})" if job.status is Status.FAILED else job.status.value


def played(rehearsal: Rehearsal, *instructions: str, **wishes) -> tuple[Job, str]:
    """The job at its end, and how it came there; questions are answered."""
    job = rehearsal.run(rehearsal.submit(*instructions, **wishes))
    way = ""
    if job.status is Status.REQUIRES_INPUT:
        way = "requires_input, then "
        rehearsal.answer(job.id, "Golden")
        job = rehearsal.run(job.id)
    return job, way + told(job)


@pytest.mark.parametrize("name", catalog())
def test_a_job_ends_as_the_catalogue_says(rehearsal, name):
    job, outcome = played(rehearsal, f"[scenario: {name}] {WISH}")
    assert outcome == catalog()[name].outcome, job
