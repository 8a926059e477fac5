"""Quotas and budgets in the accepting transaction, against concurrent callers with pools of their own."""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from sqlalchemy import func, insert, select, text, update

from fakes.job_rows import counting
from fixtures.eventually import wait_until
from reelqueue.domain.batches import NewBatch
from reelqueue.domain.budgets import Level, exact
from reelqueue.domain.intake import Accepted, IdempotencyKey, NewAsset, NewInput, NewJob
from reelqueue.domain.jobs import Status
from reelqueue.domain.quotas import TenantQuotas
from reelqueue.errors import BudgetExhausted, DependencyUnavailable, NotFound, QuotaExceeded, ValidationFailed
from reelqueue.kit.clock import SystemClock, rfc3339
from reelqueue.kit.ids import new_id
from reelqueue.store.assets import Assets
from reelqueue.store.intake import JobIntake
from reelqueue.store.jobs import Jobs
from reelqueue.store.quotas import Quotas
from reelqueue.store.tables import (
    credit_accounts,
    credit_entries,
    credit_transfers,
    jobs,
    tenant_quotas,
    tenants,
    upstream_tokens,
)

EACH = 1.0
"""What a turn is expected to cost here."""


@pytest.fixture
def database(module_database):
    return module_database


@pytest.fixture
def tenant(board):
    return board.tenant(new_id("tenant"))


@pytest.fixture
def intake(database):
    return JobIntake(database, SystemClock(), credits_per_turn=EACH)


@pytest.fixture
def quotas(database):
    return Quotas(database, credits_per_turn=EACH)


def new(tenant, **changes):
    return NewJob(**{"tenant_id": tenant, "instructions": ("animate this",), **changes})


def key(name):
    return IdempotencyKey(operation="jobs.create", key=name, fingerprint="f")


def picture(number=1, size=10):
    sha = f"{number:064x}"
    return NewAsset(
        sha256=sha,
        bytes=size,
        kind="image",
        media_type="image/png",
        extension="png",
        label="a.png",
        width=1,
        height=1,
        duration_ms=None,
        blob_key=f"blob/{sha}",
    )


def batch(mode="separate"):
    return NewBatch(mode=mode, project_id=None, name=None, webhook_url=None, metadata={})


def balances(database, tenant):
    """The tenant's balances, all days together."""
    with database.statement() as connection:
        rows = connection.execute(select(credit_accounts).where(credit_accounts.c.tenant_id == tenant)).mappings()
        total = Counter()
        for row in rows:
            total.update({name: float(row[name]) for name in ("reserved", "spent", "at_risk")})
    return {name: total[name] for name in ("reserved", "spent", "at_risk")}


def outcomes(made):
    return Counter(type(one).__name__ for one in made)


# --- who has no quota -------------------------------------------------------------------------------------------------


def test_a_tenant_without_quotas_is_asked_nothing_more(intake, tenant, database):
    with counting(database) as statements:
        intake.accept(new(tenant))
    assert len(statements) == 1
    assert not any("tenant_quotas" in statement for statement in statements)


def test_a_tenant_whose_last_quota_was_lifted_is_as_if_it_never_had_one(intake, quotas, tenant, database):
    quotas.set(tenant, {"live_jobs": 1})
    assert quotas.set(tenant, {"live_jobs": None}) == TenantQuotas()
    with counting(database) as statements:
        intake.accept(new(tenant))
    assert len(statements) == 1


# --- setting ----------------------------------------------------------------------------------------------------------


def test_what_is_set_is_what_is_read(quotas, tenant):
    assert quotas.of(tenant) == TenantQuotas()
    quotas.set(tenant, {"jobs_per_minute": 5, "credits_per_day": 2.5})
    quotas.set(tenant, {"storage_bytes": 10**11, "jobs_per_minute": None})
    assert quotas.of(tenant) == TenantQuotas(storage_bytes=10**11, credits_per_day=exact(2.5))


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"jobs_per_minute": 0}, "/jobs_per_minute"),
        ({"live_jobs": -1}, "/live_jobs"),
        ({"live_jobs": 1.5}, "/live_jobs"),
        ({"credits_per_day": -0.1}, "/credits_per_day"),
        ({"credits_per_month": float("nan")}, "/credits_per_month"),
        ({"storage_bytes": 1e30}, "/storage_bytes"),
        ({"jobs": 1}, "/jobs"),
    ],
)
def test_a_number_that_means_nothing_changes_nothing(quotas, tenant, changes, pointer):
    with pytest.raises(ValidationFailed) as refused:
        quotas.set(tenant, {"live_jobs": 3, **changes})
    assert refused.value.pointer == pointer
    assert quotas.of(tenant) == TenantQuotas()


