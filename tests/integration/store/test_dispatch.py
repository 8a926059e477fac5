from __future__ import annotations

import json
import random
import re
import threading
from collections import Counter
from datetime import timedelta

import pytest
from sqlalchemy import func, select, text, update

from fakes.job_rows import analyzed, emptied
from reelqueue.domain.claims import Change
from reelqueue.domain.jobs import EventType, JobError, Queue, Status
from reelqueue.store import admission, continuing, redial, sweep
from reelqueue.store.claims import Claims
from reelqueue.store.dispatch import Dispatch
from reelqueue.store.sweep import Sweep
from reelqueue.store.tables import jobs, tenants, webhook_lanes

AGO = func.now() - timedelta(seconds=1)
ERROR = JobError(code="c", message="m", blame="upstream", retryable=False, spent=None, fix="f")


@pytest.fixture
def database(module_database):
    return emptied(module_database)


@pytest.fixture
def make_database(more_databases, database):
    return lambda: more_databases(database)


def owners(database, bells):
    """How many of the rung jobs each tenant has."""
    with database.statement() as connection:
        found = connection.execute(select(jobs.c.tenant_id).where(jobs.c.id.in_([bell.id for bell in bells])))
        return Counter(found.scalars())


def waiting(board, tenant_id, status=Status.RENDERING, **changes):
    """An admitted job that is due."""
    return board.job(tenant_id, status, **{"due_at": AGO, **changes})


# --- admit: how it commits --------------------------------------------------------------------------------------------


def test_whoever_admits_does_not_wait_for_the_disk_and_others_do(board, database):
    board.many(board.tenant("one"), 1)
    asked = text("SHOW synchronous_commit")
    with database.transaction() as connection:
        usual = connection.execute(asked).scalar_one()
        assert len(admission.admit_next(connection, 1, each=1, most=1, drain_s=60)) == 1
        assert connection.execute(asked).scalar_one() == "off"
    with database.transaction() as connection:
        assert connection.execute(asked).scalar_one() == usual == "on"


# --- admit: fair ------------------------------------------------------------------------------------------------------


def test_a_small_tenant_does_not_wait_behind_a_large_one(board, dispatch, database):
    large = board.tenant("large", max_running=10_000)
    board.many(large, 2000)
    small = [board.tenant(f"small {number}") for number in range(20)]
    for tenant in small:
        board.many(tenant, 1)
    first = dispatch.admit(50) + dispatch.admit(50)
    assert set(owners(database, first)) == {large, *small}
    assert owners(database, first)[large] <= 4


def test_a_tenant_that_comes_late_starts_with_the_next_batch(board, dispatch, database):
    large = board.tenant("large", max_running=100_000)
    board.many(large, 2000)
    for _ in range(20):
        dispatch.admit(50, each=16)
    late = board.tenant("late", virtual_time=dispatch_time(database, large))
    board.many(late, 1)
    assert late in owners(database, dispatch.admit(4))


def dispatch_time(database, tenant):
    with database.statement() as connection:
        return connection.execute(select(tenants.c.virtual_time).where(tenants.c.id == tenant)).scalar_one()


def test_weights_of_three_to_one_give_three_to_one(board, dispatch, database):
    heavy = board.tenant("heavy", weight=3, max_running=10_000)
    light = board.tenant("light", weight=1, max_running=10_000)
    for tenant in (heavy, light):
        board.many(tenant, 500)
    given = Counter()
    while given.total() < 400:
        given += owners(database, dispatch.admit(2))
    assert 0.9 * 3 <= given[heavy] / given[light] <= 1.1 * 3


def test_a_weight_that_changes_acts_on_jobs_that_wait_already(board, dispatch, database):
    one, two = (board.tenant(name, max_running=10_000) for name in ("one", "two"))
    for tenant in (one, two):
        board.many(tenant, 500)
    for _ in range(50):
        dispatch.admit(2)
    with database.statement() as connection:
        connection.execute(update(tenants).where(tenants.c.id == one).values(weight=9))
    given = Counter()
    while given.total() < 200:
        given += owners(database, dispatch.admit(2))
    assert given[one] > 8 * given[two]


