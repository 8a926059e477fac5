"""The breakers as a process knows them: who is let through, and what is written."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from fakes.breakers import MemoryBreakers, watch_over
from fakes.engine import NOW, HandClock, make_job
from fakes.upstream import said
from reelqueue.domain.breakers import Phase
from reelqueue.domain.jobs import WaitingReason
from reelqueue.domain.upstream import TurnControl, TurnLimits
from reelqueue.errors import DependencyUnavailable, NotSent, RateLimited, SessionNotFound, UpstreamUnavailable
from reelqueue.jobs.breaker import PhaseOpen, watched


class Upstream:
    def __init__(self):
        self.error = None
        self.asked = []

    def _asked(self, name):
        self.asked.append(name)
        if self.error is not None:
            raise self.error

    def state(self):
        self._asked("state")

    def balance(self):
        self._asked("balance")

    def submit_render(self):
        self._asked("submit_render")

    def run_turn(self, *, control, on_progress):
        on_progress("first")
        self._asked("run_turn")
        return said("Done.")


class Bench:
    def __init__(self):
        self.clock = HandClock()
        self.store = MemoryBreakers(self.clock)
        self.target = Upstream()
        self.fresh()

    def fresh(self):
        self.watch = watch_over(self.store)
        self.upstream = watched(self.target, self.watch)


@pytest.fixture
def bench():
    return Bench()


def control():
    return TurnControl(lambda: None, TurnLimits(total_s=10, idle_s=10))


def test_a_healthy_job_costs_no_statement(bench):
    with bench.watch.attempt(make_job()):
        for _ in range(100):
            bench.upstream.state()
            bench.upstream.submit_render()
    assert bench.store.writes == []


@pytest.mark.parametrize("error", [RateLimited(), SessionNotFound()])
def test_nor_does_one_that_is_refused(bench, error):
    bench.target.error = error
    with bench.watch.attempt(make_job()), pytest.raises(type(error)):
        bench.upstream.state()
    assert bench.store.writes == []


def test_nothing_is_called_while_it_is_open(bench):
    bench.store.open(Phase.SESSION, "state")
    bench.fresh()
    with bench.watch.attempt(make_job()):
        with pytest.raises(PhaseOpen):
            bench.upstream.state()
        bench.upstream.submit_render()
        bench.upstream.balance()
    assert bench.target.asked == ["submit_render", "balance"]
    assert bench.store.writes == []


def test_a_probe_is_taken_when_it_is_due_and_its_answer_closes(bench):
    bench.store.open(Phase.SESSION, "state")
    bench.fresh()
    bench.clock.forward(5)
    with bench.watch.attempt(make_job()):
        bench.upstream.state()
        bench.upstream.state()
    assert bench.store.writes == ["take_probe", "probed answered"]
    assert bench.store.rows[Phase.SESSION].is_closed


def test_a_probe_that_fails_waits_on(bench):
    bench.store.open(Phase.SESSION, "state")
    bench.fresh()
    bench.clock.forward(5)
    bench.target.error = NotSent()
    with bench.watch.attempt(make_job()) as attempt, pytest.raises(NotSent):
        bench.upstream.state()
    assert attempt.down is Phase.SESSION
    assert bench.store.rows[Phase.SESSION].failed_probes == 1


@pytest.mark.parametrize("how", ["429", "bug"])
def test_a_probe_that_says_nothing_is_given_back(bench, how):
    bench.store.open(Phase.SESSION, "state")
    bench.fresh()
    bench.clock.forward(5)
    bench.target.error = RateLimited() if how == "429" else RuntimeError()
    with pytest.raises(type(bench.target.error)), bench.watch.attempt(make_job()):
        bench.upstream.state()
    assert bench.store.writes == ["take_probe", "probed nothing"]


def test_the_first_sign_of_work_is_the_answer_of_a_turn(bench):
    bench.store.open(Phase.INSTRUCT, "run_turn")
    bench.fresh()
    bench.clock.forward(5)
    heard = []

    def on_progress(progress):
        heard.append((progress, bench.store.rows[Phase.INSTRUCT].state))

    with bench.watch.attempt(make_job()):
        bench.upstream.run_turn(control=control(), on_progress=on_progress)
    assert heard == [("first", "closed")]
    assert bench.store.writes == ["take_probe", "probed answered"]


def test_what_is_read_beside_a_running_turn_is_not_held_up(bench):
    bench.store.open(Phase.SESSION, "state")
    bench.fresh()
    with bench.watch.attempt(make_job()):
        bench.upstream.run_turn(control=control(), on_progress=lambda _: bench.upstream.state())
    assert bench.target.asked == ["state", "run_turn"]


def test_an_owner_who_canceled_is_not_held_up(bench):
    bench.store.open(Phase.SESSION, "state")
    bench.fresh()
    with bench.watch.attempt(make_job(cancel_requested_at=NOW)):
        bench.upstream.state()
    assert bench.target.asked == ["state"]


def test_a_database_that_is_away_hides_no_error_of_the_upstream(bench):
    bench.store.broken = DependencyUnavailable()
    bench.target.error = UpstreamUnavailable()
    with bench.watch.attempt(make_job()), pytest.raises(UpstreamUnavailable):
        bench.upstream.state()


def test_an_outage_is_learned_from_the_failure_itself(bench):
    bench.target.error = UpstreamUnavailable()
    attempts = []
    for number in range(5):
        with bench.watch.attempt(make_job(id=f"job_{number}")) as attempt, pytest.raises(UpstreamUnavailable):
            bench.upstream.state()
        attempts.append(attempt.down)
    assert attempts == [None] * 4 + [Phase.SESSION]
    with bench.watch.attempt(make_job()), pytest.raises(PhaseOpen):
        bench.upstream.state()
    assert bench.watch._metrics.breakers_opened.labels("session")._value.get() == 1


def test_the_answers_of_other_jobs_weigh_against_it(bench):
    with bench.watch.attempt(make_job()):
        for _ in range(20):
            bench.upstream.state()
    bench.target.error = UpstreamUnavailable()
    for number in range(10):
        with bench.watch.attempt(make_job(id=f"job_{number}")), pytest.raises(UpstreamUnavailable):
            bench.upstream.state()
    assert bench.store.rows[Phase.SESSION].is_closed


def test_jobs_wait_for_the_next_probe_and_spread(bench):
    bench.store.open(Phase.SESSION, "state", next_probe_at=NOW + timedelta(seconds=40))
    bench.fresh()
    waits = [bench.watch.wait(make_job(), Phase.SESSION) for _ in range(50)]
    assert {wait.reason for wait in waits} == {WaitingReason.UPSTREAM_DEGRADED}
    assert all(40 <= wait.seconds <= 60 for wait in waits)
    assert len({wait.seconds for wait in waits}) == 50


def test_a_view_follows_the_table_until_it_is_told_to_stop(bench):
    bench.store.open(Phase.SESSION, "state")
    stopped = threading.Event()
    view = bench.store.view

    def last():
        stopped.set()
        return view()

    bench.store.view = last
    bench.watch.keep_fresh(stopped)
    with bench.watch.attempt(make_job()), pytest.raises(PhaseOpen):
        bench.upstream.state()