def test_a_tenant_that_is_not_there_has_no_quotas(quotas):
    with pytest.raises(NotFound):
        quotas.set(new_id("tenant"), {"live_jobs": 1})


# --- exactly as many as there is room for -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limits", "error"),
    [
        ({"credits_per_day": 10 * EACH}, BudgetExhausted),
        ({"credits_per_month": 10 * EACH}, BudgetExhausted),
        ({"live_jobs": 10}, QuotaExceeded),
    ],
)
def test_of_two_hundred_at_once_exactly_ten_are_accepted(
    limits, error, quotas, tenant, database, more_databases, at_once
):
    quotas.set(tenant, limits)
    intakes = [JobIntake(more_databases(database), SystemClock(), credits_per_turn=EACH) for _ in range(4)]

    def post(number):
        """As a client does: a 503 is repeated under the same key."""
        mine, wanted = intakes[number % 4], new(tenant, idempotency=key(str(number)))
        while True:
            with suppress(DependencyUnavailable):
                [one] = mine.accept_many([wanted]) if number % 2 else [mine.accept(wanted)]
                if not isinstance(one, DependencyUnavailable):
                    return one

    made = at_once(200, post)
    assert outcomes(made) == {"Accepted": 10, error.__name__: 190}
    with database.statement() as connection:
        assert len(connection.execute(select(jobs.c.id).where(jobs.c.tenant_id == tenant)).all()) == 10


def test_the_first_budget_and_jobs_at_the_same_moment(quotas, intake, tenant, database, at_once):
    """Whatever was accepted before the budget is found by it, and the rest reserves by itself."""

    def act(number):
        return quotas.set(tenant, {"credits_per_day": 1000}) if number == 7 else intake.accept(new(tenant))

    made = at_once(24, act)
    assert outcomes(made) == {"Accepted": 23, "TenantQuotas": 1}
    assert balances(database, tenant)["reserved"] == 23 * EACH


def test_a_job_that_comes_while_the_first_quota_is_set_is_held_to_it(intake, tenant, database):
    """It waits for the change, and then sees it."""
    with ThreadPoolExecutor(1) as pool:
        with database.transaction() as connection:
            connection.execute(select(tenants.c.id).where(tenants.c.id == tenant).with_for_update())
            connection.execute(update(tenants).where(tenants.c.id == tenant).values(metered=True))
            connection.execute(insert(tenant_quotas).values(tenant_id=tenant, live_jobs=0))
            accepted = pool.submit(intake.accept, new(tenant))
            wait_until(lambda: somebody_waits(database))
        with pytest.raises(QuotaExceeded):
            accepted.result()


def test_a_job_that_ends_while_the_first_budget_is_set_reserves_nothing(quotas, tenant, board, database):
    job = board.job(tenant)
    with ThreadPoolExecutor(1) as pool:
        with database.transaction() as connection:
            ended = {"status": "canceled", "dispatch": "done", "due_at": None, "finished_at": func.now()}
            connection.execute(update(jobs).where(jobs.c.id == job).values(**ended))
            setting = pool.submit(quotas.set, tenant, {"credits_per_day": 100})
            wait_until(lambda: somebody_waits(database))
        setting.result()
    assert balances(database, tenant)["reserved"] == 0


def somebody_waits(database):
    """Whether a session waits for another's lock."""
    with database.statement() as connection:
        return connection.execute(text("SELECT count(*) FROM pg_locks WHERE NOT granted")).scalar()


# --- the rate ---------------------------------------------------------------------------------------------------------


def test_waiting_as_long_as_is_said_succeeds(quotas, intake, tenant):
    quotas.set(tenant, {"jobs_per_minute": 120})
    intake.accept_batch(batch(), [new(tenant) for _ in range(120)])
    with pytest.raises(QuotaExceeded) as refused:
        intake.accept(new(tenant))
    assert 0 < refused.value.retry_after <= 0.5
    assert refused.value.detail["quota"] == "jobs_per_minute"
    assert (refused.value.detail["limit"], refused.value.detail["used"]) == (120, 120)
    time.sleep(refused.value.retry_after)
    accepted = intake.accept(new(tenant))
    assert (accepted.rate.limit, accepted.rate.remaining) == (120, 0)