def test_a_tenants_own_jobs_go_in_the_order_they_came(board, dispatch):
    tenant = board.tenant("one")
    board.many(tenant, 20)
    ids = [bell.id for _ in range(10) for bell in sorted(dispatch.admit(2), key=lambda bell: bell.id)]
    assert ids == sorted(ids)
    assert len(ids) == 20


def test_a_job_that_is_admitted_is_rung_and_says_so(board, dispatch):
    job_id = board.job(board.tenant("one", has_waiting=True), waiting={"reason": "its_turn"})
    [bell] = dispatch.admit(5)
    assert (bell.id, bell.queue) == (job_id, Queue.STEP)
    row = board.read(job_id)
    assert (row["dispatch"], row["bells"], row["waiting"], row["status"]) == ("rung", 1, None, "queued")
    assert row["admitted_at"] is not None
    assert row["bell_at"] is not None


def test_a_paused_tenant_waits(board, dispatch, database):
    board.many(board.tenant("paused", paused=True), 5)
    other = board.tenant("other")
    board.many(other, 1)
    assert set(owners(database, dispatch.admit(50))) == {other}


def test_never_more_than_was_asked_for(board, dispatch):
    for number in range(30):
        board.many(board.tenant(f"t{number}"), 30)
    for most in (1, 2, 3, 7, 50):
        for each in (1, 2, 16):
            assert len(dispatch.admit(most, each=each)) <= most


# --- admit: capped ----------------------------------------------------------------------------------------------------


def running(database):
    """How many jobs of each tenant are under way."""
    counted = select(jobs.c.tenant_id, func.count()).where(jobs.c.admitted_at.is_not(None), jobs.c.dispatch != "done")
    with database.statement() as connection:
        return {row[0]: row[1] for row in connection.execute(counted.group_by(jobs.c.tenant_id))}


def test_a_cap_holds(board, dispatch, database):
    tenant = board.tenant("one", max_running=7)
    board.many(tenant, 50)
    for _ in range(10):
        dispatch.admit(50)
    assert running(database) == {tenant: 7}


def test_a_cap_of_nothing_lets_nothing_in(board, dispatch):
    board.many(board.tenant("one", max_running=0), 5)
    assert dispatch.admit(50) == []


def test_caps_are_never_passed_by_many_dispatchers(board, make_database, at_once):
    """Those that look at a tenant at the same time must not each count the same room."""
    caps = {board.tenant(f"t{number}", max_running=1 + number % 5): 1 + number % 5 for number in range(60)}
    for tenant in caps:
        board.many(tenant, 40)
    dispatchers = [Dispatch(make_database()) for _ in range(4)]
    over, rung, lock = [], Counter(), threading.Lock()

    def work(number):
        rng = random.Random(number)
        for _ in range(30):
            bells = dispatchers[number].admit(rng.choice((20, 60, 120)), each=rng.choice((1, 2, 16)))
            with lock:
                rung.update(bell.id for bell in bells)
            now = running(dispatchers[number]._database)
            over.extend((tenant, count) for tenant, count in now.items() if count > caps[tenant])
            # In one order: four that flag all tenants at once would otherwise each wait for the other.
            ordered = select(tenants.c.id).order_by(tenants.c.id).with_for_update(key_share=True)
            with dispatchers[number]._database.transaction() as connection:
                connection.execute(ordered)
                connection.execute(update(tenants).values(has_waiting=True))

    assert [outcome for outcome in at_once(4, work) if outcome is not None] == []
    assert over == []
    assert max(rung.values()) == 1
    assert running(board.database) == caps


