"""Draining a lane: what is due is tried, what came of it is recorded, and no lane is left behind."""

from __future__ import annotations

import random
import threading
from contextlib import nullcontext
from dataclasses import replace
from datetime import timedelta

import pytest

from fakes.engine import WORKER, HandClock
from fakes.outgoing import NOW, due, held, outcome
from reelqueue.domain.claims import ClaimLost
from reelqueue.domain.lanes import GIVEN_UP_S, Health
from reelqueue.domain.outgoing import BATCH
from reelqueue.errors import DependencyUnavailable
from reelqueue.kit.metrics import Metrics
from reelqueue.webhooks.deliver import QUANTUM_S, Deliverer

AWAY = DependencyUnavailable()


class Lane:
    """One lane with batches of messages; `failures` are raised by a write before it does anything."""

    def __init__(self, *batches, failures=(), **claim):
        self.failures = list(failures)
        self.batches = [list(batch) for batch in batches] or [[due(1)]]
        self.claimed = held(**claim)
        self.rung = True
        self.begun_anew = False
        self.recorded, self.finished, self.disabled, self.let_go_of = [], [], [], []

    def claim(self, lane_id, worker_id):
        return replace(self.claimed, due=tuple(self.batches.pop(0))) if self.rung else None

    def more(self, claim):
        self._fail()
        return tuple(self.batches.pop(0)) if self.batches else ()

    def record(self, claim, tries, health, *, news=None):
        self._fail()
        self.recorded.append((tries, health, news))
        return not self.begun_anew

    def finish(self, claim, tries, health, *, news=None, not_before=None):
        self._fail()
        self.finished.append((tries, health, news, not_before))

    def disable(self, claim, tries, health, *, reason):
        self._fail()
        if not self.begun_anew:
            self.disabled.append((tries, health, reason))
        return not self.begun_anew

    def let_go(self, lane_id, worker_id):
        self._fail()
        self.let_go_of.append((lane_id, worker_id))
        return True

    def _fail(self):
        if self.failures:
            raise self.failures.pop(0)


class Sender:
    """Answers each message with the next outcome, the last one again and again; each takes some time."""

    def __init__(self, clock, *outcomes, takes_s=0.0):
        self.clock, self.outcomes, self.takes_s = clock, list(outcomes), takes_s
        self.sent = []

    def send(self, url, body, *, message_id, secrets, headers):
        self.sent.append((url, body, message_id, tuple(secrets), dict(headers)))
        self.clock.sleep(self.takes_s)
        found = self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0]
        if isinstance(found, Exception):
            raise found
        return found


class Holder:
    worker_id = WORKER


def drain(lane, *outcomes, holder=None, clock=None, takes_s=0.0, sender=None):
    clock = clock or HandClock()
    sender = sender or Sender(clock, *(outcomes or (outcome(),)), takes_s=takes_s)
    deliverer = Deliverer(
        store=lane,
        senders=lambda: nullcontext(sender),
        holder=holder or Holder(),
        clock=clock,
        rng=random.Random(1),
        metrics=Metrics(),
        speed=1.0,
    )
    deliverer.deliver("whe_1")
    return sender, deliverer


def ids(sender):
    return [message_id for _, _, message_id, _, _ in sender.sent]


# --- one message ------------------------------------------------------------------------------------------------------


def test_a_message_is_sent_under_its_events_id_and_what_came_of_it_is_kept():
    lane = Lane()
    sender, _ = drain(lane)
    assert sender.sent == [("https://hooks.example/", b"{}", "evt_1", ("whsec_x",), {"x-shop": "7"})]
    [([one], health, news, not_before)] = lane.finished
    assert (one.message_id, one.delivered, one.retry_in_s) == ("msg_1", True, None)
    assert (one.attempt.status, one.attempt.elapsed_ms, one.attempt.excerpt) == (200, 12, "said")
    assert (health.window_ok, health.failing_since, news, not_before) == (1, None, None, None)


def test_a_bell_that_was_answered_already_sends_nothing():
    lane = Lane()
    lane.rung = False
    sender, deliverer = drain(lane)
    assert sender.sent == []
    assert deliverer._metrics.claims_refused.labels("lane")._value.get() == 1


@pytest.mark.parametrize("status", [500, 404, 302])
def test_a_failure_is_tried_again_by_the_schedule(status):
    lane = Lane()
    drain(lane, outcome(status))
    [([one], health, _, _)] = lane.finished
    assert not one.delivered
    assert 4 <= one.retry_in_s <= 6
    assert health.failing_since == NOW


