"""`queued` and `uploading`: the session behind a job, and what goes into it."""

from __future__ import annotations

import pytest

from fakes.engine import TOKEN, job_input, make_asset
from fakes.upstream import state
from reelqueue.domain.claims import ClaimLost
from reelqueue.domain.jobs import Policies, Status, WaitingReason
from reelqueue.domain.sessions import ProjectState
from reelqueue.domain.tokens import TokenHealth
from reelqueue.domain.upstream import UploadedFile
from reelqueue.domain.verdicts import Advance, Snooze
from reelqueue.errors import (
    CreditsExhausted,
    NotSent,
    NoUpstreamToken,
    RateLimited,
    SessionNotFound,
    TokenRejected,
    UpstreamForbidden,
    UpstreamUnavailable,
)
from reelqueue.jobs.session import MOST_TOKENS
from reelqueue.jobs.steps.instruct import CREDITS_AGAIN_S

URL = "https://files.example/a.png"
FIRST_TURN = Advance(Status.INSTRUCTING, data={"instruction": 1})


@pytest.fixture
def inputs(bench):
    """Two pictures of ours and a URL that the upstream fetches."""
    assets = [make_asset(1), make_asset(2)]
    bench.world.assets = {asset.id: asset for asset in assets}
    return (job_input(0, asset=assets[0]), job_input(1, asset=assets[1]), job_input(2, url=URL))


def names(bench):
    """Everything that was sent up, in order."""
    files = [name for call in bench.upstream.calls("upload_files") for name in call["names"]]
    return files + [url for call in bench.upstream.calls("upload_urls") for url in call["urls"]]


# --- queued -----------------------------------------------------------------------------------------------------------


def test_the_session_is_known_to_us_before_it_exists(bench):
    assert bench.open.run(bench.world.claim()) == Advance(Status.UPLOADING)
    assert bench.events() == ["project begun", "create_session"]
    [project] = bench.world.projects.values()
    assert (project.state, project.token_id) == (ProjectState.READY, TOKEN)


def test_a_session_that_is_there_is_not_made_again(bench):
    bench.world.ready_project()
    bench.open.run(bench.world.claim())
    assert bench.upstream.sessions == 0


def test_a_session_whose_answer_was_lost_stays_on_record_and_another_is_made(bench):
    bench.upstream.script("create_session", UpstreamUnavailable())
    with pytest.raises(UpstreamUnavailable):
        bench.open.run(bench.world.claim())
    bench.upstream.script("create_session", lambda **_: bench.upstream._new_session())
    bench.open.run(bench.world.claim())
    [broken_off], [project] = bench.world.former, bench.world.projects.values()
    assert (broken_off.state, project.state) == (ProjectState.CREATING, ProjectState.READY)
    assert (project.id, project.opening, bench.world.bound) == ("prj_1", 2, "prj_1")


def test_the_language_is_the_jobs_or_english(bench):
    bench.open.run(bench.world.claim(language="zh"))
    bench.world.bound = None
    bench.open.run(bench.world.claim())
    assert [call["language"] for call in bench.upstream.calls("create_session")] == ["zh", "en"]


def test_without_a_token_nothing_is_begun(bench):
    bench.world.tokens.clear()
    with pytest.raises(NoUpstreamToken):
        bench.open.run(bench.world.claim())
    assert bench.world.projects == {}


def test_a_job_waits_while_the_token_cools(bench):
    bench.desk.refused(bench.desk.for_token(TOKEN), RateLimited(retry_after=9))
    with pytest.raises(RateLimited) as caught:
        bench.open.run(bench.world.claim())
    assert caught.value.retry_after == 9


@pytest.mark.parametrize("refusal", [TokenRejected, CreditsExhausted])
def test_a_token_that_died_after_it_was_reserved_is_set_aside_and_another_is_used(bench, refusal):
    bench.world.add_token("tok_dead", secret="dead")
    claim = bench.world.claim(token_id="tok_dead")

    def refuse_the_dead(*, token, **_):
        if token == "dead":
            raise refusal
        return bench.upstream._new_session()

    bench.upstream.script("create_session", refuse_the_dead)
    assert bench.open.run(claim) == Advance(Status.UPLOADING)
    [project] = bench.world.projects.values()
    assert (project.state, project.token_id) == (ProjectState.READY, TOKEN)
    assert bench.world.tokens["tok_dead"].health is not TokenHealth.OK
    assert bench.upstream.sent == []


def test_a_token_that_may_not_make_a_session_is_noted_and_another_is_used(bench):
    bench.world.add_token("tok_limited", secret="limited")

    def refuse_the_limited(*, token, **_):
        if token == "limited":
            error = UpstreamForbidden()
            error.scope = "write"
            raise error
        return bench.upstream._new_session()

    bench.upstream.script("create_session", refuse_the_limited)
    assert bench.open.run(bench.world.claim(token_id="tok_limited")) == Advance(Status.UPLOADING)
    [project] = bench.world.projects.values()
    assert project.token_id == TOKEN
    assert bench.world.tokens["tok_limited"].refused == ("write",)


@pytest.mark.parametrize("refusal", [TokenRejected, CreditsExhausted, UpstreamForbidden])
def test_where_there_is_no_other_token_the_refusal_is_what_the_job_is_told(bench, refusal):
    bench.upstream.script("create_session", refusal())
    with pytest.raises(refusal):
        bench.open.run(bench.world.claim())
    assert len(bench.upstream.calls("create_session")) == 1