def test_the_room_is_counted_after_the_tenant_is_locked(board, database, make_database, at_once):
    """A dispatcher that began to look before another committed must see what that one admitted.

    The first tenant in line has so many jobs under way that counting them takes a while. Whoever comes first counts
    them; the other skips that tenant, takes the next one's last room, and commits.
    """
    slow, tenant = board.tenant("slow", max_running=10**6), board.tenant("one", max_running=3, virtual_time=1)
    board.many(slow, 60_000)
    with database.statement() as connection:
        connection.execute(update(jobs).values(admitted_at=func.now()))
    board.many(tenant, 10)
    dispatchers = Dispatch(database), Dispatch(make_database())
    for dispatcher in dispatchers:
        dispatcher.seconds_to_next_due()  # connected before the race begins
    for _ in range(5):
        at_once(2, lambda n: dispatchers[n].admit(4))
        assert running(database).get(tenant, 0) <= 3
        mine = update(jobs).where(jobs.c.tenant_id == tenant, jobs.c.dispatch == "rung")
        with database.statement() as connection:
            connection.execute(mine.values(dispatch="idle", admitted_at=None))
            connection.execute(update(tenants).values(has_waiting=True, virtual_time=0))
            connection.execute(update(tenants).where(tenants.c.id == tenant).values(virtual_time=1))


def test_tenants_at_their_cap_do_not_keep_others_waiting(board, dispatch, database):
    """However many they are and however little room there is: one call finds the one who may."""
    for number in range(40):
        tenant = board.tenant(f"full {number}", max_running=1)
        board.many(tenant, 3)
    while dispatch.admit(50):
        pass
    with database.statement() as connection:
        connection.execute(update(tenants).values(has_waiting=True))
    patient = board.tenant("patient", virtual_time=10**6)
    board.many(patient, 1)
    assert set(owners(database, dispatch.admit(1))) == {patient}


def test_the_end_of_a_job_makes_room_for_the_next(board, dispatch, database):
    tenant = board.tenant("one", max_running=1)
    for _ in range(2):
        board.job(tenant)
    with database.statement() as connection:
        connection.execute(update(tenants).values(has_waiting=True))
    [first] = dispatch.admit(50)
    assert dispatch.admit(50) == []
    claim = Claims(database).claim(first.id, board.worker())
    failed = Change(origin=Status.QUEUED, to=Status.FAILED, hold="end", error=ERROR, event=EventType.FAILED)
    Claims(database).apply(claim, failed)
    [second] = dispatch.admit(50)
    assert second.id != first.id


def test_a_flag_that_was_lost_comes_back(board, dispatch, database):
    tenant, empty = board.tenant("one"), board.tenant("empty")
    full = board.tenant("full", max_running=1)
    board.many(tenant, 1)
    board.many(full, 2)
    assert len(dispatch.admit(50)) == 2
    board.many(tenant, 1, first=5)
    with database.statement() as connection:
        connection.execute(update(tenants).values(has_waiting=False))
    assert dispatch.admit(50) == []
    assert Sweep(database).restore_flags() == 1
    assert set(owners(database, dispatch.admit(50))) == {tenant}
    with database.statement() as connection:
        flags = {row.id: row.has_waiting for row in connection.execute(select(tenants.c.id, tenants.c.has_waiting))}
    assert not flags[empty]
    assert not flags[full]


# --- continue ---------------------------------------------------------------------------------------------------------


def test_the_longest_due_go_first_and_each_to_its_queue(board, dispatch):
    tenant = board.tenant("one")
    late = waiting(board, tenant, due_at=func.now() - timedelta(seconds=5))
    later = waiting(board, tenant, due_at=func.now() - timedelta(seconds=9))
    stream = waiting(board, tenant, Status.INSTRUCTING)
    waiting(board, tenant, due_at=func.now() + timedelta(seconds=60))
    waiting(board, tenant, Status.REQUIRES_INPUT, due_at=None)
    board.job(tenant)
    assert [bell.id for bell in dispatch.mark_due(Queue.STEP, 1)] == [later]
    assert [bell.id for bell in dispatch.mark_due(Queue.STEP, 10)] == [late]
    assert [(bell.id, bell.queue) for bell in dispatch.mark_due(Queue.STREAM, 10)] == [(stream, Queue.STREAM)]
    assert dispatch.mark_due(Queue.STEP, 10) == []


