"""Every scenario of the twin's catalogue, played by the real engine: jobs end as the catalogue says."""

from __future__ import annotations

import re

import pytest

from fakes.engine import every_error
from fakes.rehearsal import SPEED, Rehearsal
from fakes.twin import Process, Twin
from nemotwin.scenarios.catalog import catalog
from reelqueue.domain.jobs import Job, Policies, Status
from reelqueue.errors import UpstreamError

ANSWER = "Golden"
NOT_REHEARSED = {
    "upstream_error": "the family of the others",
    "upstream_turn_interrupted": "passes on to what is found out",
    "upstream_rate_limited": "is waited for as long as it takes",
    "upstream_throttled": "is ours, before anything is sent, and waited for",
    "upstream_token_cooling": "is ours, before anything is sent, and waited for",
    "upstream_token_blocked": "is ours, before anything is sent, and waited for",
    "upstream_render_id_taken": "the id is asked for",
    "upstream_render_unknown": "the id is asked for, or submitted again",
    "upstream_client_id_missing": "there is no session yet",
    "upstream_unreachable": "what has not arrived names no session",
    "upstream_file_unsupported": "the files go up before the first instruction",
    "upstream_file_too_large": "the files go up before the first instruction",
    "upstream_refused": "the twin has no code that nobody has documented",
    "upstream_protocol_error": "a turn that was sent is asked about for six hours",
    "question_asked": "`question`, if the job may not wait",
    "question_unanswered": "`question`, if nobody answers",
}
"""Why these ends have no scenario of their own. `docs/scenarios.md` says it to users."""
WISH = "create a 5 second video of the sea"


@pytest.fixture(scope="module")
def process(tmp_path_factory):
    started = Process(tmp_path_factory.mktemp("twin"), "--speed", SPEED, "--film-max-side", 64, "--seed", 1)
    yield started
    started.stop()


@pytest.fixture
def twin(process):
    running = Twin(process)
    running.control("reset")
    running.settings(film_fps=6, silent_rate=0.0, trailing_issue_rate=0.0)
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
        rehearsal.answer(job.id, ANSWER)
        job = rehearsal.run(job.id)
    return job, way + told(job)


def struck(twin, name: str) -> set[str]:
    """The calls that met a scenario."""
    twin_saw = twin.ledger(only="requests")["requests"]
    return {line["endpoint"] for line in twin_saw if line["fault"] == name}


@pytest.mark.parametrize("name", catalog())
def test_a_job_ends_as_the_catalogue_says(rehearsal, twin, name):
    message = f"[scenario: {name}] {WISH}"
    job, outcome = played(rehearsal, message)
    assert outcome == catalog()[name].outcome, job
    assert struck(twin, name) == {rule.call for rule in catalog()[name].rules}
    assert {turn["message"] for turn in twin.ledger(only="turns")["turns"]} <= {message, ANSWER}


def test_every_way_that_nemovideo_can_end_a_job_is_in_the_catalogue():
    rehearsed = {outcome for scenario in catalog().values() for outcome in re.findall(r"\((\w+)\)", scenario.outcome)}
    assert rehearsed | set(NOT_REHEARSED) == {error.code for error in every_error() if issubclass(error, UpstreamError)}
    assert rehearsed.isdisjoint(NOT_REHEARSED)


def test_a_question_fails_the_job_that_may_not_wait(rehearsal):
    _, outcome = played(rehearsal, f"[scenario: question] {WISH}", policies=Policies(on_question="fail"))
    assert outcome == "failed(question_asked)"


def test_a_job_keeps_its_scenario_over_its_instructions(rehearsal, twin):
    """The second one has no prefix, and the rules hold for it all the same."""
    job, outcome = played(rehearsal, f"[scenario: silent_edit] {WISH}", "add music")
    assert outcome == "succeeded"
    assert [receipt["outcome"] for receipt in job.receipts] == ["silent_changed", "silent_changed"]


def test_a_later_instruction_chooses_another_scenario(rehearsal, twin):
    job, outcome = played(rehearsal, f"[scenario: silent_edit] {WISH}", "[scenario: export_blocked] add music")
    assert outcome == "failed(upstream_export_blocked)"
    assert [receipt["outcome"] for receipt in job.receipts] == ["silent_changed", "text"]


def test_a_scenario_of_ones_own(rehearsal, twin):
    text = "mine: {rules: [{turn: 2, say: On it., heartbeats: 40s, drop_after: 1200, finish: true}]}"
    assert twin.http.post("/_twin/scenarios", content=text).status_code == 200
    job, outcome = played(rehearsal, f"[scenario: mine] {WISH}", "add a title 'Sea' and music")
    assert outcome == "succeeded"
    assert [receipt["recovered"] for receipt in job.receipts] == [False, True]


def test_a_name_that_nobody_knows_ends_without_a_timeline_and_the_receipt_says_why(rehearsal, twin):
    job, outcome = played(rehearsal, f"[scenario: silent_edti] {WISH}")
    assert outcome == "failed(upstream_no_timeline)"
    assert "There is no scenario named silent_edti" in str(job.receipts[0])
    assert job.billing.spent == 0
