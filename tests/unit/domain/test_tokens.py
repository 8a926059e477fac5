from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from reelqueue.domain.tokens import TokenHealth, TokenKind, UpstreamToken, recovered

NOW = datetime(2030, 1, 1, tzinfo=UTC)


def token(health, *, until=None, available=None):
    return UpstreamToken(
        id="tok_1",
        tenant_id=None,
        label="x",
        kind=TokenKind.SUPPLIED,
        client_id=None,
        user_id=None,
        health=health,
        cooling_until=until,
        generation=1,
        created_at=NOW,
        available=available,
    )


@pytest.mark.parametrize(
    ("health", "until", "available", "shown"),
    [
        (TokenHealth.OK, None, None, TokenHealth.OK),
        (TokenHealth.OK, None, 0.0, TokenHealth.EXHAUSTED),
        (TokenHealth.OK, None, 0.5, TokenHealth.OK),
        (TokenHealth.COOLING, NOW + timedelta(seconds=1), None, TokenHealth.COOLING),
        (TokenHealth.COOLING, NOW, None, TokenHealth.OK),
        (TokenHealth.COOLING, NOW, 0.0, TokenHealth.EXHAUSTED),
        (TokenHealth.EXHAUSTED, None, 900.0, TokenHealth.EXHAUSTED),
        (TokenHealth.INVALID, None, 0.0, TokenHealth.INVALID),
    ],
)
def test_what_people_are_told_of_a_tokens_health(health, until, available, shown):
    assert token(health, until=until, available=available).health_at(NOW) is shown


@pytest.mark.parametrize(
    ("known", "found", "serves"),
    [(None, 0, False), (None, 99, False), (None, 100, True), (50, 50, False), (50, 51, True), (500, 100, True)],
)
def test_an_exhausted_token_serves_again_when_its_balance_has_grown_or_is_enough_for_a_clip(known, found, serves):
    assert recovered(known, found) is serves
