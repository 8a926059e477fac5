from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from fakes.engine import NOW, TENANT, TOKEN, MemoryTokens, World
from fakes.upstream import ScriptedUpstream
from reelqueue.domain.pace import DEFAULT_COOLING_S, SHORTEST_COOLING_S
from reelqueue.domain.tokens import BLOCKED_AGAIN_S, MOST_REFUSALS, BlockedBy, TokenHealth, TokenKind, TokenScope
from reelqueue.errors import (
    CreditsExhausted,
    NotSent,
    NoUpstreamToken,
    RateLimited,
    SessionNotFound,
    TokenBlocked,
    TokenCooling,
    TokenRejected,
    UpstreamForbidden,
    UpstreamProtocolError,
    UpstreamThrottled,
    UpstreamUnavailable,
)
from reelqueue.jobs.token_desk import KNOWN_S, TokenDesk


@pytest.fixture
def world():
    return World()


@pytest.fixture
def tokens(world):
    return MemoryTokens(world)


@pytest.fixture
def upstream():
    return ScriptedUpstream()


@pytest.fixture
def desk(world, tokens, upstream):
    return TokenDesk(tokens, upstream, anonymous_client_id=None, clock=world.clock)


@pytest.fixture
def anonymous(world, tokens, upstream):
    return TokenDesk(tokens, upstream, anonymous_client_id="client", clock=world.clock)


def failing_once(error):
    """A call that raises on the first secret and works with any other."""

    def call(credential):
        if credential.token == "s1":
            raise error
        return credential.token

    return call


# --- choosing ---------------------------------------------------------------------------------------------------------


def test_there_is_a_token_or_there_is_none(world, desk):
    with pytest.raises(NoUpstreamToken):
        desk.for_new_project(TENANT)
    world.add_token()
    assert desk.for_new_project(TENANT).id == TOKEN


def test_an_anonymous_token_is_fetched_only_where_that_is_allowed_and_nothing_else_is_there(world, anonymous, upstream):
    world.add_token()
    assert anonymous.for_new_project(TENANT).id == TOKEN
    world.tokens.clear()
    assert anonymous.for_new_project(TENANT).kind is TokenKind.ANONYMOUS
    assert anonymous.for_new_project(TENANT).kind is TokenKind.ANONYMOUS
    assert len(upstream.calls("anonymous_token")) == 1


def test_many_who_need_the_first_anonymous_token_fetch_one(anonymous, upstream):
    with ThreadPoolExecutor(20) as pool:
        found = list(pool.map(lambda _: anonymous.for_new_project(TENANT).id, range(20)))
    assert len(set(found)) == 1
    assert len(upstream.calls("anonymous_token")) == 1


def test_tokens_that_only_cool_are_waited_for(world, desk):
    world.add_token()
    desk.refused(desk.for_token(TOKEN), RateLimited(retry_after=17))
    with pytest.raises(RateLimited) as caught:
        desk.for_new_project(TENANT)
    assert caught.value.retry_after == 17


def test_no_token_is_fetched_to_get_around_a_pause(world, anonymous, upstream):
    world.add_token(kind=TokenKind.ANONYMOUS)
    anonymous.refused(anonymous.for_token(TOKEN), RateLimited())
    with pytest.raises(RateLimited):
        anonymous.for_new_project(TENANT)
    assert upstream.calls("anonymous_token") == []


# --- what a refusal says ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("asked", "pause"), [(7.0, 7.0), (0.0, SHORTEST_COOLING_S), (None, DEFAULT_COOLING_S)])
def test_a_429_cools_the_token(world, desk, tokens, asked, pause):
    world.add_token()
    with pytest.raises(RateLimited):
        desk.using(TOKEN, failing_once(RateLimited(retry_after=asked)))
    assert tokens.marks == [(TokenHealth.COOLING, 1, pause)]


