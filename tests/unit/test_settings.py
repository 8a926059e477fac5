from __future__ import annotations

import base64
import traceback
from ipaddress import ip_network

import pytest

from reelqueue.kit.limits import LEASE_S
from reelqueue.settings import SettingsInvalid, load_settings

KEY = base64.b64encode(bytes(range(32))).decode()
GOOD = {
    "REELQUEUE_DATABASE_URL": "postgresql://app:canary@db.internal/rq",
    "REELQUEUE_REDIS_URL": "redis://:canary@cache.internal:6379/0",
    "REELQUEUE_SECRET_KEY": KEY,
}


@pytest.fixture
def load(monkeypatch):
    """Load with exactly these variables of ours set."""
    import os

    def run(**variables):
        for name in list(os.environ):
            if name.startswith(("REELQUEUE_", "NEMO_")):
                monkeypatch.delenv(name)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        return load_settings()

    return run


@pytest.fixture
def refused(load):
    """What the refusal says."""

    def run(**variables):
        with pytest.raises(SettingsInvalid) as caught:
            load(**variables)
        assert "canary" not in "".join(traceback.format_exception(caught.value))
        return str(caught.value)

    return run


# --- what is right ----------------------------------------------------------------------------------------------------


def test_three_settings_are_enough(load):
    settings = load(**GOOD)
    assert settings.master_key == bytes(range(32))
    assert settings.database_url.get_secret_value() == GOOD["REELQUEUE_DATABASE_URL"]
    assert settings.egress_allow == ()
    assert settings.speed == 1.0
    assert settings.nemo.token is None


def test_groups_and_the_vendors_own_names(load):
    settings = load(
        **GOOD,
        REELQUEUE_GATEWAY__MAX_WAIT_S="5",
        REELQUEUE_EGRESS_ALLOW="127.0.0.0/8, ::1/128",
        NEMO_API_URL="http://127.0.0.1:9",
        NEMO_TOKEN="nmv_usr_canary",
        NEMO_ALLOW_ANONYMOUS="true",
        NEMO_CLIENT_ID="client",
    )
    assert settings.gateway.max_wait_s == 5
    assert settings.egress_allow == (ip_network("127.0.0.0/8"), ip_network("::1/128"))
    assert settings.nemo.api_url == "http://127.0.0.1:9"
    assert settings.nemo.token.get_secret_value() == "nmv_usr_canary"


def test_no_secret_is_in_the_repr(load):
    settings = load(**GOOD, NEMO_TOKEN="nmv_usr_canary")
    shown = repr(settings) + str(settings) + str(settings.model_dump())
    assert "canary" not in shown
    assert KEY not in shown


# --- what is wrong ----------------------------------------------------------------------------------------------------


def test_everything_that_is_missing_or_wrong_is_said_at_once(refused):
    said = refused(
        REELQUEUE_REDIS_URL="redis://x",
        REELQUEUE_SECRET_KEY="canary",
        REELQUEUE_SPEED="canary",
        REELQUEUE_EGRESS_ALLOW="canary",
        REELQUEUE_LOG_FORMAT="canary",
        REELQUEUE_GATEWAY__THREADS="canary",
        REELQUEUE_STEPS__MAX_ATTEMPTS="0",
        NEMO_CALL_S="canary",
        NEMO_CLIENT_ID="canary" * 20,
    )
    for place in (
        *("database_url", "secret_key", "speed", "egress_allow", "log_format"),
        *("gateway.threads", "steps.max_attempts", "call_s", "client_id"),
    ):
        assert place in said, said


def test_settings_that_contradict_each_other_are_all_named(refused):
    said = refused(
        **GOOD,
        REELQUEUE_WEBHOOKS__TOTAL_S=str(LEASE_S),
        REELQUEUE_STEPS__TURN_IDLE_S="901",
        REELQUEUE_STEPS__RENDER_FIRST_POLL_S="31",
        NEMO_ALLOW_ANONYMOUS="1",
    )
    for word in ("webhooks.total_s", "steps.turn_idle_s", "steps.render_first_poll_s", "NEMO_CLIENT_ID"):
        assert word in said, said


@pytest.mark.parametrize(
    "key",
    [
        "",
        "canary",
        base64.b64encode(b"canary" * 5).decode(),
        base64.b64encode(bytes(33)).decode(),
        base64.urlsafe_b64encode(b"\xff" * 32).decode(),
    ],
)
def test_the_key_is_32_bytes_and_the_refusal_says_how_to_make_one(refused, key):
    said = refused(**{**GOOD, "REELQUEUE_SECRET_KEY": key})
    assert "openssl rand -base64 32" in said
    assert not key or key not in said


@pytest.mark.parametrize("value", ["{canary", '{"threads": "canary"}', "7"])
def test_a_group_given_as_one_variable_is_refused_in_words_too(refused, value):
    assert "gateway" in refused(**GOOD, REELQUEUE_GATEWAY=value)


@pytest.mark.parametrize("speed", ["0", "-1", "10001", "nan"])
def test_the_speed_has_bounds(refused, speed):
    assert "speed" in refused(**GOOD, REELQUEUE_SPEED=speed)
