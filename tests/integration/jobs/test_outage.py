"""NemoVideo down for everybody: jobs wait and go on, nothing is paid twice, and it is told once."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import insert, select

from fixtures.eventually import wait_until
from reelqueue.domain.breakers import CALLS, Phase
from reelqueue.domain.jobs import Status, WaitingReason
from reelqueue.errors import NotSent, UpstreamProtocolError, UpstreamUnavailable
from reelqueue.kit.ids import new_id
from reelqueue.store.sequencer import Sequencer
from reelqueue.store.tables import breakers, feed_events, messages, webhook_endpoints

MANY, FEW = 20, 4
PATIENCE_S = 120


def listen(plant, *patterns):
    endpoint_id = new_id("webhook_endpoint")
    values = {"id": endpoint_id, "tenant_id": plant.tenant, "url": "https://x.example", "secret": b"x"}
    with plant.database.statement() as connection:
        connection.execute(insert(webhook_endpoints).values(**values, event_types=list(patterns)))
    return endpoint_id


def told(plant, endpoint_id):
    while Sequencer(plant.database).run_once():
        pass
    with plant.database.statement() as connection:
        found = connection.execute(
            select(messages.c.type, feed_events.c.payload)
            .join(feed_events, feed_events.c.id == messages.c.event_id)
            .where(messages.c.endpoint_id == endpoint_id, messages.c.job_id.is_(None))
            .order_by(messages.c.position)
        ).all()
    return [(row.type, json.loads(row.payload)["data"]["phase"]) for row in found]


def break_down(plant, error, *calls):
    """From now on these calls meet the error. Returns what puts it right again."""

    def broken(*arguments, **named):
        raise error()

    places = {call: plant.keeper if call == "keep" else plant.studio for call in calls if call in CALLS}
    for call, place in places.items():
        setattr(place, call, broken)

    def mend():
        for call, place in places.items():
            delattr(place, call)

    return mend


def turn(plant):
    """A round of the dispatcher, by a worker that lives as long as the test takes."""
    plant.worker.lease._beat(lambda _: None)
    plant.round()


def opened(plant, phase):
    turn(plant)
    return state_of(plant, phase) != "closed"


def state_of(plant, phase):
    return plant.breakers.view().breakers[phase].state


def found(plant, ids):
    return [plant.jobs.find(plant.tenant, job_id) for job_id in ids]


def all_done(plant, ids):
    turn(plant)
    return all(job.status.is_final for job in found(plant, ids))


@pytest.mark.parametrize(
    ("phase", "error", "calls", "count"),
    [
        (Phase.SESSION, UpstreamUnavailable, [call for call in CALLS if call != "download_render"], MANY),
        (Phase.SESSION, NotSent, ["create_session", "state"], FEW),
        (Phase.UPLOAD, UpstreamProtocolError, ["upload_files"], FEW),
        (Phase.INSTRUCT, NotSent, ["run_turn"], FEW),
        (Phase.RENDER, UpstreamUnavailable, ["submit_render"], FEW),
        (Phase.POLL, UpstreamUnavailable, ["render_report"], FEW),
        (Phase.SAVE, UpstreamUnavailable, ["keep"], FEW),
    ],
)
def test_no_job_fails_and_all_go_on_when_it_is_over(plant, phase, error, calls, count):
    listener = listen(plant, "upstream.*")
    mend = break_down(plant, error, *calls)
    ids = [plant.accept().id for _ in range(count)]
    wait_until(lambda: opened(plant, phase), PATIENCE_S, interval=0)
    for _ in range(15):
        turn(plant)
    jobs = found(plant, ids)
    assert not [job for job in jobs if job.status.is_final]
    assert WaitingReason.UPSTREAM_DEGRADED in {job.waiting.reason for job in jobs if job.waiting is not None}
    assert told(plant, listener) == [("upstream.degraded", phase)]
    mend()
    wait_until(lambda: all_done(plant, ids), PATIENCE_S, interval=0)
    assert [job.error for job in found(plant, ids) if job.status is not Status.SUCCEEDED] == []
    assert len(plant.studio.turns) == count
    assert state_of(plant, phase) == "closed"
    assert told(plant, listener) == [("upstream.degraded", phase), ("upstream.recovered", phase)]


def test_while_it_lasts_it_is_asked_by_probes_only(plant):
    asked = []

    def broken(*arguments, **named):
        asked.append(1)
        raise UpstreamUnavailable

    plant.studio.create_session = broken
    ids = [plant.accept(pictures=0).id for _ in range(FEW)]
    wait_until(lambda: opened(plant, Phase.SESSION), PATIENCE_S, interval=0)
    before, failed = len(asked), plant.breakers.view().breakers[Phase.SESSION].failed_probes
    for _ in range(15):
        turn(plant)
    probes = plant.breakers.view().breakers[Phase.SESSION].failed_probes - failed
    assert len(asked) - before == probes > 0
    assert max(job.attempt for job in found(plant, ids)) < 6


def test_one_poisoned_job_opens_nothing(plant):
    mend = break_down(plant, UpstreamUnavailable, "upload_files")
    job = plant.run(plant.accept().id)
    mend()
    assert (job.status, job.error.code) == (Status.FAILED, "upstream_unavailable")
    assert state_of(plant, Phase.UPLOAD) == "closed"


def test_instructs_held_open_by_hand_stop_on_every_worker(plant):
    listener = listen(plant, "upstream.degraded", "upstream.recovered")
    workers = [plant.worker, plant.start()]
    plant.breakers.hold(Phase.INSTRUCT, "credits burn")
    for worker in workers:
        worker.watch.refresh()
    ids = [plant.accept().id for _ in range(4)]

    def one_is_there():
        workers.reverse()
        plant.worker = workers[0]
        turn(plant)
        return Status.INSTRUCTING in {job.status for job in found(plant, ids)}

    wait_until(one_is_there, PATIENCE_S, interval=0)
    for _ in range(12):
        one_is_there()
    assert plant.studio.turns == []
    # The plant admits only while no bell is due, and the stopped ones always are.
    assert {job.status for job in found(plant, ids)} <= {Status.QUEUED, Status.INSTRUCTING}
    assert told(plant, listener) == [("upstream.degraded", "instruct")]
    plant.breakers.release(Phase.INSTRUCT)
    for worker in workers:
        worker.watch.refresh()
    wait_until(lambda: all_done(plant, ids), PATIENCE_S, interval=0)
    assert len(plant.studio.turns) == 4
    assert told(plant, listener)[1:] == [("upstream.recovered", "instruct")]


def test_a_probe_whose_worker_was_killed_is_followed_by_another(plant):
    mend = break_down(plant, UpstreamUnavailable, "create_session")
    ids = [plant.accept(pictures=0).id for _ in range(3)]
    wait_until(lambda: opened(plant, Phase.SESSION), PATIENCE_S, interval=0)
    mend()
    wait_until(lambda: plant.breakers.take_probe(Phase.SESSION, "a dead one"), PATIENCE_S, interval=0.01)
    plant.worker.watch.refresh()
    for _ in range(20):
        turn(plant)
    assert plant.studio.sessions == {}
    with plant.database.statement() as connection:
        long_ago = breakers.c.probe_until - (breakers.c.probe_until - breakers.c.opened_at)
        connection.execute(breakers.update().values(probe_until=long_ago))
    plant.worker.watch.refresh()
    wait_until(lambda: all_done(plant, ids), PATIENCE_S, interval=0)
    assert {job.status for job in found(plant, ids)} == {Status.SUCCEEDED}


def test_a_cancel_waits_for_nobody(plant):
    plant.breakers.hold(Phase.SESSION, "maintenance")
    plant.worker.watch.refresh()
    job_id = plant.accept().id
    turn(plant)
    assert plant.jobs.find(plant.tenant, job_id).waiting.reason is WaitingReason.UPSTREAM_DEGRADED
    plant.jobs.request_cancel(plant.tenant, job_id)
    assert plant.run(job_id).status is Status.CANCELED


def test_jobs_that_were_not_admitted_say_why(plant):
    job_id = plant.accept().id
    assert plant.jobs.find(plant.tenant, job_id).waiting.reason is WaitingReason.TURN
    plant.breakers.hold(Phase.UPLOAD, "x")
    assert plant.jobs.find(plant.tenant, job_id).waiting.reason is WaitingReason.TURN
    plant.breakers.hold(Phase.INSTRUCT, "x")
    assert plant.jobs.find(plant.tenant, job_id).waiting.reason is WaitingReason.UPSTREAM_DEGRADED


def test_who_did_not_ask_is_told_nothing(plant):
    others = [listen(plant, "job.*"), listen(plant, "batch.*", "upstream.recovered")]
    everything = listen(plant, "*")
    plant.breakers.hold(Phase.POLL, "x")
    assert [told(plant, one) for one in others] == [[], []]
    assert told(plant, everything) == [("upstream.degraded", "poll")]
    with plant.database.statement() as connection:
        [payload] = connection.execute(
            select(feed_events.c.payload).where(feed_events.c.type == "upstream.degraded")
        ).scalars()
    data = json.loads(payload)["data"]
    assert (data["phase"], data["reason"]) == ("poll", "operator")