def test_no_more_come_at_once_than_the_rate_allows(quotas, tenant, intake, at_once):
    """Ten, and one for each six seconds that this takes."""
    quotas.set(tenant, {"jobs_per_minute": 10})
    begun = time.monotonic()
    made = outcomes(at_once(30, lambda _: intake.accept(new(tenant))))
    assert 10 <= made["Accepted"] <= 10 + (time.monotonic() - begun) / 6


def test_a_batch_that_no_minute_has_room_for_is_told_so(quotas, intake, tenant):
    quotas.set(tenant, {"jobs_per_minute": 2})
    with pytest.raises(QuotaExceeded) as refused:
        intake.accept_batch(batch(), [new(tenant) for _ in range(3)])
    assert refused.value.retry_after is None


# --- all or none, and repeats -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("limits", [{"credits_per_day": 2 * EACH}, {"jobs_per_minute": 2}, {"live_jobs": 2}], ids=str)
def test_a_batch_is_accepted_whole_or_not_at_all(limits, quotas, intake, tenant, database):
    quotas.set(tenant, limits)
    with pytest.raises((QuotaExceeded, BudgetExhausted)):
        intake.accept_batch(batch("one_project"), [new(tenant) for _ in range(3)])
    assert balances(database, tenant)["reserved"] == 0
    intake.accept_batch(batch("one_project"), [new(tenant) for _ in range(2)])
    with database.statement() as connection:
        assert len(connection.execute(select(jobs.c.id).where(jobs.c.tenant_id == tenant)).all()) == 2


@pytest.mark.parametrize("limits", [{"credits_per_day": EACH}, {"jobs_per_minute": 1}, {"live_jobs": 1}], ids=str)
def test_a_repeat_is_answered_though_nothing_is_left(limits, quotas, intake, tenant):
    quotas.set(tenant, limits)
    first = intake.accept(new(tenant, idempotency=key("k")))
    for _ in range(2):
        again = intake.accept(new(tenant, idempotency=key("k")))
        assert (again.job.id, again.replayed) == (first.job.id, True)
        [grouped] = intake.accept_many([new(tenant, idempotency=key("k"))])
        assert (grouped.job.id, grouped.replayed) == (first.job.id, True)


def test_a_repeat_of_a_batch_is_answered_though_nothing_is_left(quotas, intake, tenant):
    quotas.set(tenant, {"live_jobs": 2, "credits_per_day": 2 * EACH})
    news = [new(tenant, idempotency=key("b")), new(tenant)]
    made, _ = intake.accept_batch(batch(), news)
    assert intake.accept_batch(batch(), news) == (made, True)


def test_others_in_a_group_are_accepted_all_the_same(quotas, intake, tenant, board):
    quotas.set(tenant, {"live_jobs": 1})
    other = board.tenant(new_id("tenant"))
    made = intake.accept_many([new(tenant), new(other), new(tenant), new(other)])
    assert [type(one) for one in made] == [Accepted, Accepted, QuotaExceeded, Accepted]


# --- storage ----------------------------------------------------------------------------------------------------------


def test_storage_counts_files_and_results(quotas, intake, tenant, board, database):
    quotas.set(tenant, {"storage_bytes": 100})
    intake.accept(new(tenant, inputs=(NewInput(asset=picture(1, 60)),)))
    board.job(tenant, Status.SUCCEEDED, results=[{"result": {"bytes": 30}}, {"error": {"code": "x"}}])
    assert quotas.limits(tenant).usage.storage_bytes == 90
    with pytest.raises(QuotaExceeded) as refused:
        intake.accept(new(tenant, inputs=(NewInput(asset=picture(2, 20)),)))
    assert (refused.value.detail["quota"], refused.value.retry_after) == ("storage_bytes", None)
    intake.accept(new(tenant, inputs=(NewInput(asset=picture(1, 60)),)))


def test_storage_holds_for_files_that_come_without_a_job(quotas, tenant, database):
    assets = Assets(database)
    quotas.set(tenant, {"storage_bytes": 100})
    kept = assets.keep(tenant, picture(1, 100))
    with pytest.raises(QuotaExceeded):
        assets.keep(tenant, picture(2, 1))
    assert assets.keep(tenant, picture(1, 100)) == kept


# --- budgets ----------------------------------------------------------------------------------------------------------


