from __future__ import annotations

import pytest

from fakes.engine import HandClock, MemoryWorkers
from reelqueue.errors import DependencyUnavailable
from reelqueue.jobs.lease import SAFETY_S, Lease
from reelqueue.kit.limits import HEARTBEAT_S, LEASE_S

NOBODY = frozenset()


@pytest.fixture
def clock():
    return HandClock()


@pytest.fixture
def start(clock):
    """Starts a lease that beats every few milliseconds; each is stopped at the end."""
    started = []

    def begin(workers, on_cancel=lambda job_id: None, *, every_s=0.005):
        lease = Lease(workers, clock, node="n", queues=["step"], capacity=2, every_s=every_s)
        started.append(lease)
        lease.start(on_cancel)
        return lease

    yield begin
    for lease in started:
        lease.stop()


def test_the_times_fit_together():
    assert HEARTBEAT_S * 2 + SAFETY_S < LEASE_S


def test_it_is_registered_once_and_renewed_until_it_stops(start, eventually):
    workers = MemoryWorkers()
    lease = start(workers)
    eventually(lambda: len(workers.beaten) >= 3)
    lease.stop()
    beats = len(workers.beaten)
    assert workers.registered == ["wrk_1"]
    assert {name for name, _ in workers.beaten} == {lease.worker_id} == {"wrk_1"}
    assert workers.left == ["wrk_1"]
    assert len(workers.beaten) == beats


def test_it_is_good_for_less_time_than_the_database_grants(start, clock):
    lease = start(MemoryWorkers(), every_s=60)
    assert lease.is_good_for("wrk_1")
    clock.forward(LEASE_S - SAFETY_S - 0.01)
    assert lease.is_good_for("wrk_1")
    clock.forward(0.02)
    assert not lease.is_good_for("wrk_1")


def test_how_many_live_is_known_from_the_first_heartbeat_on_and_as_long_as_the_lease_is(clock):
    """By the first heartbeat every other worker has counted this one too."""
    workers = MemoryWorkers()
    workers.alive = 3
    lease = Lease(workers, clock, node="n", queues=["step"], capacity=2)
    lease._register()
    assert lease.live_workers() is None
    lease._beat(lambda job_id: None)
    assert lease.live_workers() == 3
    clock.forward(LEASE_S - SAFETY_S)
    assert lease.live_workers() is None


def test_renewing_makes_it_good_again(start, clock, eventually):
    workers = MemoryWorkers()
    lease = start(workers)
    clock.forward(LEASE_S)
    eventually(lambda: lease.is_good_for("wrk_1"))


def test_the_time_counts_from_before_the_database_was_asked(clock):
    class Slow(MemoryWorkers):
        def heartbeat(self, worker_id, *, draining=False):
            clock.forward(20)
            return super().heartbeat(worker_id, draining=draining)

    lease = Lease(Slow(), clock, node="n", queues=["step"], capacity=2)
    lease._register()
    lease._beat(lambda job_id: None)
    assert lease.is_good_for("wrk_1")
    clock.forward(LEASE_S - SAFETY_S - 20)
    assert not lease.is_good_for("wrk_1")


def test_a_missed_lease_gets_a_new_name_and_the_old_ones_claims_may_send_nothing(start, eventually):
    workers = MemoryWorkers(None, NOBODY)
    lease = start(workers)
    eventually(lambda: lease.worker_id == "wrk_2")
    assert lease.is_good_for("wrk_2")
    # A process that was frozen past its lease: its threads wake in any order, and the heartbeat may be the first.
    assert not lease.is_good_for("wrk_1")
    eventually(lambda: workers.beaten[-1][0] == "wrk_2")


def test_a_database_that_is_away_is_asked_again_and_the_lease_runs_out_meanwhile(start, clock, eventually):
    workers = MemoryWorkers(*[DependencyUnavailable()] * 20, NOBODY)
    lease = start(workers)
    clock.forward(LEASE_S)
    eventually(lambda: lease.is_good_for("wrk_1"))
    assert workers.registered == ["wrk_1"]


def test_a_cancel_that_was_missed_comes_with_the_heartbeat(start, eventually):
    canceled = []
    start(MemoryWorkers(frozenset({"job_1", "job_2"}), NOBODY), canceled.append)
    eventually(lambda: sorted(canceled) == ["job_1", "job_2"])


def test_a_listener_that_raises_does_not_end_the_renewing(start, eventually):
    def broken(job_id):
        raise OSError("socket gone")

    workers = MemoryWorkers(frozenset({"job_1"}))
    lease = start(workers, broken)
    eventually(lambda: len(workers.beaten) >= 3)
    assert lease.is_good_for("wrk_1")


def test_a_heartbeat_that_breaks_in_any_way_is_not_the_last(start, eventually):
    workers = MemoryWorkers(RuntimeError("a bug"), NOBODY)
    start(workers)
    eventually(lambda: len(workers.beaten) >= 3)


def test_draining_is_told_at_once_and_leases_are_renewed_on(start, eventually):
    workers = MemoryWorkers()
    lease = start(workers, every_s=3600)
    lease.drain()
    eventually(lambda: workers.beaten == [("wrk_1", True)])
    assert workers.left == []


def test_saying_goodbye_to_a_database_that_is_away_is_not_an_error(clock):
    class Away(MemoryWorkers):
        def leave(self, worker_id):
            raise DependencyUnavailable

    lease = Lease(Away(), clock, node="n", queues=["step"], capacity=2, every_s=3600)
    lease.start(lambda job_id: None)
    lease.stop()
