"""What jobs took lately, read from the tables."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import func, text

from fakes.engine import HandClock
from fakes.in_name import InTheirName
from fakes.job_rows import analyzed, counting
from reelqueue.domain.estimates import ENOUGH_TO_SAY, UNKNOWN, Size
from reelqueue.domain.jobs import Status
from reelqueue.store.history import KEPT_S, LAST, History


@pytest.fixture
def clock():
    return HandClock()


@pytest.fixture
def history(database, clock):
    return InTheirName(History(database, clock))


@pytest.fixture
def done(board):
    """A job that waited 10 s, worked for some time and cost some credits."""

    def make(tenant_id, *, work=100, cost=8, turns=1, **changes):
        now = func.now()
        return board.job(
            tenant_id,
            changes.pop("status", Status.SUCCEEDED),
            **{
                "instructions": ["x"] * turns,
                "created_at": now - timedelta(seconds=work + 10),
                "admitted_at": now - timedelta(seconds=work),
                "receipts": [{"instruction": n + 1} for n in range(turns)],
                "billing": {"spent": cost * turns, "at_risk": 0.0, "certainty": "inferred"},
                "outputs": [{"format": "mp4", "quality": "1080p"}],
                **changes,
            },
        )

    return make


def test_ones_own_jobs_tell_and_else_everybodys(history, database, done, tenant, other_tenant):
    assert history.of(tenant) == UNKNOWN
    for _ in range(ENOUGH_TO_SAY):
        done(other_tenant, work=60, turns=2)
        done(tenant, work=100, cost=8)
    history = InTheirName(History(database))
    found = history.of(tenant)
    assert (found.basis, found.samples, found.credits_most) == ("own", 5, 8)
    assert (found.work_p50_s, found.wait_p50_s) == pytest.approx((100, 10), abs=0.01)
    two = history.of(tenant, Size(turns=2, exports=True))
    assert (two.basis, two.work_p50_s) == ("everybody", pytest.approx(60, abs=0.01))


@pytest.mark.parametrize(
    "changes",
    [
        {"status": Status.FAILED},
        {"status": Status.RENDERING},
        {"answers": [{"instruction": 0, "question": "?", "text": "!", "by": "owner"}]},
    ],
    ids=["failed", "still at work", "asked its owner"],
)
def test_what_says_nothing_of_the_work_is_left_out(history, done, tenant, changes):
    for _ in range(ENOUGH_TO_SAY):
        done(tenant, **changes)
    assert history.of(tenant) == UNKNOWN


def test_a_bill_that_nobody_knows_is_no_price(history, done, tenant):
    for _ in range(ENOUGH_TO_SAY):
        done(tenant, billing={"spent": 0.0, "at_risk": 0.0, "certainty": "unknown"})
    found = history.of(tenant)
    assert (found.samples, found.credits_most) == (ENOUGH_TO_SAY, None)


def test_what_was_read_is_used_again_for_a_while(history, clock, database, done, tenant):
    with counting(database) as statements:
        history.of(tenant)
        history.of(tenant)
        assert len(statements) == 2
        clock.forward(KEPT_S)
        history.of(tenant)
    assert len(statements) == 4


@pytest.mark.parametrize("whose", ["own", "everybody"])
def test_however_many_jobs_there_are_only_the_last_are_read(database, done, tenant, whose):
    """By index: the plan scans no more rows than it returns."""
    from reelqueue.store import history as module

    copied = text(
        "INSERT INTO jobs (id, tenant_id, instructions, billing, status, dispatch, created_at, admitted_at,"
        " finished_at) SELECT 'job_' || lpad(n::text, 26, '0'), :tenant, '[\"x\"]', '{}', 'succeeded', 'done', now(),"
        " now(), now() - make_interval(secs => n) FROM generate_series(1, 3000) n"
    )
    statement, who = (module._OWN, {"tenant_id": tenant}) if whose == "own" else (module._OF_ALL, {})
    with database.statement() as connection:
        connection.execute(copied, {"tenant": tenant})
    analyzed(database)
    with database.statement() as connection:
        plan = connection.execute(text(f"EXPLAIN {statement.text}"), {"last": LAST, **who}).scalars().all()
    said = "\n".join(plan)
    assert "ix_jobs_succeeded" in said
    assert "Sort" not in said
