"""The ledger of budgets under anything that may happen to jobs, and the check that finds it wrong."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule, run_state_machine_as_test
from sqlalchemy import insert, select, text, update

from fakes.job_rows import JobRows, emptied
from reelqueue.domain.claims import Change
from reelqueue.domain.credits import Booking
from reelqueue.domain.intake import IdempotencyKey, NewJob
from reelqueue.domain.jobs import Billing, EventType, JobError, Status
from reelqueue.domain.verdicts import Learned
from reelqueue.errors import BudgetExhausted
from reelqueue.jobs.ledger_check import LedgerCheck
from reelqueue.kit.clock import SystemClock
from reelqueue.kit.ids import new_id
from reelqueue.kit.metrics import Metrics
from reelqueue.store.accounts import Accounts
from reelqueue.store.claims import Claims
from reelqueue.store.intake import JobIntake
from reelqueue.store.jobs import Jobs
from reelqueue.store.quotas import Quotas
from reelqueue.store.sweep import Sweep
from reelqueue.store.tables import credit_accounts, credit_transfers, jobs, tenants, upstream_tokens

EACH = 2.0
BUDGET = 40.0
FAILED = JobError(code="x", message="x", blame="upstream", retryable=True, spent=None, fix="x")


def new(tenant, turns=1, **changes):
    return NewJob(**{"tenant_id": tenant, "instructions": ("a",) * turns, **changes})


class LedgerMachine(RuleBasedStateMachine):
    """Accepts, repeats, works, ends, cancels, retries and loses jobs of one tenant, in any order."""

    jobs = Bundle("jobs")
    database = None

    def __init__(self):
        super().__init__()
        self.board = JobRows(self.database)
        self.tenant = self.board.tenant(new_id("tenant"))
        self.worker = self.board.worker()
        self.token = new_id("upstream_token")
        token = {"label": "l", "kind": "supplied", "secret": b"", "fingerprint": self.token.encode()}
        with self.database.statement() as connection:
            connection.execute(insert(upstream_tokens).values(id=self.token, tenant_id=self.tenant, **token))
        self.intake = JobIntake(self.database, SystemClock(), credits_per_turn=EACH)
        self.claims = Claims(self.database)
        self.accounts = Accounts(self.database)
        Quotas(self.database, credits_per_turn=EACH).set(self.tenant, {"credits_per_day": BUDGET})
        self.keys = 0

    @rule(target=jobs, turns=st.integers(1, 3), rolled_back=st.booleans())
    def accept(self, turns, rolled_back):
        self.keys += 1
        wanted = new(self.tenant, turns, idempotency=IdempotencyKey(operation="o", key=str(self.keys), fingerprint="f"))
        try:
            made = self.intake.accept(wanted).job.id
        except BudgetExhausted:
            assert self._used() + turns * EACH > BUDGET
            return multiple()
        if rolled_back:
            assert self.intake.accept(wanted).replayed
        return made

    @rule(target=jobs, job=jobs)
    def retry(self, job):
        if self.board.read(job)["status"] not in ("failed", "canceled"):
            return multiple()
        if self.board.count(jobs, jobs.c.retried_from == job, jobs.c.dispatch != "done"):
            return multiple()
        try:
            return self.intake.accept(new(self.tenant, 1, retried_from=job)).job.id
        except BudgetExhausted:
            return multiple()

    @rule(job=jobs)
    def cancel(self, job):
        if self.board.read(job)["status"] in ("queued", "canceled"):
            Jobs(self.database).request_cancel(self.tenant, job)

    @rule(
        job=jobs,
        spent=st.sampled_from((0.0, 1.5, 2.0, 7.0)),
        at_risk=st.sampled_from((0.0, 0.5, 3.0)),
        certainty=st.sampled_from(("exact", "inferred", "unknown")),
        end=st.sampled_from((Status.SUCCEEDED, Status.FAILED, Status.CANCELED)),
    )
    def work_to_the_end(self, job, spent, at_risk, certainty, end):
        if self.board.read(job)["dispatch"] != "idle":
            return
        claim = self._begun(job)
        change = Change(
            origin=Status.INSTRUCTING,
            to=end,
            hold="end",
            event=EventType(f"job.{end.value}"),
            error=FAILED if end is Status.FAILED else None,
            learned=Learned(billing=Billing(spent=spent, at_risk=at_risk, certainty=certainty)),
        )
        self.claims.apply(claim, change)

    @rule(job=jobs, spent=st.sampled_from((0.0, 1.0, 6.5)), certainty=st.sampled_from(("inferred", "unknown")))
    def take_a_turn(self, job, spent, certainty):
        row = self.board.read(job)
        if row["dispatch"] != "idle" or row["instruction_index"] + 1 >= len(row["instructions"]):
            return
        claim = self._begun(job)
        # Its cost on the books is unknown, so that what a turn is expected to cost stays the same.
        booking = Booking(
            position=row["instruction_index"],
            token_id=self.token,
            spent=0.0,
            held=0.0,
            before=None,
            after=None,
            certainty="unknown",
        )
        learned = Learned(
            billing=Billing(spent=claim.job.billing.spent + spent, certainty=certainty),
            booking=booking,
            instruction_index=row["instruction_index"] + 1,
        )
        here = {"origin": Status.INSTRUCTING, "to": Status.INSTRUCTING, "event": EventType.INSTRUCTING}
        self.claims.apply(claim, Change(**here, hold="release", learned=learned))

    def _begun(self, job):
        self.board.ring(job)
        status = Status(self.board.read(job)["status"])
        for following in (Status.UPLOADING, Status.INSTRUCTING)[(status is not Status.QUEUED) * 2 :]:
            self.board.write(job, status=following, outputs=[])
        return self.claims.claim(job, self.worker)

    @rule(job=jobs)
    def crash_until_it_is_given_up(self, job):
        if self.board.read(job)["dispatch"] == "idle":
            self.board.write(job, crashes=3, due_at=None)
            assert Sweep(self.database).fail_poisoned() == 1

    @invariant()
    def nothing_drifts(self):
        keys = [key for key in self.accounts.following(None, 10_000) if key.tenant_id == self.tenant]
        for key in keys:
            assert self.accounts.drift(key).total == 0

    @invariant()
    def live_jobs_hold_what_they_reserved_and_no_one_else_does(self):
        statement = select(jobs.c.instructions, jobs.c.instruction_index).where(
            jobs.c.tenant_id == self.tenant, jobs.c.dispatch != "done"
        )
        reserved = select(credit_accounts.c.reserved).where(credit_accounts.c.tenant_id == self.tenant)
        with self.database.statement() as connection:
            left = sum(len(row.instructions) - row.instruction_index for row in connection.execute(statement))
            assert float(sum(connection.execute(reserved).scalars())) == left * EACH

    def _used(self):
        with self.database.statement() as connection:
            row = select(-credit_accounts.c.budget).where(credit_accounts.c.tenant_id == self.tenant)
            return float(sum(connection.execute(row).scalars()))


def test_the_ledger_never_drifts(module_database):
    class Machine(LedgerMachine):
        database = module_database

    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=8,
            stateful_step_count=12,
            deadline=None,
            database=None,
            phases=(Phase.generate,),
            suppress_health_check=list(HealthCheck),
        ),
    )


# --- the check --------------------------------------------------------------------------------------------------------


class StandingClock(SystemClock):
    """No round of a check ends because time is over."""

    def monotonic(self):
        return 0.0


@pytest.fixture
def ledger(module_database):
    """A tenant with two jobs, and the check of its ledger."""
    emptied(module_database)
    tenant = JobRows(module_database).tenant(new_id("tenant"))
    Quotas(module_database, credits_per_turn=EACH).set(tenant, {"credits_per_day": 100})
    intake = JobIntake(module_database, SystemClock(), credits_per_turn=EACH)
    made = [intake.accept(new(tenant)).job.id for _ in range(2)]
    metrics = Metrics()
    check = LedgerCheck(Accounts(module_database), clock=StandingClock(), metrics=metrics)
    return tenant, made, check, metrics


def drift(metrics):
    return metrics.registry.get_sample_value("reelqueue_ledger_drift")


INJECTED = {
    "balance": ("UPDATE credit_accounts SET spent = spent + 3, budget = budget - 3 WHERE tenant_id = :tenant", 12),
    "transfer": (
        """INSERT INTO credit_transfers (tenant_id, day, kind, source, target, amount)
           SELECT tenant_id, day, 'settle', 'reserved', 'spent', 1 FROM credit_accounts WHERE tenant_id = :tenant""",
        2,
    ),
    "position": ("UPDATE credit_reservations SET reserved = 5 WHERE job_id = :job", 6),
    "lost transfer": ("DELETE FROM credit_transfers WHERE job_id = :job", 4),
    "never settled": (
        """UPDATE jobs SET status = 'canceled', dispatch = 'done', finished_at = now(), due_at = NULL
           WHERE id = :job""",
        EACH,
    ),
}


@pytest.mark.parametrize("what", INJECTED)
def test_drift_is_found_told_and_forgotten(ledger, what, module_database, logged):
    tenant, made, check, metrics = ledger
    statement, amount = INJECTED[what]
    assert (check.run(), drift(metrics)) == (0, 0)
    names = {"tenant": tenant, "job": made[0]}
    with module_database.transaction() as connection:
        connection.execute(text(statement), {name: names[name] for name in names if f":{name}" in statement})
    logged()
    assert check.run() == 1
    check.run()
    assert drift(metrics) == amount
    told = [line for line in logged().splitlines() if "ledger.drift_found" in line]
    assert len(told) == 1
    assert "error" in told[0].lower()
    assert tenant in told[0]
    emptied(module_database)
    assert (check.run(), drift(metrics)) == (0, 0)


def test_a_tenant_that_is_being_erased_does_not_drift(ledger, module_database):
    """Its rows go in parcels, and balances stay behind their transfers for a while."""
    tenant, made, check, metrics = ledger
    with module_database.transaction() as connection:
        connection.execute(text("DELETE FROM credit_transfers WHERE job_id = :job"), {"job": made[0]})
    assert check.run() == 1
    with module_database.transaction() as connection:
        connection.execute(update(tenants).where(tenants.c.id == tenant).values(state="erasing", paused=True))
    assert (check.run(), drift(metrics)) == (0, 0)
    fresh = LedgerCheck(Accounts(module_database), clock=StandingClock(), metrics=metrics)
    assert fresh.run() == 0


@pytest.mark.usefixtures("ledger")
def test_the_check_goes_round_in_parts(module_database):
    """However many accounts there are, one round takes a bounded time and the next goes on behind it."""

    class Slow(SystemClock):
        at = 0.0

        def monotonic(self):
            self.at += 1.0
            return self.at

    seen = []
    rows = Accounts(module_database)

    class Watched:
        def following(self, last, most):
            return rows.following(last, most)

        def drift(self, key):
            seen.append(key)
            return replace(rows.drift(key), transfers=0.0, jobs=0.0, left_over=0.0)

    quotas = Quotas(module_database, credits_per_turn=EACH)
    for _ in range(2):
        tenant = JobRows(module_database).tenant(new_id("tenant"))
        quotas.set(tenant, {"credits_per_day": 100})
        JobIntake(module_database, SystemClock(), credits_per_turn=EACH).accept(new(tenant))
    keys = rows.following(None, 1000)
    assert len(keys) == 3
    slow = LedgerCheck(Watched(), clock=Slow(), metrics=Metrics())
    for _ in keys:
        slow.run()
    assert seen == keys
    slow.run()  # finds the end
    slow.run()
    assert seen == [*keys, keys[0]]


def test_each_reservation_is_one_transfer(ledger, module_database):
    tenant, made, _, _ = ledger
    moved = (credit_transfers.c.job_id, credit_transfers.c.source, credit_transfers.c.target, credit_transfers.c.amount)
    with module_database.statement() as connection:
        rows = connection.execute(select(*moved).where(credit_transfers.c.tenant_id == tenant).order_by("id")).all()
    assert [(row[0], row[1], row[2], float(row[3])) for row in rows] == [
        (job_id, "budget", "reserved", EACH) for job_id in made
    ]
