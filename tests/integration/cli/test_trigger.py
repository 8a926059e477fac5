"""`reelqueue trigger`: a sample from here, or through the gateway."""

from __future__ import annotations

import json

import pytest
from standardwebhooks import Webhook
from typer.testing import CliRunner

from fakes.feed_gateway import KEY
from fakes.receivers import Reply
from reelqueue.cli.app import app
from reelqueue.domain.event_types import EVENT_TYPES


@pytest.fixture
def trigger(gateway, config, monkeypatch):
    monkeypatch.setenv("REELQUEUE_URL", gateway.url)
    monkeypatch.setenv("REELQUEUE_API_KEY", KEY)
    return lambda *words: CliRunner().invoke(app, ["trigger", *words])


@pytest.mark.parametrize("kind", EVENT_TYPES)
def test_a_sample_of_any_event_goes_from_here_to_a_receiver(trigger, receiver, config, kind):
    done = trigger(kind, "--forward-to", receiver.url)
    assert done.exit_code == 0, done.output
    [hook] = receiver.hooks()
    event = Webhook((config / "webhook_secret").read_text().strip()).verify(hook.body, dict(hook.headers))
    assert (event["type"], event["data"]["delivery_seq"]) == (kind, 1)
    row = json.loads(done.output)
    assert (row["id"], row["type"], row["status"]) == (hook.id, kind, 204)
    assert hook.id.startswith("evt_")


def test_each_sample_is_an_event_of_its_own(trigger, receiver):
    for _ in range(2):
        trigger("job.failed", "--forward-to", receiver.url)
    first, second = receiver.hooks()
    assert first.id != second.id


def test_what_is_not_taken_fails_the_command(trigger, receiver):
    receiver.script(Reply(status=500))
    done = trigger("job.failed", "--forward-to", receiver.url)
    assert (done.exit_code, json.loads(done.output)["delivered"]) == (1, False)


def test_the_service_sends_it_to_an_endpoint(trigger, gateway):
    done = trigger("job.succeeded", "--endpoint", "whe_1")
    assert (done.exit_code, json.loads(done.output)["message"]) == (0, "msg_1")
    assert gateway.tests == [("/v1/webhook-endpoints/whe_1/test", {"type": "job.succeeded"})]


@pytest.mark.parametrize(
    "words",
    [
        ["job.succeeded"],
        ["job.succeeded", "--endpoint", "whe_1", "--forward-to", "http://localhost:1"],
        ["job.succeeded", "--forward-to", "ftp://localhost:1"],
        ["job.succeeded", "--forward-to", "localhost:3000"],
    ],
)
def test_where_to_is_said_once_and_is_a_url(trigger, gateway, words):
    assert trigger(*words).exit_code == 2
    assert gateway.tests == []


def test_an_event_that_there_is_not_is_said_in_words(trigger, receiver):
    done = trigger("job.nonsense", "--forward-to", receiver.url)
    assert str(done.exception) == "There is no such event type."
    assert receiver.hooks() == []
