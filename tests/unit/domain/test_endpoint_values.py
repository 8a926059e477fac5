from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest

from reelqueue.domain.endpoints import Endpoint, known_event_types, webhook_secret
from reelqueue.errors import ValidationFailed


def test_a_secret_is_whsec_and_base64_of_what_it_was_made_of():
    secret = webhook_secret(bytes(range(32)))
    assert secret.startswith("whsec_")
    assert base64.b64decode(secret.removeprefix("whsec_"), validate=True) == bytes(range(32))


def test_too_little_chance_is_refused():
    with pytest.raises(ValueError, match="32 random bytes"):
        webhook_secret(bytes(24))


def test_known_patterns_pass_each_once_in_their_order():
    assert known_event_types(["job.succeeded", "job.*", "job.succeeded", "*"]) == ("job.succeeded", "job.*", "*")


@pytest.mark.parametrize(
    ("given", "pointer"),
    [([], "/event_types"), (["job.succeeded", "job.exploded"], "/event_types/1"), ([""], "/event_types/0")],
)
def test_what_we_do_not_know_is_refused_by_place_and_not_repeated(given, pointer):
    with pytest.raises(ValidationFailed) as caught:
        known_event_types(given)
    assert caught.value.pointer == pointer
    assert "exploded" not in caught.value.message


def test_the_url_is_not_in_the_repr():
    endpoint = Endpoint(
        id="whe_1",
        tenant_id="ten_1",
        url="https://example.com/?token=canary",
        event_types=("*",),
        description=None,
        state="enabled",
        created_at=datetime(2026, 3, 1, tzinfo=UTC),
    )
    assert "canary" not in repr(endpoint)