def test_two_dispatchers_never_mark_the_same_row(board, make_database, at_once):
    tenant = board.tenant("one", max_running=10_000)
    ids = {waiting(board, tenant) for _ in range(300)}
    board.many(tenant, 300)
    dispatchers = [Dispatch(make_database()) for _ in range(4)]

    def work(number):
        found = []
        for _ in range(40):
            found += [bell.id for bell in dispatchers[number].mark_due(Queue.STEP, 7)]
            found += [bell.id for bell in dispatchers[number].admit(10, each=5)]
        return found

    everything = [job_id for found in at_once(4, work) for job_id in found]
    assert len(everything) == len(set(everything))
    assert ids <= set(everything)


def test_a_paused_or_full_tenants_running_jobs_go_on(board, dispatch):
    job_id = waiting(board, board.tenant("one", paused=True, max_running=0))
    assert [bell.id for bell in dispatch.mark_due(Queue.STEP, 10)] == [job_id]


# --- bells nobody answered --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("bells", "after_s"), [(1, 5), (2, 10), (3, 20), (4, 40), (5, 60), (9, 60), (40, 60)])
def test_a_bell_is_rung_again_later_and_later(board, dispatch, bells, after_s):
    tenant = board.tenant("one")
    old = func.now() - timedelta(seconds=after_s + 1)
    recent = func.now() - timedelta(seconds=after_s - 1)
    due = waiting(board, tenant, dispatch="rung", bells=bells, bell_at=old)
    waiting(board, tenant, dispatch="rung", bells=bells, bell_at=recent)
    assert [(bell.id, bell.queue) for bell in dispatch.redial(50)] == [(due, Queue.STEP)]
    assert board.read(due)["bells"] == bells + 1
    assert dispatch.redial(50) == []


def test_lanes_are_rung_again_too(board, dispatch, rows, database):
    tenant = board.tenant("one")
    lane = rows.lane(rows.message(tenant, url="https://x.example/"))
    rows.write(webhook_lanes, lane, bell_at=func.now() - timedelta(seconds=6))
    [bell] = dispatch.redial(50)
    assert (bell.id, bell.queue) == (lane, Queue.WEBHOOK)
    assert rows.read(webhook_lanes, lane)["bells"] == 2


def test_a_claim_silences_the_bell(board, dispatch, database):
    job_id = waiting(board, board.tenant("one"), dispatch="rung", bells=3, bell_at=func.now() - timedelta(hours=1))
    Claims(database).claim(job_id, board.worker())
    assert dispatch.redial(50) == []
    assert board.read(job_id)["bells"] == 0


# --- room -------------------------------------------------------------------------------------------------------------


def test_room_is_what_live_workers_can_take_less_what_they_have(board, dispatch, rows):
    assert dispatch.room() == {Queue.STEP: 0, Queue.STREAM: 0, Queue.WEBHOOK: 0}
    board.worker("step", "webhook", capacity=10)
    board.worker("stream", capacity=5)
    board.worker("step", capacity=3)
    board.worker("step", capacity=100, alive_s=-1)
    board.worker("step", capacity=100, state="draining")
    board.worker("step", capacity=100, state="gone")
    tenant = board.tenant("one")
    waiting(board, tenant)
    waiting(board, tenant, dispatch="rung", bell_at=func.now(), bells=1)
    board.held(tenant, "wrk_one", Status.INSTRUCTING)
    rows.message(tenant, url="https://x.example/")
    assert dispatch.room() == {Queue.STEP: 12, Queue.STREAM: 4, Queue.WEBHOOK: 9}


