"""Answering a webhook bell: one try, one record, and no row left behind."""

from __future__ import annotations

import random

import pytest

from fakes.engine import WORKER, HandClock
from reelqueue.domain.claims import ClaimLost
from reelqueue.domain.outgoing import DeliveryClaim
from reelqueue.errors import DependencyUnavailable
from reelqueue.kit.metrics import Metrics
from reelqueue.webhooks.deliver import Deliverer
from reelqueue.webhooks.sender import DeliveryOutcome

AWAY = DependencyUnavailable()


def outcome(status=200, **more):
    fields = {
        "delivered": 200 <= status < 300,
        "status": status,
        "error_class": None if 200 <= status < 300 else "status",
        "elapsed_ms": 12,
        "response_excerpt": "said",
        "retry_after_s": None,
    }
    return DeliveryOutcome(**{**fields, **more})


class Messages:
    """One message; `failures` are raised by a write before it does anything."""

    def __init__(self, *failures, endpoint_id="whe_1", attempt=1):
        self.failures = list(failures)
        self.claimed = DeliveryClaim(
            message_id="msg_1",
            tenant_id="ten_1",
            endpoint_id=endpoint_id,
            url="https://hooks.example/",
            secrets=("whsec_x",),
            payload=b"{}",
            attempt=attempt,
            epoch=1,
            type="job.succeeded",
            job_id="job_1",
            worker_id=WORKER,
        )
        self.rung = True
        self.records = []
        self.let_go_of = []

    def claim(self, message_id, worker_id):
        return self.claimed if self.rung else None

    def record(self, claim, attempt, *, delivered, retry_in_s, disable_endpoint=False):
        self._fail()
        self.records.append((attempt, delivered, retry_in_s, disable_endpoint))

    def let_go(self, message_id, worker_id):
        self._fail()
        self.let_go_of.append((message_id, worker_id))
        return True

    def _fail(self):
        if self.failures:
            raise self.failures.pop(0)


class Sender:
    def __init__(self, *outcomes):
        self.outcomes = list(outcomes)
        self.sent = []

    def send(self, url, body, *, message_id, secrets):
        self.sent.append((url, body, message_id, tuple(secrets)))
        found = self.outcomes.pop(0)
        if isinstance(found, Exception):
            raise found
        return found


class Holder:
    worker_id = WORKER


def deliver(messages, *outcomes, holder=None, clock=None):
    sender = Sender(*outcomes)
    deliverer = Deliverer(
        store=messages,
        sender=sender,
        holder=holder or Holder(),
        clock=clock or HandClock(),
        rng=random.Random(1),
        metrics=Metrics(),
        speed=1.0,
    )
    deliverer.deliver("msg_1")
    return sender, deliverer


def test_a_message_is_sent_as_it_was_claimed_and_what_came_of_it_is_kept():
    messages = Messages()
    sender, _ = deliver(messages, outcome())
    assert sender.sent == [("https://hooks.example/", b"{}", "msg_1", ("whsec_x",))]
    [(record, delivered, retry_in_s, disable)] = messages.records
    assert (record.status, record.elapsed_ms, record.excerpt) == (200, 12, "said")
    assert (delivered, retry_in_s, disable) == (True, None, False)


def test_a_bell_that_was_answered_already_sends_nothing():
    messages = Messages()
    messages.rung = False
    sender, deliverer = deliver(messages)
    assert sender.sent == []
    assert deliverer._metrics.claims_refused.labels("message")._value.get() == 1


@pytest.mark.parametrize("status", [500, 404, 302])
def test_a_failure_is_tried_again_by_the_schedule(status):
    messages = Messages()
    deliver(messages, outcome(status))
    [(_, delivered, retry_in_s, _)] = messages.records
    assert not delivered
    assert 4 <= retry_in_s <= 6


def test_a_receiver_that_asks_for_time_gets_it():
    messages = Messages(attempt=2)
    deliver(messages, outcome(429, retry_after_s=400.0))
    assert 400 <= messages.records[0][2] <= 600


def test_the_last_try_is_the_last():
    messages = Messages(attempt=10)
    deliver(messages, outcome(500))
    assert messages.records[0][1:3] == (False, None)


@pytest.mark.parametrize(("endpoint_id", "disabled"), [("whe_1", True), (None, False)])
def test_a_receiver_that_is_gone_is_not_tried_again(endpoint_id, disabled):
    messages = Messages(endpoint_id=endpoint_id)
    deliver(messages, outcome(410, gone=True))
    assert messages.records[0][1:] == (False, None, disabled)


def test_a_mistake_of_ours_is_a_failed_try_and_never_a_row_that_nobody_looks_at():
    messages = Messages()
    deliver(messages, ValueError("canary"))
    [(record, delivered, retry_in_s, _)] = messages.records
    assert (record.error_class, record.status, delivered) == ("internal", None, False)
    assert retry_in_s is not None
    assert "canary" not in repr(record)


def test_a_claim_that_was_lost_meanwhile_writes_nothing():
    messages = Messages(ClaimLost())
    _, deliverer = deliver(messages, outcome())
    assert messages.records == []
    assert deliverer._metrics.claims_lost.labels("message")._value.get() == 1


def test_a_database_that_is_away_is_waited_for_and_the_message_not_sent_again():
    messages = Messages(*[AWAY] * 30)
    sender, _ = deliver(messages, outcome())
    assert len(messages.records) == len(sender.sent) == 1


def test_a_claim_whose_answer_was_lost_is_given_back():
    messages = Messages(*[AWAY] * 3)

    def claim_and_lose(message_id, worker_id):
        raise AWAY

    messages.claim = claim_and_lose
    sender, _ = deliver(messages)
    assert messages.let_go_of == [("msg_1", WORKER)]
    assert sender.sent == []


def test_a_worker_that_lost_its_name_leaves_the_row_to_the_sweep():
    messages, holder, clock = Messages(*[AWAY] * 99), Holder(), HandClock()
    sleep = clock.sleep

    def sleep_and_lose(seconds):
        sleep(seconds)
        if len(clock.slept) == 7:
            holder.worker_id = "wrk_new"

    clock.sleep = sleep_and_lose
    deliver(messages, outcome(), holder=holder, clock=clock)
    assert messages.records == []
    assert len(clock.slept) == 7