def test_the_level_that_ran_out_is_named(quotas, intake, tenant):
    quotas.set(tenant, {"credits_per_day": 2 * EACH, "credits_per_month": 3 * EACH})
    intake.accept(new(tenant, instructions=("a", "b")))
    with pytest.raises(BudgetExhausted) as refused:
        intake.accept(new(tenant))
    assert refused.value.detail["level"] == "tenant_day"
    assert (refused.value.detail["left"], refused.value.detail["needed"]) == (0, EACH)
    quotas.set(tenant, {"credits_per_month": 2 * EACH})
    with pytest.raises(BudgetExhausted) as refused:
        intake.accept(new(tenant))
    assert refused.value.detail["level"] == "tenant_month"
    assert refused.value.detail["resets_at"] == rfc3339(Level.MONTH.resets_at(datetime.now(UTC)))


def test_what_takes_no_turn_is_free(quotas, intake, tenant):
    quotas.set(tenant, {"credits_per_day": 0})
    intake.accept(new(tenant, instruction_index=1))
    with pytest.raises(BudgetExhausted):
        intake.accept(new(tenant))


def test_a_raised_budget_makes_room_at_once(quotas, intake, tenant):
    quotas.set(tenant, {"credits_per_day": EACH})
    intake.accept(new(tenant))
    with pytest.raises(BudgetExhausted):
        intake.accept(new(tenant))
    quotas.set(tenant, {"credits_per_day": 2 * EACH})
    intake.accept(new(tenant))


def test_a_job_that_is_canceled_before_it_began_gives_all_back(quotas, intake, tenant, database):
    quotas.set(tenant, {"credits_per_day": EACH, "live_jobs": 1})
    job = intake.accept(new(tenant)).job
    Jobs(database).request_cancel(tenant, job.id)
    assert balances(database, tenant) == {"reserved": 0, "spent": 0, "at_risk": 0}
    intake.accept(new(tenant))


def test_the_first_budget_counts_what_was_spent_before(quotas, intake, tenant, board, database):
    token = new_id("upstream_token")
    ended, live = board.job(tenant, Status.SUCCEEDED), board.job(tenant, instructions=["a", "b"], instruction_index=1)
    board.write(ended, billing={"spent": 4.0, "at_risk": 2.0, "certainty": "inferred"})
    board.write(live, billing={"spent": 3.0, "at_risk": 0.0, "certainty": "inferred"})
    with database.transaction() as connection:
        made = {"id": token, "tenant_id": tenant, "label": "l", "kind": "supplied", "secret": b"", "fingerprint": b""}
        connection.execute(insert(upstream_tokens).values(**made))
        for job_id, spent in ((ended, 4.0), (live, 3.0)):
            entry = {"job_id": job_id, "position": 0, "tenant_id": tenant, "token_id": token, "spent": spent, "held": 0}
            connection.execute(insert(credit_entries).values(**entry, certainty="inferred"))
    quotas.set(tenant, {"credits_per_month": 13})
    # 3.5 is what its turns cost on the average.
    assert balances(database, tenant) == {"reserved": 3.5, "spent": 7, "at_risk": 2}
    quotas.set(tenant, {"credits_per_month": 15})
    assert balances(database, tenant) == {"reserved": 3.5, "spent": 7, "at_risk": 2}
    with pytest.raises(BudgetExhausted):
        intake.accept(new(tenant))
    board.write(live, billing={"spent": 3.0, "at_risk": 0.0, "certainty": "inferred"})
    Jobs(database).request_cancel(tenant, live)
    assert balances(database, tenant) == {"reserved": 0, "spent": 7, "at_risk": 2}


def test_a_reservation_stays_with_its_day(quotas, intake, tenant, database):
    quotas.set(tenant, {"credits_per_day": EACH})
    job = intake.accept(new(tenant)).job
    with database.transaction() as connection:
        yesterday = text("UPDATE credit_reservations SET day = day - 1 WHERE job_id = :id")
        connection.execute(yesterday, {"id": job.id})
        connection.execute(text("UPDATE credit_accounts SET day = day - 1 WHERE tenant_id = :t"), {"t": tenant})
    intake.accept(new(tenant))
    Jobs(database).request_cancel(tenant, job.id)
    with database.statement() as connection:
        rows = connection.execute(
            select(credit_accounts.c.reserved).where(credit_accounts.c.tenant_id == tenant).order_by("day")
        )
        assert [float(row.reserved) for row in rows] == [0, EACH]


def test_a_transfer_is_never_changed(quotas, intake, tenant, database):
    quotas.set(tenant, {"credits_per_day": 9})
    intake.accept(new(tenant))
    with pytest.raises(Exception, match="never changed"), database.transaction() as connection:
        connection.execute(update(credit_transfers).where(credit_transfers.c.tenant_id == tenant).values(amount=2))