def test_a_429_cools_the_token_also_if_another_process_has_refreshed_it_since_we_read_it(world, desk, tokens):
    world.add_token()
    used = desk.for_token(TOKEN)
    world.tokens[TOKEN] = replace(world.tokens[TOKEN], generation=2)
    assert desk.refused(used, RateLimited(retry_after=7.0)) is False
    assert tokens.marks == [(TokenHealth.COOLING, 2, 7.0)]


@pytest.mark.parametrize(("asked", "pause"), [(7.0, 7.0), (None, DEFAULT_COOLING_S / 10)])
def test_speed_shortens_only_the_pause_that_nobody_asked_for(world, tokens, upstream, asked, pause):
    world.add_token()
    desk = TokenDesk(tokens, upstream, anonymous_client_id=None, clock=world.clock, speed=10)
    with pytest.raises(RateLimited):
        desk.using(TOKEN, failing_once(RateLimited(retry_after=asked)))
    assert tokens.marks == [(TokenHealth.COOLING, 1, pause)]


@pytest.mark.parametrize("error", [UpstreamThrottled(retry_after=3), TokenCooling(retry_after=3)])
def test_our_own_limit_says_nothing_of_the_token(world, desk, tokens, error):
    """Else our own waiting would halve its rate."""
    world.add_token()
    with pytest.raises(UpstreamThrottled):
        desk.using(TOKEN, failing_once(error))
    assert tokens.marks == []


def test_a_429_is_told_to_every_process_at_once_for_as_long_as_the_row_says(world, tokens, upstream):
    world.add_token()
    told = []
    desk = TokenDesk(
        tokens, upstream, anonymous_client_id=None, clock=world.clock, pause=lambda *pause: told.append(pause)
    )
    for _ in range(2):
        with pytest.raises(RateLimited):
            desk.using(TOKEN, failing_once(RateLimited()))
    assert told == [(TOKEN, 30), (TOKEN, 60)]


def test_the_pause_in_the_row_goes_with_the_credential_and_grows_shorter(world, desk):
    world.add_token()
    desk.refused(desk.for_token(TOKEN), RateLimited(retry_after=20))
    pace = desk.for_token(TOKEN).credential.pace
    assert pace.cooling_at(world.clock.monotonic()) == 20
    world.clock.forward(5)
    assert desk.for_token(TOKEN).credential.pace.cooling_at(world.clock.monotonic()) == 15


def test_a_success_after_the_cooling_forgets_the_strikes_once(world, desk, tokens):
    world.add_token()
    desk.refused(desk.for_token(TOKEN), RateLimited(retry_after=20))
    asked = []
    works = tokens.works
    tokens.works = lambda token_id: asked.append(token_id) or works(token_id)
    desk.using(TOKEN, lambda credential: credential.token)
    assert asked == [], "it was under way when the cooling began"
    world.clock.forward(21)
    for _ in range(3):
        desk.using(TOKEN, lambda credential: credential.token)
    assert asked == [TOKEN]
    assert world.tokens[TOKEN].strikes == 0


def test_no_credits_exhaust_it(world, desk, tokens):
    world.add_token()
    with pytest.raises(CreditsExhausted):
        desk.using(TOKEN, failing_once(CreditsExhausted()))
    assert tokens.marks == [(TokenHealth.EXHAUSTED, 1, None)]


def test_a_supplied_token_that_is_dead_is_set_aside_and_never_replaced(world, desk, anonymous, tokens, upstream):
    world.add_token()
    for one in (desk, anonymous):
        with pytest.raises(TokenRejected):
            one.using(TOKEN, failing_once(TokenRejected()))
    assert tokens.marks == [(TokenHealth.INVALID, 1, None)] * 2
    assert upstream.calls("anonymous_token") == []
    assert world.secrets[TOKEN] == "s1"


@pytest.mark.parametrize("error", [SessionNotFound(), UpstreamUnavailable(), UpstreamForbidden(), NotSent()])
def test_other_errors_say_nothing_of_the_token(world, desk, tokens, error):
    world.add_token()
    with pytest.raises(type(error)):
        desk.using(TOKEN, failing_once(error))
    assert tokens.marks == []