def test_room_is_never_less_than_nothing(board, dispatch):
    board.worker("stream", capacity=1)
    tenant = board.tenant("one")
    for _ in range(3):
        board.held(tenant, "wrk_one", Status.INSTRUCTING)
    assert dispatch.room()[Queue.STREAM] == 0


# --- the next due time ------------------------------------------------------------------------------------------------


def test_the_next_due_time_is_the_first_of_all(board, dispatch, rows):
    assert dispatch.seconds_to_next_due() is None
    tenant = board.tenant("one")
    board.job(tenant, due_at=func.now() - timedelta(hours=1))
    waiting(board, tenant, Status.REQUIRES_INPUT, due_at=None)
    assert dispatch.seconds_to_next_due() is None
    lane = rows.lane(rows.message(tenant, url="https://x.example/", rung=False))
    rows.write(webhook_lanes, lane, due_at=None)
    for seconds, make in (
        (900, lambda due: waiting(board, tenant, Status.INSTRUCTING, due_at=due)),
        (600, lambda due: waiting(board, tenant, due_at=due)),
        (300, lambda due: rows.write(webhook_lanes, lane, due_at=due)),
        (-300, lambda due: waiting(board, tenant, due_at=due)),
    ):
        make(func.now() + timedelta(seconds=seconds))
        assert seconds - 60 < dispatch.seconds_to_next_due() <= seconds


# --- what it costs ----------------------------------------------------------------------------------------------------


def plan_of(connection, statement, **parameters):
    found = connection.execute(text("EXPLAIN (FORMAT JSON) " + statement.text), parameters).scalar_one()
    nodes, left = [], [found[0]["Plan"]] if isinstance(found, list) else [json.loads(found)[0]["Plan"]]
    while left:
        node = left.pop()
        nodes.append(node)
        left += node.get("Plans", [])
    return nodes


def told_apart(statement):
    """A statement of the function, with its variables as parameters."""
    return text(re.sub(r"\b(of_tenants|whose|of_each|in_all|drain_s)\b", r":\1", statement))


def test_at_twenty_thousand_jobs_the_partial_indexes_are_used(board, database):
    made = [board.tenant(f"t{number}") for number in range(20)]
    for tenant in made:
        board.many(tenant, 1000)
    with database.statement() as connection:
        connection.execute(
            text(
                "UPDATE jobs SET admitted_at = now(), status = 'uploading', due_at = now() - interval '1 s'"
                " WHERE right(id, 1) = '7'"
            )
        )
    analyzed(database)
    with database.statement() as connection:
        continued = plan_of(connection, continuing.MARK_DUE[Queue.STREAM], queue="step", most=50)
        admitted = plan_of(connection, told_apart(admission._ADMIT), whose=list(made), of_each=2, in_all=50, drain_s=60)
        turn = plan_of(connection, told_apart(admission._TURN), of_tenants=25)
        redialed = plan_of(connection, redial._JOBS, most=50)
        swept = plan_of(connection, sweep._FLOWS)
    plans = {
        "ix_jobs_continue": continued,
        "ix_jobs_admit": admitted,
        "ix_jobs_running": admitted,
        "ix_jobs_occupying": redialed,
    }
    assert {node.get("Relation Name") for node in turn} == {None, "tenants"}
    for index, nodes in plans.items():
        assert [node for node in nodes if node["Node Type"] == "Seq Scan" and node["Relation Name"] == "jobs"] == []
        assert index in {node.get("Index Name") for node in nodes}
    # A customer's line is looked up behind the wall too; else the sweep reads all jobs for each of them.
    for nodes in (admitted, swept):
        found = [node.get("Index Cond", "") for node in nodes if node.get("Index Name") == "ix_jobs_admit"]
        conditions = [condition for condition in found if condition]
        assert conditions
        assert [condition for condition in conditions if "GREATEST(" not in condition] == []
