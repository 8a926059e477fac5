"""Who sends in a lane, how many at once, and until when."""

from __future__ import annotations

import threading
from contextlib import contextmanager

import pytest

from fakes.engine import HandClock
from fakes.outgoing import due, held, outcome
from reelqueue.domain.lanes import Health
from reelqueue.webhooks.traffic import LONGEST_S, MAX_IN_FLIGHT, Traffic

HANGS = "https://h.example/hangs"
OF_JOBS = {"endpoint_id": None, "url": None}
SLOW = Health(latency_ms=900.0)
LONG_S = 20


class Receivers:
    """Those that hang answer once they are let go. Notes who sent what, and how many did at once."""

    def __init__(self, *hangs):
        self.hangs, self.let_go = hangs, threading.Event()
        self.lock, self.changed = threading.Lock(), threading.Condition()
        self.sent, self.threads, self.at_once, self.most, self.senders = [], set(), 0, 0, 0

    @contextmanager
    def sender(self):
        with self.lock:
            self.senders += 1
        yield self

    def send(self, url, _body, *, message_id, **_):
        with self.changed:
            self.at_once += 1
            self.most = max(self.most, self.at_once)
            self.threads.add(threading.get_ident())
            self.changed.notify_all()
        if url in self.hangs:
            assert self.let_go.wait(LONG_S), "nobody let it go"
        with self.changed:
            self.at_once -= 1
            self.sent.append(message_id)
            self.changed.notify_all()
        return outcome()

    def wait_for(self, condition):
        with self.changed:
            assert self.changed.wait_for(lambda: condition(self), LONG_S)


@pytest.fixture
def clock():
    return HandClock()


@pytest.fixture
def traffic(clock):
    """`traffic(receivers, **claim)`: a lane whose time is over in two seconds."""
    opened = []

    def make(receivers, **claim):
        opened.append((receivers, Traffic(receivers.sender, held(**claim), clock, until=clock.monotonic() + 2)))
        return opened[-1][1]

    yield make
    for receivers, one in opened:
        receivers.let_go.set()
        one.__exit__(None, None, None)


def numbers(done):
    return [one.message.id.removeprefix("msg_") for one in done]


def ended(lane, count, due=()):
    """The numbers of the next so many that end; more than one blink may pass before they do."""
    done = list(lane.send(due))
    while len(done) < count:
        done += lane.send([])
    return numbers(done)


def test_a_prompt_endpoint_is_served_by_whoever_holds_the_lane_over_one_connection(traffic):
    receivers = Receivers()
    lane = traffic(receivers)
    assert numbers(lane.send(due(n) for n in range(3))) == ["0", "1", "2"]
    assert numbers(lane.send([due(3)])) == ["3"]
    assert receivers.threads == {threading.get_ident()}
    assert receivers.senders == 1
    assert not lane.busy


@pytest.mark.parametrize("health", [Health(), SLOW], ids=["prompt", "slow"])
def test_no_url_of_jobs_waits_for_one_that_hangs(traffic, health):
    receivers = Receivers(HANGS)
    lane = traffic(receivers, **OF_JOBS, health=health)
    assert sorted(ended(lane, 2, [due(1, url=HANGS), due(2), due(3)])) == ["2", "3"]
    assert lane.busy
    assert ended(lane, 1, [due(1, url=HANGS), due(4)]) == ["4"]
    receivers.let_go.set()
    assert ended(lane, 1) == ["1"]


def test_a_job_does_wait_for_its_own_event_that_hangs(traffic):
    receivers = Receivers(HANGS)
    lane = traffic(receivers, **OF_JOBS)
    assert ended(lane, 1, [due(1, job_id="j", url=HANGS), due(2, job_id="j"), due(3)]) == ["3"]
    receivers.let_go.set()
    assert ended(lane, 2) == ["1", "2"]


def test_one_url_with_many_jobs_that_hangs_leaves_its_neighbours_a_place(traffic):
    receivers = Receivers(HANGS)
    lane = traffic(receivers, **OF_JOBS, health=SLOW)
    assert ended(lane, 1, [*(due(n, url=HANGS) for n in range(20)), due(100)]) == ["100"]


def test_however_many_hang_so_many_are_under_way_and_no_more(traffic):
    urls = [f"https://h.example/{n}" for n in range(3 * MAX_IN_FLIGHT)]
    receivers = Receivers(*urls)
    lane = traffic(receivers, **OF_JOBS, health=SLOW)
    waiting = [due(n, url=url) for n, url in enumerate(urls)]
    assert lane.send(waiting) == ()
    receivers.wait_for(lambda seen: seen.at_once == MAX_IN_FLIGHT)
    receivers.let_go.set()
    done = []
    while len(done) < len(waiting):
        done += lane.send([])
    assert receivers.most == MAX_IN_FLIGHT


def test_a_lane_of_urls_goes_on_behind_its_time_while_one_hangs_but_not_for_ever(traffic, clock):
    receivers = Receivers(HANGS)
    lane = traffic(receivers, **OF_JOBS)
    assert lane.send([due(1, url=HANGS)]) == ()
    clock.sleep(3)
    assert lane.is_open
    assert ended(lane, 1, [due(2)]) == ["2"]
    clock.sleep(LONGEST_S)
    assert not lane.is_open
    receivers.let_go.set()
    assert numbers(lane.send([due(3)])) == ["1"]


def test_an_endpoint_gets_nothing_behind_its_time_whatever_is_under_way(traffic, clock):
    receivers = Receivers(HANGS)
    lane = traffic(receivers, health=SLOW)
    assert ended(lane, 1, [due(1, url=HANGS), due(2)]) == ["2"]
    clock.sleep(3)
    assert not lane.is_open
    receivers.let_go.set()
    assert numbers(lane.send([due(3)])) == ["1"]
    assert receivers.sent == ["evt_2", "evt_1"]


def test_whoever_stops_waits_for_what_is_under_way_and_begins_nothing(traffic):
    receivers = Receivers(HANGS)
    lane = traffic(receivers, **OF_JOBS)
    assert lane.send([due(1, url=HANGS), due(2, job_id="job_1")]) == ()
    lane.stop()
    receivers.let_go.set()
    assert numbers(lane.send([due(3)])) == ["1"]
    assert receivers.sent == ["evt_1"]
