"""Who gets the slots of scarce tokens, over time. Durations are made up; admission and settlement are the real ones."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from benchmarks.simulated_crew import Crew, jain
from sqlalchemy import text, update

from fakes.job_rows import emptied
from fakes.token_rows import token
from reelqueue.kit.ids import new_id
from reelqueue.store.dispatch import Dispatch
from reelqueue.store.tables import projects, tenants

SLOTS = 10


@pytest.fixture
def database(module_database):
    return emptied(module_database)


@pytest.fixture
def crew(board, database):
    return Crew(database, Dispatch(database), seconds=lambda _: 60.0)


def spread(board, tenant, customers):
    """Give a tenant's jobs to that many customers."""
    with board.database.transaction() as connection:
        rename = "UPDATE jobs SET customer = 'c' || (right(id, 18)::bigint % :n)::text WHERE tenant_id = :tenant"
        connection.execute(text(rename), {"tenant": tenant, "n": customers})
        connection.execute(text("DELETE FROM flows WHERE tenant_id = :tenant"), {"tenant": tenant})
        flow = (
            "INSERT INTO flows (tenant_id, customer, has_waiting) SELECT DISTINCT tenant_id, customer, true FROM jobs"
        )
        connection.execute(text(f"{flow} WHERE tenant_id = :tenant"), {"tenant": tenant})


def places(crew, small):
    """At which place each of these tenants begins, counted from now on in jobs that begin."""
    before = len(crew.started)
    while len({tenant for _, tenant, _ in crew.started[before:]} & set(small)) < len(small):
        if crew.running == SLOTS:
            crew.end_next()
        assert crew.admit(1) == 1
    begun = [tenant for _, tenant, _ in crew.started[before:]]
    return {tenant: begun.index(tenant) + 1 for tenant in small}


def crowd(board):
    small = [board.tenant(f"small {number}") for number in range(50)]
    for tenant in small:
        board.many(tenant, 1)
    return small


@pytest.mark.parametrize("customers", [1, 1000])
def test_a_flood_delays_fifty_small_tenants_by_no_more_than_twice(board, database, crew, customers):
    """Ten thousand jobs of one tenant hold every slot when fifty tenants with a job each arrive."""
    token(board, max_turns=SLOTS)
    alone = places(crew, crowd(board))
    emptied(database)
    token(board, max_turns=SLOTS)
    flood = board.tenant("flood", max_running=10**6)
    board.many(flood, 10_000)
    if customers > 1:
        spread(board, flood, customers)
    beside = Crew(database, Dispatch(database), seconds=lambda _: 60.0)
    while beside.running < SLOTS:
        assert beside.admit(SLOTS) > 0
    for _ in range(3 * SLOTS):
        beside.end_next()
        beside.admit(1)
    late = places(beside, crowd(board))
    ordered = sorted(alone.values()), sorted(late.values())
    assert [place for place, after in zip(*ordered, strict=True) if after > 2 * place] == []


def run_for(crew, jobs):
    """So many jobs, and how full the slots were after each admission."""
    filled = []
    for _ in range(jobs):
        while crew.running < SLOTS and crew.admit(SLOTS - crew.running):
            pass
        filled.append(crew.running / SLOTS)
        crew.end_next()
    return filled


def test_equal_tenants_get_equal_shares_and_no_slot_idles(board, crew):
    token(board, max_turns=SLOTS - 4)
    token(board, max_turns=4)
    rng = random.Random(7)
    crew.seconds = lambda _: rng.uniform(30, 90)
    equal = [board.tenant(f"t{number}", max_running=10_000) for number in range(10)]
    for tenant in equal:
        board.many(tenant, 100)
    filled = run_for(crew, 300)
    assert jain([crew.slot_seconds[tenant] for tenant in equal]) >= 0.95
    assert sum(filled) / len(filled) >= 0.95


def test_a_tenant_of_long_generations_pays_for_them(board, crew):
    """Ten times as long: a tenth of the jobs, and as many credit-seconds."""
    token(board, max_turns=SLOTS)
    long, short = board.tenant("long", max_running=10_000), board.tenant("short", max_running=10_000)
    for tenant in (long, short):
        board.many(tenant, 2000)
    crew.seconds = lambda tenant: 300.0 if tenant == long else 30.0
    run_for(crew, 400)
    assert 0.85 <= crew.slot_seconds[long] / crew.slot_seconds[short] <= 1.15
    assert Counter(tenant for _, tenant, _ in crew.started)[short] > 7 * Counter(t for _, t, _ in crew.started)[long]


def test_weights_are_shares_of_credit_seconds(board, crew):
    token(board, max_turns=SLOTS)
    heavy, light = board.tenant("heavy", max_running=10_000, weight=3), board.tenant("light", max_running=10_000)
    for tenant in (heavy, light):
        board.many(tenant, 1000)
    run_for(crew, 240)
    assert 0.9 * 3 <= crew.slot_seconds[heavy] / crew.slot_seconds[light] <= 1.1 * 3


def test_whoever_was_idle_banks_nothing(board, crew):
    token(board, max_turns=SLOTS)
    busy, idle = board.tenant("busy", max_running=10_000), board.tenant("idle", max_running=10_000)
    board.many(busy, 1000)
    run_for(crew, 100)
    board.many(idle, 300)
    wake = (
        "UPDATE tenants SET virtual_time = greatest(virtual_time, (SELECT virtual_time FROM scheduler)) WHERE id = :id"
    )
    with board.database.statement() as connection:
        connection.execute(text(wake), {"id": idle})
    crew.slot_seconds.clear()
    run_for(crew, 200)
    assert 0.8 <= crew.slot_seconds[busy] / crew.slot_seconds[idle] <= 1.25


def test_customers_of_one_tenant_share_it_and_priority_moves_nothing_between_them(board, database, crew):
    token(board, max_turns=SLOTS)
    tenant = board.tenant("one", max_running=10_000, has_waiting=True)
    for _ in range(40):
        board.job(tenant, customer="large", priority=0)
    low = [board.job(tenant, customer="small", priority=2) for _ in range(3)]
    normal = [board.job(tenant, customer="small") for _ in range(3)]
    while len(crew.started) < 12:
        if crew.running == SLOTS:
            crew.end_next()
        with database.statement() as connection:
            connection.execute(update(tenants).values(has_waiting=True))
        crew.admit(1)
    small = [job_id for _, _, job_id in crew.started if job_id in {*low, *normal}]
    assert small == sorted(normal) + sorted(low)


def test_customers_whose_jobs_cannot_begin_hide_nobody(board, dispatch_all, database):
    """Their projects are busy; they have the least time, and there are more of them than are looked at in a turn."""
    token(board)
    tenant = board.tenant("one", has_waiting=True)
    for number in range(20):
        project = new_id("project")
        with database.statement() as connection:
            connection.execute(projects.insert().values(id=project, tenant_id=tenant, state="new"))
        board.job(tenant, project_id=project, admitted_at=text("now()"), dispatch="rung", bell_at=text("now()"))
        board.job(tenant, project_id=project, customer=f"stuck {number}")
    free = board.job(tenant, customer="free")
    with database.statement() as connection:
        connection.execute(text("UPDATE flows SET virtual_time = 100 WHERE customer = 'free'"))
    assert free in dispatch_all(12)


@pytest.fixture
def dispatch_all(board, database):
    """Rounds of a dispatcher in which the tenant is asked each time."""

    def rounds(count):
        found = []
        for _ in range(count):
            with database.statement() as connection:
                connection.execute(update(tenants).values(has_waiting=True))
            found += [bell.id for bell in Dispatch(database).admit(4)]
        return found

    return rounds