def forbidden(scope):
    error = UpstreamForbidden()
    error.scope = scope
    return error


def test_a_403_counts_by_scope_until_the_token_is_blocked(world, desk):
    world.add_token()
    for number in range(MOST_REFUSALS):
        assert world.tokens[TOKEN].blocked_at is None, number
        with pytest.raises(UpstreamForbidden):
            desk.using(TOKEN, failing_once(forbidden("render")))
    assert world.tokens[TOKEN].blocked_by is BlockedBy.REFUSALS


def test_a_call_that_succeeds_proves_its_scope_and_no_other(world, desk):
    world.add_token()
    world.tokens[TOKEN] = replace(world.tokens[TOKEN], refused=("upload", "render", "upload"))
    desk.using(TOKEN, lambda _: "well", proves=TokenScope.UPLOAD)
    assert world.tokens[TOKEN].refused == ("render",)
    desk.using(TOKEN, lambda _: "well")
    assert world.tokens[TOKEN].refused == ("render",)


def test_a_403_that_is_not_known_to_be_about_the_token_counts_for_nothing(world, desk):
    world.add_token()
    with pytest.raises(UpstreamForbidden):
        desk.using(TOKEN, failing_once(UpstreamForbidden()))
    assert world.tokens[TOKEN].refused == ()


def test_no_token_is_fetched_to_get_around_a_block_and_another_is_used(world, anonymous, upstream):
    world.add_token()
    world.tokens[TOKEN] = replace(world.tokens[TOKEN], blocked_at=NOW, blocked_by=BlockedBy.OPERATOR)
    for reserved in (None, TOKEN):
        with pytest.raises(TokenBlocked) as caught:
            anonymous.for_new_project(TENANT, reserved)
        assert caught.value.retry_after == BLOCKED_AGAIN_S
    assert upstream.calls("anonymous_token") == []
    world.add_token("tok_other")
    assert anonymous.for_new_project(TENANT, TOKEN).id == "tok_other"


# --- known for a while ------------------------------------------------------------------------------------------------


def test_a_token_is_not_read_again_for_every_call(world, desk, tokens):
    world.add_token()
    reads = []
    find = tokens.find
    tokens.find = lambda token_id: reads.append(token_id) or find(token_id)
    for _ in range(10):
        desk.using(TOKEN, lambda credential: credential.token)
    assert len(reads) == 1
    world.clock.forward(KNOWN_S)
    desk.using(TOKEN, lambda credential: credential.token)
    assert len(reads) == 2


@pytest.mark.parametrize("error", [TokenRejected(), CreditsExhausted(), RateLimited(), SessionNotFound()])
def test_a_refusal_makes_it_look_again(world, desk, error):
    world.add_token()
    desk.for_token(TOKEN)
    world.secrets[TOKEN] = "s2"
    with pytest.raises(type(error)):
        desk.using(TOKEN, failing_once(error))
    assert desk.for_token(TOKEN).credential.token == "s2"


def test_a_token_that_another_process_refreshed_is_read_again_and_not_fetched_again(world, desk, upstream):
    world.add_token(kind=TokenKind.ANONYMOUS)
    desk.for_token(TOKEN)
    world.tokens[TOKEN] = replace(world.tokens[TOKEN], generation=2)
    world.secrets[TOKEN] = "s2"
    assert desk.using(TOKEN, failing_once(TokenRejected())) == "s2"
    assert upstream.calls("anonymous_token") == []


# --- refreshing -------------------------------------------------------------------------------------------------------


def test_a_dead_anonymous_token_is_refreshed_and_the_call_repeated(world, desk, upstream):
    world.add_token(kind=TokenKind.ANONYMOUS)
    assert desk.using(TOKEN, failing_once(TokenRejected())) == "nmv_usr_fresh"
    assert upstream.calls("anonymous_token") == [{"client_id": "client"}]