def test_a_receiver_that_asks_for_time_gets_it():
    lane = Lane([due(1, attempts=1, round=1)])
    drain(lane, outcome(429, retry_after_s=400.0))
    assert 400 <= lane.finished[0][0][0].retry_in_s <= 600


def test_the_last_try_of_a_round_is_the_last_however_many_there_were_before():
    lane = Lane([due(1, attempts=30, round=9)])
    drain(lane, outcome(500))
    assert lane.finished[0][0][0].retry_in_s is None
    again = Lane([due(1, attempts=30, round=0)])
    drain(again, outcome(500))
    assert again.finished[0][0][0].retry_in_s is not None


def test_a_mistake_of_ours_is_a_failed_try_and_never_a_row_that_nobody_looks_at():
    lane = Lane()
    drain(lane, ValueError("canary"))
    [([one], _, _, _)] = lane.finished
    assert (one.attempt.error_class, one.attempt.status, one.delivered) == ("internal", None, False)
    assert one.retry_in_s is not None
    assert "canary" not in repr(one)


# --- many -------------------------------------------------------------------------------------------------------------


def test_a_drain_goes_on_while_batches_are_full_and_then_gives_back():
    full = [due(n) for n in range(BATCH)]
    lane = Lane(full, [due(100), due(101)])
    sender, _ = drain(lane)
    assert ids(sender) == [f"evt_{n}" for n in (*range(BATCH), 100, 101)]
    assert [len(tries) for tries, _, _ in lane.recorded] == [BATCH]
    assert [len(tries) for tries, *_ in lane.finished] == [2]


def test_a_drain_ends_with_its_quantum_and_leaves_the_rest_due():
    lane = Lane([due(n) for n in range(BATCH)])
    sender, _ = drain(lane, takes_s=QUANTUM_S / 4)
    assert len(sender.sent) == 4
    assert [len(tries) for tries, *_ in lane.finished] == [4]
    assert lane.recorded == []


def test_a_receiver_that_seems_to_be_down_is_left_alone_with_the_rest():
    lane = Lane([due(n) for n in range(BATCH)])
    sender, _ = drain(lane, outcome(503))
    assert len(sender.sent) == 10
    assert lane.finished[0][1].breaker == "open"


def test_events_of_one_job_are_sent_in_their_order_also_side_by_side():
    messages = [due(n, job_id=f"job_{n % 3}") for n in range(BATCH)]
    lane = Lane(messages, health=Health(latency_ms=100.0))
    sender, _ = drain(lane)
    for job in range(3):
        mine = [f"evt_{n}" for n in range(BATCH) if n % 3 == job]
        assert [one for one in ids(sender) if one in mine] == mine
    assert sorted(ids(sender)) == sorted(f"evt_{n}" for n in range(BATCH))


def test_a_rate_bounds_what_one_drain_sends_and_when_the_next_one_comes():
    lane = Lane([due(n) for n in range(BATCH)], rate_per_minute=90)
    sender, _ = drain(lane)
    assert len(sender.sent) == 3
    [(_, _, _, not_before)] = lane.finished
    assert not_before == NOW + timedelta(seconds=2)


def test_a_low_rate_still_lets_one_through():
    lane = Lane([due(n) for n in range(3)], rate_per_minute=1)
    sender, _ = drain(lane)
    assert len(sender.sent) == 1
    assert lane.finished[0][3] == NOW + timedelta(seconds=60)


# --- jobs' own URLs, of which one hangs -------------------------------------------------------------------------------


class Hangs:
    """One of its URLs says nothing before another message has come."""

    def __init__(self, until_sent):
        self.until_sent, self.came = until_sent, threading.Event()
        self.sent = []

    def send(self, url, body, *, message_id, secrets, headers):
        if url.endswith("hangs"):
            assert self.came.wait(20), "it waits for a neighbour that waits for it"
        self.sent.append(message_id)
        if message_id == self.until_sent:
            self.came.set()
        return outcome()


def test_what_comes_for_a_neighbour_of_one_that_hangs_is_sent_meanwhile():
    lane = Lane([due(1, url="https://hooks.example/hangs")], [due(2)], endpoint_id=None, url=None)
    sender, _ = drain(lane, sender=Hangs("evt_2"))
    assert sender.sent == ["evt_2", "evt_1"]
    written = [*lane.recorded, *lane.finished]
    assert sorted(one.message_id for tries, *_ in written for one in tries) == ["msg_1", "msg_2"]
    assert all(one.delivered for tries, *_ in written for one in tries)
    assert len(lane.finished) == 1


