"""What a token may do at a time, and the 429 for more."""

import threading

import pytest

from fakes.twin import User, until

BALANCE = "/api/credits/balance/simple"


def limited(twin, **limits):
    issued = twin.control("tokens", **limits)
    return User(twin, issued["token"]), issued["fingerprint"]


def use_of(twin, fingerprint):
    return twin.http.get("/_twin/limits").json()[fingerprint]


def statuses(user, times):
    return [user.get(BALANCE).status_code for _ in range(times)]


@pytest.fixture
def slow(twin):
    """No virtual time passes by itself, as far as a test can see."""
    twin.settings(speed=0.001)
    return twin


def test_requests_in_any_minute_are_counted_and_the_next_one_is_refused(slow):
    user, fingerprint = limited(slow, requests_per_minute=3)
    assert statuses(user, 5) == [200, 200, 200, 429, 429]
    slow.control("clock", advance=59)
    assert statuses(user, 1) == [429]
    slow.control("clock", advance=2)
    assert statuses(user, 4) == [200, 200, 200, 429]
    assert use_of(slow, fingerprint) == {"most_in_a_minute": 3, "most_turns": 0, "refused": 4}


def test_the_window_slides(slow):
    user, _ = limited(slow, requests_per_minute=2)
    assert statuses(user, 1) == [200]
    slow.control("clock", advance=40)
    assert statuses(user, 1) == [200]
    slow.control("clock", advance=21)
    assert statuses(user, 2) == [200, 429]


def test_each_token_has_a_minute_of_its_own_and_control_routes_have_none(slow):
    slow.settings(requests_per_minute=1)
    one, two = slow.user(), slow.user()
    assert statuses(one, 2) == [200, 429]
    assert statuses(two, 2) == [200, 429]
    free, _ = limited(slow, requests_per_minute=0)
    assert statuses(free, 3) == [200, 200, 200]


@pytest.mark.parametrize("says", [True, False])
def test_a_refusal_says_when_to_come_again_or_not(twin, says):
    twin.settings(speed=1, says_retry_after=says)
    user, _ = limited(twin, requests_per_minute=1)
    assert statuses(user, 1) == [200]
    answer = user.get(BALANCE)
    assert (answer.status_code, answer.json()["code"]) == (429, 429)
    assert ("retry-after" in answer.headers) is says
    if says:
        assert 50 < int(answer.headers["retry-after"]) <= 60


def test_limits_of_a_token_are_changed_while_it_is_used(slow):
    user, _ = limited(slow)
    assert statuses(user, 2) == [200, 200]
    slow.control("tokens/limits", token=user.token, requests_per_minute=2)
    assert statuses(user, 1) == [429]
    slow.control("tokens/limits", token=user.token, requests_per_minute=None)
    assert statuses(user, 1) == [200]
    unknown = slow.http.post("/_twin/tokens/limits", json={"token": "nmv_usr_never", "requests_per_minute": 1})
    assert unknown.status_code == 404


def test_a_turn_beside_too_many_of_its_token_is_refused_and_none_is_charged(twin):
    user, fingerprint = limited(twin, parallel_turns=1)
    first, second = user.project(), user.project()
    twin.settings(speed=0.001)
    running = threading.Thread(target=lambda: user.post("/run_sse", json=first.body("create a clip")))
    running.start()
    until(lambda: twin.ledger()["turns"])
    refused = user.post("/run_sse", json=second.body("create a clip"))
    assert refused.status_code == 429
    assert user.get(BALANCE).status_code == 200
    twin.settings(speed=100_000)
    running.join(20)
    assert [turn["session_id"] for turn in twin.ledger()["turns"]] == [first.session_id]
    assert user.post("/run_sse", json=second.body("create a clip")).status_code == 200
    assert use_of(twin, fingerprint)["most_turns"] == 1