def test_fifty_who_meet_it_at_once_refresh_it_once(world, desk, upstream):
    world.add_token(kind=TokenKind.ANONYMOUS)
    together = threading.Barrier(50)

    def call(credential):
        if credential.token == "s1":
            together.wait()
            raise TokenRejected
        return credential.token

    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda _: desk.using(TOKEN, call), range(50)))
    assert answers == ["nmv_usr_fresh"] * 50
    assert len(upstream.calls("anonymous_token")) == 1
    assert world.tokens[TOKEN].generation == 2


def test_a_fresh_secret_that_is_refused_too_is_not_asked_about_again_and_again(world, desk, upstream):
    world.add_token(kind=TokenKind.ANONYMOUS)
    calls = []

    def call(credential):
        calls.append(credential.token)
        raise TokenRejected

    with pytest.raises(TokenRejected):
        desk.using(TOKEN, call)
    assert calls == ["s1", "nmv_usr_fresh"]
    assert len(upstream.calls("anonymous_token")) == 1


def test_a_refresh_that_is_refused_marks_the_token(world, desk, upstream, tokens):
    world.add_token(kind=TokenKind.ANONYMOUS)
    upstream.script("anonymous_token", UpstreamForbidden())
    with pytest.raises(TokenRejected):
        desk.using(TOKEN, failing_once(TokenRejected()))
    assert tokens.marks == [(TokenHealth.INVALID, 1, None)]


@pytest.mark.parametrize(
    "error", [NotSent(), UpstreamUnavailable(), UpstreamProtocolError(), RateLimited(retry_after=60)]
)
def test_a_refresh_that_only_failed_is_tried_again_later(world, desk, upstream, tokens, error):
    world.add_token(kind=TokenKind.ANONYMOUS)
    upstream.script("anonymous_token", error)
    with pytest.raises(type(error)) as caught:
        desk.using(TOKEN, failing_once(TokenRejected()))
    assert caught.value.retry_after == error.retry_after
    assert tokens.marks == []
    assert world.tokens[TOKEN].health is TokenHealth.OK


# --- sharing, spending, changing --------------------------------------------------------------------------------------


def test_no_anonymous_token_is_fetched_where_tenants_are_two(world, anonymous, upstream):
    world.tenants = 2
    with pytest.raises(NoUpstreamToken, match="one tenant"):
        anonymous.for_new_project(TENANT)
    assert upstream.calls("anonymous_token") == []


def test_a_token_without_credits_is_named_as_the_cause_and_none_is_fetched_in_its_place(world, anonymous, upstream):
    world.add_token(kind=TokenKind.ANONYMOUS)
    anonymous.refused(anonymous.for_token(TOKEN), CreditsExhausted())
    with pytest.raises(CreditsExhausted) as caught:
        anonymous.for_new_project(TENANT)
    assert caught.value.detail["link"].startswith("https://nemovideo.com")
    assert upstream.calls("anonymous_token") == []


def test_a_reserved_token_that_was_removed_is_not_begun_with(world, desk):
    world.add_token()
    world.add_token("tok_other")
    assert desk.for_new_project(TENANT, "tok_other").id == "tok_other"
    world.tokens["tok_third"] = replace(world.tokens["tok_other"], id="tok_third", removed_at=world.clock.now())
    world.secrets["tok_third"] = "s1"
    assert desk.for_new_project(TENANT, "tok_third").id == TOKEN


def test_a_supplied_token_whose_owner_has_just_changed_its_secret_is_asked_again(world, desk, tokens):
    world.add_token()
    used = desk.for_token(TOKEN)
    world.tokens[TOKEN] = replace(world.tokens[TOKEN], generation=2)
    world.secrets[TOKEN] = "s2"
    assert used.credential.token == "s1"
    assert desk.using(TOKEN, failing_once(TokenRejected())) == "s2"
    assert world.tokens[TOKEN].health is TokenHealth.OK
