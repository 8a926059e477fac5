from __future__ import annotations

import threading
from collections import deque

import pytest

from fakes.engine import HandClock
from reelqueue.domain.bells import Bell
from reelqueue.domain.jobs import Queue
from reelqueue.errors import DependencyUnavailable
from reelqueue.jobs.dispatch_ports import BrokerDown
from reelqueue.jobs.dispatcher import BATCH, LOOK_AGAIN_S, Dispatcher
from reelqueue.kit.limits import SWEEP_S
from reelqueue.kit.metrics import Metrics


class Board:
    """A dispatch store: rows wait in each queue and each tenant; a marked one is gone."""

    def __init__(self, *, room=(0, 0, 0)):
        self.free = dict(zip((Queue.STEP, Queue.STREAM, Queue.WEBHOOK), room, strict=True))
        self.due = {queue: deque() for queue in Queue}
        self.new = {}
        self.unanswered = []
        self.next_due = None
        self.asked = []

    def room(self):
        return dict(self.free)

    def mark_due(self, queue, most):
        self.asked.append((queue, most))
        return self._take(queue, self.due[queue], most)

    def admit(self, most, *, each):
        self.asked.append(("admit", most, each))
        tenants = [waiting for waiting in self.new.values() if waiting][: max(1, most // each)]
        bells = []
        for waiting in tenants:
            bells += self._take(Queue.STEP, waiting, min(each, most - len(bells)))
        return bells

    def settle(self):
        return 0

    def redial(self, most):
        taken, self.unanswered = self.unanswered[:most], self.unanswered[most:]
        return taken

    def seconds_to_next_due(self):
        return self.next_due

    def _take(self, queue, waiting, most):
        return [Bell(queue, waiting.popleft()) for _ in range(min(most, len(waiting)))]


class Repairs:
    def __init__(self, **counts):
        self.done = []
        self.counts = counts

    def _one(self, name):
        self.done.append(name)
        return self.counts.get(name, 0)

    def take_over(self):
        return self._one("take_over")

    def fail_poisoned(self):
        return self._one("fail_poisoned")

    def fail_overdue(self):
        return self._one("fail_overdue")

    def restore_flags(self):
        return self._one("restore_flags")

    def ask_for_room(self):
        return self._one("ask_for_room")


class Gate:
    """How many jobs may begin: all (`None`), or a number."""

    def __init__(self, *allowed):
        self.allowed = list(allowed)
        self.asked = 0

    def admission(self):
        self.asked += 1
        return self.allowed.pop(0) if self.allowed else None

    def tell_late(self):
        return 0


class Bells:
    def __init__(self):
        self.rung = []
        self.batches = []
        self.down = False

    def ring(self, bells):
        if self.down:
            raise BrokerDown("ConnectionError")
        self.batches.append(len(bells))
        self.rung += bells


@pytest.fixture
def clock():
    return HandClock()


@pytest.fixture
def bells():
    return Bells()


def make(store, bells, clock, *, sweep=None, forget=(), gate=None):
    return Dispatcher(
        store=store,
        sweep=sweep or Repairs(),
        gate=gate or Gate(),
        bells=bells,
        clock=clock,
        metrics=Metrics(),
        forget_expired=forget,
    )


# --- one round --------------------------------------------------------------------------------------------------------


def test_nothing_to_do_rings_nobody(bells, clock):
    assert make(Board(room=(5, 5, 5)), bells, clock).dispatch_once() == 0
    assert bells.rung == []


def test_no_more_is_rung_than_there_is_room_for(bells, clock):
    board = Board(room=(3, 2, 1))
    for queue in Queue:
        board.due[queue] = deque(range(10))
    assert make(board, bells, clock).dispatch_once() == 6
    assert sorted(b.queue for b in bells.rung) == sorted([Queue.STEP] * 3 + [Queue.STREAM] * 2 + [Queue.WEBHOOK])


def test_admitted_jobs_go_before_new_ones(bells, clock):
    board = Board(room=(3, 0, 0))
    board.due[Queue.STEP] = deque(["old 1", "old 2"])
    board.new = {"a": deque(["new 1", "new 2"])}
    make(board, bells, clock).dispatch_once()
    assert [bell.id for bell in bells.rung] == ["old 1", "old 2", "new 1"]


def test_what_is_left_of_the_room_is_for_new_jobs_a_few_of_each_tenant_first(bells, clock):
    board = Board(room=(9, 0, 0))
    board.new = {"a": deque(f"a{n}" for n in range(99)), "b": deque(["b0"]), "c": deque(["c0"])}
    make(board, bells, clock).dispatch_once()
    ids = [bell.id for bell in bells.rung]
    assert len(ids) == 9
    assert ids[:4] == ["a0", "a1", "b0", "c0"]


def test_a_lone_tenant_fills_the_room(bells, clock):
    board = Board(room=(50, 0, 0))
    board.new = {"a": deque(f"a{n}" for n in range(99))}
    assert make(board, bells, clock).dispatch_once() == 50


def test_a_crowd_is_rung_in_batches(bells, clock):
    board = Board(room=(0, 3 * BATCH, 0))
    board.due[Queue.STREAM] = deque(range(2 * BATCH + 5))
    assert make(board, bells, clock).dispatch_once() == 2 * BATCH + 5
    assert bells.batches == [BATCH, BATCH, 5]


def test_the_next_jobs_are_admitted_while_bells_are_rung(bells, clock):
    board = Board(room=(3 * BATCH, 0, 0))
    board.new = {f"t{n}": deque(range(3)) for n in range(BATCH)}
    looked_again, admit, ring, in_time = threading.Event(), board.admit, bells.ring, []

    def admitting(most, *, each):
        if board.asked[-1][0] == "admit":
            looked_again.set()
        return admit(most, each=each)

    def ringing(some):
        in_time.append(looked_again.wait(30))
        ring(some)

    board.admit, bells.ring = admitting, ringing
    # All are rung when the round is over, in their order.
    assert make(board, bells, clock).dispatch_once() == sum(bells.batches) == len(bells.rung)
    assert len(bells.batches) > 1
    assert set(in_time) == {True}


def test_what_was_admitted_is_rung_though_the_database_goes_away(bells, clock):
    board = Board(room=(3 * BATCH, 0, 0))
    board.new = {"a": deque(["a0", "a1"])}
    admit = board.admit

    def once(most, *, each):
        if board.asked[-1][0] == "admit":
            raise DependencyUnavailable("away")
        return admit(most, each=each)

    board.admit = once
    with pytest.raises(DependencyUnavailable):
        make(board, bells, clock).dispatch_once()
    assert [bell.id for bell in bells.rung] == ["a0", "a1"]


def test_a_broker_that_is_down_ends_nothing_and_is_counted(bells, clock):
    board, bells.down = Board(room=(5, 5, 5)), True
    board.due[Queue.STEP] = deque(["x"])
    board.due[Queue.WEBHOOK] = deque(["y"])
    dispatcher = make(board, bells, clock)
    dispatcher.dispatch_once()
    assert dispatcher._metrics.bells_failed._value.get() == 2
    # The rows are marked; the sweep rings again once their bells stayed unanswered.
    bells.down = False
    board.unanswered = [Bell(Queue.STEP, "x"), Bell(Queue.WEBHOOK, "y")]
    dispatcher.sweep_once()
    assert [bell.id for bell in bells.rung] == ["x", "y"]


def test_the_sweep_does_every_repair_before_it_rings_again(bells, clock):
    sweep = Repairs(take_over=2)
    board = Board()
    board.unanswered = [Bell(Queue.STREAM, "x")]
    make(board, bells, clock, sweep=sweep).sweep_once()
    assert set(sweep.done) == {"take_over", "fail_poisoned", "fail_overdue", "restore_flags", "ask_for_room"}
    assert bells.rung == [Bell(Queue.STREAM, "x")]


# --- how long it waits ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("room", "next_due", "expected"),
    [
        ((1, 1, 1), None, SWEEP_S),
        ((1, 1, 1), 2.0, 2.0),
        ((1, 1, 1), 60.0, SWEEP_S),
        ((1, 1, 1), -3.0, 0.0),
        ((1, 1, 0), -3.0, LOOK_AGAIN_S),
    ],
)
def test_it_sleeps_until_the_next_due_time_or_the_sweep(bells, clock, room, next_due, expected):
    board = Board(room=room)
    board.next_due = next_due
    dispatcher = make(board, bells, clock)
    dispatcher.dispatch_once()
    assert dispatcher._pause(clock.monotonic() + SWEEP_S) == expected


def test_a_full_queue_is_looked_at_again_soon(bells, clock):
    board = Board(room=(1, 1, 1))
    board.due[Queue.STREAM] = deque(["x", "y"])
    dispatcher = make(board, bells, clock)
    dispatcher.dispatch_once()
    assert dispatcher._pause(clock.monotonic() + SWEEP_S) == LOOK_AGAIN_S


# --- the loop ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def running():
    """Runs a dispatcher in a thread and stops it at the end."""
    started = []

    def start(dispatcher):
        thread = threading.Thread(target=dispatcher.run, daemon=True)
        started.append((dispatcher, thread))
        thread.start()
        return dispatcher

    yield start
    for dispatcher, thread in started:
        dispatcher.stop()
        thread.join(timeout=10)
        assert not thread.is_alive()


def test_it_is_woken(bells, clock, running, eventually):
    board = Board(room=(5, 5, 5))
    dispatcher = running(make(board, bells, clock))
    eventually(lambda: board.asked)
    board.due[Queue.STEP].append("x")
    dispatcher.wake()
    eventually(lambda: [bell.id for bell in bells.rung] == ["x"])


def test_it_sweeps_at_the_start_and_then_by_the_clock(bells, clock, running, eventually):
    sweep, forgotten = Repairs(), []
    dispatcher = running(make(Board(), bells, clock, sweep=sweep, forget=[lambda: forgotten.append(1) or 0]))
    eventually(lambda: sweep.done.count("take_over") == 1)
    clock.forward(SWEEP_S)
    dispatcher.wake()
    eventually(lambda: sweep.done.count("take_over") == 2)
    assert forgotten == [1]
    clock.forward(3600)
    dispatcher.wake()
    eventually(lambda: forgotten == [1, 1])


@pytest.mark.parametrize("error", [DependencyUnavailable("gone"), RuntimeError("a bug")])
def test_it_outlives_what_goes_wrong_in_a_round(bells, clock, running, eventually, error):
    class Shaky(Board):
        def room(self):
            if not self.asked:
                self.asked.append("failed")
                raise error
            return super().room()

    board = Shaky(room=(5, 5, 5))
    board.due[Queue.STEP].append("x")
    dispatcher = running(make(board, bells, clock))
    eventually(lambda: board.asked)
    dispatcher.wake()
    eventually(lambda: [bell.id for bell in bells.rung] == ["x"])


def test_a_repair_that_always_breaks_keeps_nobody_from_their_turn(bells, clock, running, eventually):
    class Broken(Repairs):
        def take_over(self):
            self.done.append("tried")
            raise RuntimeError("a bug")

    board, sweep = Board(room=(5, 5, 5)), Broken()
    board.due[Queue.STEP].append("x")
    dispatcher = running(make(board, bells, clock, sweep=sweep))
    eventually(lambda: sweep.done)
    dispatcher.wake()
    eventually(lambda: [bell.id for bell in bells.rung] == ["x"])


# --- while NemoVideo is down ------------------------------------------------------------------------------------------


def test_nothing_begins_but_what_a_probe_needs_until_it_is_over(bells, clock):
    board = Board(room=(50, 0, 0))
    board.new = {"one": deque(f"job_{number}" for number in range(9))}
    gate = Gate(0, 1, 0)
    dispatcher = make(board, bells, clock, gate=gate)
    dispatcher.sweep_once()
    assert [dispatcher.dispatch_once() for _ in range(3)] == [1, 0, 8]
    assert gate.asked == 4
    dispatcher.dispatch_once()
    assert gate.asked == 4
