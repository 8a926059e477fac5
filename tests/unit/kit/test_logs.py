from __future__ import annotations

import io
import json
import logging
import threading

import pytest
import structlog

from reelqueue.kit.logs import HIDDEN, LONGEST_VALUE, configure_logs, get_logger, scrub

SECRETS = {
    "supplied token": "nmv_usr_canaryAbC-._~+/=",
    "anonymous token": "nmv_anon_canaryAbC",
    "claim token": "clm_canaryAbC123",
    "webhook secret": "whsec_Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5",
    "webhook key": "whsk_Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5",
    "API key": "rq_01jd8x0g3v7c2m5k9p4r6t8w0y_CanaryCanaryCanaryCanaryCanary1234",
    "bearer": "Bearer canary.canary-canary",
    "bearer, small": "bearer  canary.canary",
    "database URL": "postgresql://app:canary@db.internal/rq",
    "redis URL": "redis://:canary@cache.internal:6379/0",
}
CANARIES = ("canary", "Canary", "Y2FuYXJ5")


@pytest.fixture
def lines():
    """What was logged, one parsed line at a time; the logging of the process is as before afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    stream = io.StringIO()
    configure_logs(process="test", level="debug", stream=stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def written(lines):
    return json.dumps(lines(), ensure_ascii=False)


@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS.keys())
class TestNoSecretIsWritten:
    def test_in_a_text(self, secret, lines):
        get_logger("x").info("thing.done", note=f"before {secret} after")
        [line] = lines()
        assert not any(canary in written(lines) for canary in CANARIES)
        assert HIDDEN in line["note"]
        assert line["note"].startswith("before ")

    def test_in_the_event_itself(self, secret, lines):
        get_logger("x").info(f"said {secret}")
        assert not any(canary in written(lines) for canary in CANARIES)

    def test_deep_inside(self, secret, lines):
        get_logger("x").info("thing.done", a={"b": [{"c": ("x", secret)}, {secret}, frozenset({secret})]})
        assert not any(canary in written(lines) for canary in CANARIES)

    def test_as_the_name_of_a_member(self, secret, lines):
        get_logger("x").info("thing.done", a={secret: 1})
        assert not any(canary in written(lines) for canary in CANARIES)

    def test_in_an_object_that_prints_itself(self, secret, lines):
        class Leaky:
            def __str__(self):
                return secret

        get_logger("x").info("thing.done", a=Leaky(), b=secret.encode())
        assert not any(canary in written(lines) for canary in CANARIES)

    def test_in_a_traceback_and_its_causes(self, secret, lines):
        def fail(cause=None):
            raise RuntimeError(f"again {secret}") from cause

        try:
            fail(ValueError(secret))
        except RuntimeError:
            get_logger("x").exception("thing.failed")
        [line] = lines()
        assert "Traceback" in line["exception"]
        assert not any(canary in written(lines) for canary in CANARIES)

    def test_in_another_librarys_record(self, secret, lines):
        logging.getLogger("other").warning("they said %s", secret)
        assert [line["level"] for line in lines()] == ["warning"]
        assert not any(canary in written(lines) for canary in CANARIES)


@pytest.mark.parametrize(
    "name", ["token", "api_token", "secret", "webhook_secret", "password", "Authorization", "api_key", "set-cookie"]
)
def test_a_field_that_is_named_as_a_secret_is_hidden_whatever_it_holds(name, lines):
    get_logger("x").info("thing.done", **{name: "canary"}, inner={name: "canary"}, more={name: ["canary"]})
    get_logger("x").info("thing.done", **{name: b"canary"}, inner={name: {"value": "canary"}})
    assert "canary" not in written(lines)


@pytest.mark.parametrize("name", ["tokens", "secrets", "passwords", "api_keys"])
def test_many_secrets_are_hidden_as_one_is(name, lines):
    get_logger("x").info("thing.done", **{name: ["canary"]})
    assert "canary" not in written(lines)


def test_what_is_no_secret_stays_readable(lines):
    harmless = {
        "job": "job_01jd8x0g3v7c2m5k9p4r6t8w0y",
        "key": "key_01jd8x0g3v7c2m5k9p4r6t8w0y",
        "url": "https://hooks.example/path?a=b",
        "when": "10:20:30",
        "seconds": 1.5,
        "ok": True,
        "nothing": None,
    }
    get_logger("x").info("thing.done", **harmless)
    [line] = lines()
    assert {name: line[name] for name in harmless} == harmless


def test_a_line_says_what_when_where_and_how_grave(lines):
    get_logger("some.module").warning("thing.done")
    [line] = lines()
    assert (line["event"], line["level"], line["logger"], line["process"]) == (
        "thing.done",
        "warning",
        "some.module",
        "test",
    )
    assert line["time"].endswith("Z")


def test_every_thread_says_which_process_it_belongs_to(lines):
    thread = threading.Thread(target=lambda: get_logger("x").info("thing.done"))
    thread.start()
    thread.join()
    assert [line["process"] for line in lines()] == ["test"]


def test_nobody_can_forge_a_second_line(lines):
    get_logger("x").info("thing.done", note='a\r\n{"event": "forged"}\u2028\u2029\x1b[31mb')
    [line] = lines()
    assert line["event"] == "thing.done"
    assert not set(line["note"]) & set("\r\x1b\u2028\u2029")


def test_a_value_as_long_as_a_book_is_cut(lines):
    get_logger("x").info("thing.done", note="x" * 100_000)
    assert len(lines()[0]["note"]) == LONGEST_VALUE + 1


def test_the_level_is_kept_and_chatterers_are_quiet():
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    try:
        stream = io.StringIO()
        configure_logs(process="test", level="warning", style="console", stream=stream)
        get_logger("x").info("thing.done")
        assert stream.getvalue() == ""
        get_logger("x").warning("thing.worse", token="canary")
        assert "thing.worse" in stream.getvalue()
        assert "canary" not in stream.getvalue()
        assert logging.getLogger("httpx").level == logging.WARNING
    finally:
        root.handlers, root.level = handlers, level
        structlog.reset_defaults()
        structlog.contextvars.clear_contextvars()


def test_scrubbing_twice_changes_nothing_more():
    once = scrub(" ".join(SECRETS.values()))
    assert scrub(once) == once