def test_no_more_than_a_few_tokens_are_tried(bench):
    for number in range(MOST_TOKENS + 2):
        bench.world.add_token(f"tok_{number}")
    bench.upstream.script("create_session", TokenRejected())
    with pytest.raises(TokenRejected):
        bench.open.run(bench.world.claim())
    assert len(bench.upstream.calls("create_session")) == MOST_TOKENS


def test_a_job_that_shall_wait_for_credits_waits_for_a_token_with_some(bench):
    policies = Policies(on_no_credits="wait")
    bench.upstream.script("create_session", CreditsExhausted())
    claim = bench.world.claim(policies=policies)
    assert bench.open.run(claim) == Snooze(CREDITS_AGAIN_S, WaitingReason.CREDITS)
    assert bench.open.run(claim) == Snooze(CREDITS_AGAIN_S, WaitingReason.CREDITS)
    assert len(bench.upstream.calls("create_session")) == 1


def test_a_lost_claim_begins_nothing_upstream(bench):
    claim = bench.world.claim()
    bench.world.epoch += 1
    with pytest.raises(ClaimLost):
        bench.open.run(claim)
    assert bench.upstream.sessions == 0


# --- uploading --------------------------------------------------------------------------------------------------------


def test_each_input_goes_up_once_under_a_name_made_of_its_content(bench, inputs):
    bench.world.ready_project()
    assert bench.upload.run(bench.world.claim(inputs=inputs)) == FIRST_TURN
    assets = list(bench.world.assets.values())
    assert names(bench) == [assets[0].remote_name, assets[1].remote_name, URL]
    assert bench.world.input_states == {0: "sent", 1: "sent", 2: "sent"}


def test_sending_is_on_record_before_a_byte_leaves(bench, inputs):
    bench.world.ready_project()
    bench.upload.run(bench.world.claim(inputs=inputs[:1]))
    assert bench.events() == ["state", "sending", "upload_files", "sent"]


def test_what_is_up_already_is_not_sent_again(bench, inputs):
    bench.world.ready_project()
    bench.world.input_states = {0: "sent"}
    bench.upload.run(bench.world.claim(inputs=inputs[:2]))
    assert names(bench) == [make_asset(2).remote_name]


@pytest.mark.parametrize("key", ["filename", "name", "cdn_url", "url", "source_url", "hash"])
def test_an_input_whose_answer_was_lost_is_found_and_not_doubled(bench, inputs, key):
    bench.world.ready_project()
    bench.world.input_states = {0: "sending"}
    bench.upstream.script("state", state(uploads=[{key: make_asset(1).remote_name}]))
    bench.upload.run(bench.world.claim(inputs=inputs[:1]))
    assert names(bench) == []
    assert bench.world.input_states == {0: "sent"}


def test_a_url_whose_answer_was_lost_is_found_and_not_doubled(bench, inputs):
    bench.world.ready_project()
    bench.upstream.script("state", state(uploads=[{"source_url": URL}]))
    bench.upload.run(bench.world.claim(inputs=inputs[2:]))
    assert names(bench) == []


def test_a_crash_after_each_answer_never_adds_a_second_copy(bench, inputs):
    """K10: the upload was answered, and the worker died before it could write that down."""
    bench.world.ready_project()
    session = []

    def accept(names, **_):
        session.extend(names)
        raise MemoryError("the worker dies here")

    bench.upstream.script("upload_files", accept)
    bench.upstream.script("state", lambda **_: state(uploads=[{"filename": name} for name in session]))
    for _ in range(2):
        with pytest.raises(MemoryError):
            bench.upload.run(bench.world.claim(inputs=inputs[:2]))
    assert bench.upload.run(bench.world.claim(inputs=inputs[:2])) == FIRST_TURN
    assert sorted(session) == sorted(asset.remote_name for asset in bench.world.assets.values())


def test_a_session_that_is_lost_before_anything_was_paid_is_made_again_with_all_inputs(bench, inputs):
    old = bench.world.ready_project()
    bench.world.input_states = {0: "sent"}
    bench.upstream.script("state", SessionNotFound())
    assert bench.upload.run(bench.world.claim(inputs=inputs)) == FIRST_TURN
    assert [(former.state, former.session_id) for former in bench.world.former] == [(ProjectState.LOST, old.session_id)]
    assert bench.world.projects[old.id].state is ProjectState.READY
    assert len(names(bench)) == 3
    assert {call["session_id"] for call in bench.upstream.calls("upload_files")} == {"0000000000000000001"}


def test_a_rebuild_that_breaks_off_leaves_no_input_behind(bench, inputs):
    bench.world.ready_project()
    bench.world.input_states = {0: "sent", 1: "sent"}
    bench.upstream.script("state", SessionNotFound(), state())
    bench.upstream.script("upload_files", (UploadedFile("x"),), NotSent(), ())
    with pytest.raises(NotSent):
        bench.upload.run(bench.world.claim(inputs=inputs))
    bench.upload.run(bench.world.claim(inputs=inputs))
    fresh = [
        name
        for call in bench.upstream.calls("upload_files")
        if call["session_id"] == "0000000000000000001"
        for name in call["names"]
    ]
    assert {make_asset(1).remote_name, make_asset(2).remote_name} <= set(fresh)
    assert bench.world.input_states == {0: "sent", 1: "sent", 2: "sent"}


def test_a_job_without_inputs_asks_the_upstream_nothing(bench):
    bench.world.ready_project()
    bench.upload.run(bench.world.claim())
    assert bench.events() == []