# --- no more ----------------------------------------------------------------------------------------------------------


def test_an_endpoint_that_is_gone_is_disabled_and_gets_nothing_more():
    lane = Lane([due(1), due(2)])
    sender, _ = drain(lane, outcome(410, gone=True))
    assert ids(sender) == ["evt_1"]
    [([one], _, reason)] = lane.disabled
    assert (one.delivered, one.retry_in_s, reason) == (False, None, "status 410")
    assert lane.finished == []


def test_an_endpoint_that_its_owner_moved_meanwhile_is_not_gone_and_gets_the_message_again():
    lane = Lane([due(1), due(2)])
    lane.begun_anew = True
    sender, deliverer = drain(lane, outcome(410, gone=True))
    assert ids(sender) == ["evt_1"]
    [([one], _, _, _)] = lane.finished
    assert not one.delivered
    assert one.retry_in_s is not None
    assert deliverer._metrics.deliveries.labels("given_up")._value.get() == 0
    assert deliverer._metrics.deliveries.labels("retrying")._value.get() == 1


def test_nothing_more_goes_to_the_old_place_once_its_owner_moved_it():
    lane = Lane([due(n) for n in range(BATCH)], [due(100)])
    lane.begun_anew = True
    sender, _ = drain(lane)
    assert len(sender.sent) == BATCH
    assert [len(tries) for tries, *_ in lane.recorded] == [BATCH]
    [(tries, _, news, _)] = lane.finished
    assert (tries, news) == ([], None)


def test_a_url_that_is_gone_is_no_endpoint_to_disable():
    lane = Lane([due(1)], endpoint_id=None, url=None)
    drain(lane, outcome(410, gone=True))
    assert lane.disabled == []
    assert lane.finished[0][0][0].retry_in_s is None


def test_an_endpoint_that_takes_nothing_for_five_days_is_disabled():
    health = Health(failing_since=NOW - timedelta(seconds=GIVEN_UP_S), alerted=90)
    lane = Lane(health=health)
    drain(lane, outcome(500))
    assert lane.disabled[0][2] == "failing for 5 days"
    well = Lane(health=health)
    drain(well, outcome(200))
    assert well.disabled == []


def test_on_the_way_there_its_owner_is_told_once():
    since = NOW - timedelta(seconds=0.6 * GIVEN_UP_S)
    lane = Lane(health=Health(failing_since=since))
    drain(lane, outcome(500))
    [(_, health, news, _)] = lane.finished
    assert (news.percent, news.since, health.alerted) == (50, since, 50)
    again = Lane(health=health)
    drain(again, outcome(500))
    assert again.finished[0][2] is None


# --- what breaks ------------------------------------------------------------------------------------------------------


def test_a_lane_that_was_lost_meanwhile_is_left():
    lane = Lane(failures=[ClaimLost()])
    _, deliverer = drain(lane)
    assert lane.finished == []
    assert deliverer._metrics.claims_lost.labels("lane")._value.get() == 1


def test_a_database_that_is_away_is_waited_for_and_nothing_is_sent_again():
    lane = Lane([due(n) for n in range(BATCH)], failures=[AWAY] * 30)
    sender, _ = drain(lane)
    assert len(sender.sent) == BATCH
    assert len(lane.finished) + len(lane.recorded) >= 1


def test_a_claim_whose_answer_was_lost_is_given_back():
    lane = Lane(failures=[AWAY] * 3)

    def claim_and_lose(lane_id, worker_id):
        raise AWAY

    lane.claim = claim_and_lose
    sender, _ = drain(lane)
    assert lane.let_go_of == [("whe_1", WORKER)]
    assert sender.sent == []


def test_a_worker_that_lost_its_name_leaves_the_lane_to_the_sweep():
    lane, holder, clock = Lane(failures=[AWAY] * 99), Holder(), HandClock()
    sleep = clock.sleep

    def sleep_and_lose(seconds):
        sleep(seconds)
        if len(clock.slept) == 7:
            holder.worker_id = "wrk_new"

    clock.sleep = sleep_and_lose
    drain(lane, holder=holder, clock=clock)
    assert lane.finished == []
    assert len(clock.slept) == 7
