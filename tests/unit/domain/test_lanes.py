"""How a receiver fares: when it is left alone, when its owner is told, when it is given up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelqueue.domain.lanes import (
    FAILED_SHARE,
    FIRST_REST_S,
    GIVEN_UP_S,
    LEAST_TRIES,
    LONGEST_REST_S,
    SLOW_MS,
    WINDOW_S,
    Health,
    Outcome,
    after,
    authority_of,
    failing,
    gives_up,
    host_of,
    url_lane,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
OK, BAD = Outcome(ok=True, elapsed_ms=10), Outcome(ok=False, elapsed_ms=10)


def later(seconds):
    return NOW + timedelta(seconds=seconds)


def test_a_receiver_that_fails_now_and_then_is_not_left_alone():
    assert after(Health(), [BAD, OK, BAD] * 20, NOW).breaker == "closed"


@pytest.mark.parametrize(("bad", "good", "opens"), [(7, 3, True), (6, 4, False), (9, 0, False), (10, 0, True)])
def test_most_of_enough_tries_must_fail(bad, good, opens):
    health = after(Health(), [OK] * good + [BAD] * bad, NOW)
    assert (health.breaker == "open") is opens
    assert (bad + good >= LEAST_TRIES and bad >= FAILED_SHARE * (bad + good)) is opens


def test_failures_of_long_ago_do_not_count():
    health = after(Health(), [BAD] * 9, NOW)
    assert after(health, [BAD], later(WINDOW_S - 1)).breaker == "open"
    assert after(health, [BAD], later(WINDOW_S + 1)).breaker == "closed"


def test_it_rests_longer_after_each_probe_that_failed():
    health, rests = after(Health(), [BAD] * LEAST_TRIES, NOW), []
    now = NOW
    for _ in range(8):
        rests.append((health.open_until - now).total_seconds())
        now = health.open_until
        health = after(health, [BAD], now)
    assert rests[:3] == [FIRST_REST_S, 2 * FIRST_REST_S, 4 * FIRST_REST_S]
    assert rests[-1] == LONGEST_REST_S


def test_what_was_under_way_when_it_opened_does_not_lengthen_the_rest():
    opened = after(Health(), [BAD] * LEAST_TRIES, NOW)
    assert after(opened, [BAD] * 5, later(1)).open_until == opened.open_until


def test_one_answer_closes_it_and_forgets_what_was():
    health = after(Health(), [BAD] * LEAST_TRIES, NOW)
    closed = after(health, [OK], health.open_until)
    assert (closed.breaker, closed.opened, closed.failing_since, closed.alerted) == ("closed", 0, None, 0)
    assert (closed.window_ok, closed.window_failed) == (1, 0)


def test_since_when_it_takes_nothing():
    health = after(Health(), [OK, BAD], NOW)
    assert after(health, [BAD] * 3, later(500)).failing_since == NOW
    assert after(health, [BAD, OK], later(500)).failing_since is None


@pytest.mark.parametrize(
    ("share", "alerted", "told"),
    [(0.49, 0, None), (0.5, 0, 50), (0.69, 50, None), (0.7, 50, 70), (0.95, 0, 90), (0.95, 90, None), (2, 90, None)],
)
def test_its_owner_is_told_at_each_share_once(share, alerted, told):
    health = Health(failing_since=NOW, alerted=alerted)
    news = failing(health, later(share * GIVEN_UP_S))
    assert (None if news is None else news.percent) == told
    if news is not None:
        assert (news.since, news.ends_at) == (NOW, later(GIVEN_UP_S))


def test_a_receiver_that_does_well_is_not_told_of():
    assert failing(Health(), NOW) is None
    assert not gives_up(Health(), NOW)


def test_after_five_days_it_is_given_up():
    health = Health(failing_since=NOW)
    assert not gives_up(health, later(GIVEN_UP_S - 1))
    assert gives_up(health, later(GIVEN_UP_S))
    assert gives_up(health, later(GIVEN_UP_S / 100), speed=100)


def test_slow_is_what_takes_long_on_the_mean():
    health = Health()
    for _ in range(3):
        health = after(health, [Outcome(ok=True, elapsed_ms=14_000)], NOW)
    assert health.latency_ms > SLOW_MS
    assert after(health, [OK] * 30, NOW).latency_ms < SLOW_MS
    assert after(Health(), [Outcome(ok=True, elapsed_ms=int(SLOW_MS))], NOW).latency_ms < SLOW_MS


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 4_000)), max_size=80))
def test_an_open_one_always_ends_and_a_closed_one_has_no_end(steps):
    health, now = Health(), NOW
    for ok, seconds in steps:
        now += timedelta(seconds=seconds)
        health = after(health, [Outcome(ok=ok, elapsed_ms=1)], now)
        assert (health.open_until is not None) == (health.breaker == "open")
        assert health.open_until is None or health.open_until > now - timedelta(seconds=LONGEST_REST_S)
        assert (health.failing_since is None) == ok


def test_a_lane_of_urls_is_of_one_tenant_and_one_host():
    assert url_lane("ten_1", "a.example") == url_lane("ten_1", "a.example")
    assert len({url_lane(t, h) for t in ("ten_1", "ten_2") for h in ("a.example", "b.example")}) == 4
    assert "a.example" not in url_lane("ten_1", "a.example")


@pytest.mark.parametrize(
    ("url", "host"),
    [("https://A.Example:8443/x?y", "a.example"), ("http://[::1]/", "::1"), ("nonsense", ""), ("http://[x/", "")],
)
def test_the_host_of_a_url(url, host):
    assert host_of(url) == host


@pytest.mark.parametrize(
    ("url", "authority"),
    [
        ("https://A.example/x", "a.example"),
        ("https://a.example:8443/y", "a.example:8443"),
        ("https://a.example:99999/", "a.example"),
        ("nonsense", ""),
    ],
)
def test_receivers_at_two_ports_are_two(url, authority):
    assert authority_of(url) == authority
