from __future__ import annotations

import json
import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import delete, func, insert, select
from sqlalchemy.exc import IntegrityError

from fakes.engine import snapshot
from reelqueue.domain.claims import Change, Claim, ClaimLost
from reelqueue.domain.jobs import (
    Billing,
    EventType,
    JobError,
    Question,
    Queue,
    Status,
    Waiting,
    WaitingReason,
    queue_of,
)
from reelqueue.domain.outputs import Result
from reelqueue.domain.retries import RetryPolicy
from reelqueue.domain.rulings import Rules, rule
from reelqueue.domain.verdicts import Learned, Snooze
from reelqueue.errors import StateConflict
from reelqueue.kit.ids import new_id
from reelqueue.store.claims import Claims
from reelqueue.store.dispatch import Dispatch
from reelqueue.store.endpoints import Endpoints
from reelqueue.store.jobs import Jobs
from reelqueue.store.projects import Projects
from reelqueue.store.renders import Renders
from reelqueue.store.sweep import Sweep
from reelqueue.store.tables import job_events, job_inputs, projects, renders, turns, upstream_tokens
from reelqueue.store.tables import jobs as table
from reelqueue.store.turns import Turns
from reelqueue.store.uploads import Uploads

WORKER = "wrk_one"
RESULT = Result(blob_key="k", sha256="0" * 64, bytes=1, duration_ms=2, width=3, height=4, container="mp4")
ERROR = JobError(code="c", message="m", blame="upstream", retryable=True, spent=1.5, fix="f")
QUESTION = Question(
    instruction=0, text="Which song?", asked_at=datetime(2026, 1, 1, tzinfo=UTC), until=datetime(2026, 1, 2, tzinfo=UTC)
)
SOON = Change(origin=Status.RENDERING, to=Status.RENDERING, hold="release", due_s=30)


@pytest.fixture
def database(module_database):
    return module_database


@pytest.fixture
def tenant(board):
    return board.tenant(new_id("tenant"))


@pytest.fixture
def claims(database):
    return Claims(database)


def moved(origin, to, **more):
    hold = "end" if to.is_final else more.pop("hold", "release")
    return Change(origin=origin, to=to, hold=hold, event=EventType(f"job.{to}"), **more)


# --- claiming ---------------------------------------------------------------------------------------------------------


def test_of_many_who_answer_one_bell_exactly_one_gets_the_job(claims, board, tenant, at_once):
    for _ in range(10):
        job_id = board.job(tenant)
        board.ring(job_id)
        outcomes = at_once(8, lambda n, job_id=job_id: claims.claim(job_id, f"wrk_{n}"))
        [claim] = [outcome for outcome in outcomes if outcome is not None]
        row = board.read(job_id)
        assert (row["lease_owner"], row["lease_epoch"], row["dispatch"]) == (claim.worker_id, claim.epoch, "held")


def test_a_bell_rung_twice_is_answered_once(claims, board, tenant):
    job_id = board.job(tenant)
    board.ring(job_id)
    assert claims.claim(job_id, WORKER) is not None
    assert claims.claim(job_id, WORKER) is None
    assert claims.claim(job_id, "wrk_two") is None


@pytest.mark.parametrize("status", [Status.QUEUED, Status.RENDERING, Status.SUCCEEDED])
def test_nothing_is_claimed_without_a_bell(claims, board, tenant, status):
    assert claims.claim(board.job(tenant, status), WORKER) is None
    assert claims.claim(new_id("job"), WORKER) is None


def test_each_claim_raises_the_epoch(claims, board, tenant):
    job_id = board.job(tenant)
    for epoch in (1, 2, 3):
        board.ring(job_id)
        claim = claims.claim(job_id, WORKER)
        assert claim.epoch == epoch
        assert claim.job.started_at is not None
        board.write(job_id, dispatch="idle", lease_owner=None)


def test_a_job_that_is_worked_on_waits_for_nothing_and_waiting_on_keeps_its_beginning(claims, board, tenant):
    began = datetime(2026, 1, 1, tzinfo=UTC)
    waiting = {"reason": "render", "since": began.isoformat(), "until": None, "detail": None}
    job_id = board.job(tenant, Status.RENDERING, waiting=waiting)
    board.ring(job_id)
    claim = claims.claim(job_id, WORKER)
    assert board.read(job_id)["waiting"] is None
    assert claim.job.waiting == Waiting(reason=WaitingReason.RENDER, since=began)
    rules = Rules(retries=RetryPolicy(max_attempts=3, base_s=1, cap_s=1))
    snooze = Snooze(30, WaitingReason.RENDER)
    now = datetime(2026, 1, 2, tzinfo=UTC)
    asleep = claims.apply(claim, rule(claim.job, snooze, rules, now=now, rng=random.Random(1)))
    assert (asleep.waiting.since, asleep.waiting.until) == (began, now + timedelta(seconds=30))


@pytest.mark.parametrize("due_s", [3600, None])
def test_a_job_whose_cancel_was_asked_for_while_it_was_held_does_not_sleep_on_it(
    claims, board, tenant, database, due_s
):
    claim = board.held(tenant, WORKER, Status.INSTRUCTING)
    Jobs(database).request_cancel(tenant, claim.job.id)
    to = Status.REQUIRES_INPUT if due_s is None else Status.INSTRUCTING
    asked = QUESTION if due_s is None else None
    claims.apply(claim, Change(origin=Status.INSTRUCTING, to=to, hold="release", due_s=due_s, question=asked))
    assert claim.job.id in {bell.id for bell in Dispatch(database).mark_due(queue_of(to), 1000)}
    assert claims.claim(claim.job.id, WORKER).job.cancel_requested_at is not None


def test_a_cancel_that_fails_is_tried_again_no_faster_than_anything_else(claims, board, tenant, database):
    claim = board.held(tenant, WORKER, Status.INSTRUCTING)
    Jobs(database).request_cancel(tenant, claim.job.id)
    waiting = Waiting(reason=WaitingReason.RETRY, since=datetime(2026, 1, 1, tzinfo=UTC))
    again = Change(origin=Status.INSTRUCTING, to=Status.INSTRUCTING, hold="release", due_s=3600, waiting=waiting)
    claims.apply(claim, again)
    assert claim.job.id not in {bell.id for bell in Dispatch(database).mark_due(Queue.STREAM, 1000)}


def test_a_claim_brings_the_inputs_in_order(claims, board, tenant):
    job_id = board.job(tenant)
    board.input(job_id, tenant, 1, url="https://b")
    board.input(job_id, tenant, 0, url="https://a", state="sent")
    board.ring(job_id)
    inputs = claims.claim(job_id, WORKER).job.inputs
    assert [(one.position, one.url, one.sent) for one in inputs] == [(0, "https://a", True), (1, "https://b", False)]


# --- writing ----------------------------------------------------------------------------------------------------------


def test_a_change_writes_everything_it_says(claims, board, tenant):
    claim = board.held(tenant, WORKER, Status.SAVING, crashes=2)
    learned = Learned(
        progress=100,
        receipt={"instruction": 1},
        billing=Billing(spent=2.0, at_risk=1.0, certainty="inferred"),
        result=RESULT,
    )
    job = claims.apply(claim, moved(Status.SAVING, Status.SUCCEEDED, learned=learned, event_data={"a": 1}))
    assert (job.status, job.progress, job.receipts, job.result) == (
        Status.SUCCEEDED,
        100,
        ({"instruction": 1},),
        RESULT,
    )
    assert (job.billing.spent, job.event_seq, job.attempt) == (2.0, 2, 0)
    row = board.read(job.id)
    assert (row["dispatch"], row["lease_owner"], row["due_at"], row["crashes"]) == ("done", None, None, 0)
    assert row["finished_at"] is not None
    assert board.events(job.id) == [(1, "job.queued"), (2, "job.succeeded")]


def test_a_failure_shows_why(claims, board, tenant):
    claim = board.held(tenant, WORKER, Status.SAVING)
    assert claims.apply(claim, moved(Status.SAVING, Status.FAILED, error=ERROR)).error == ERROR


def test_a_wait_is_due_by_the_databases_clock(claims, board, tenant, database):
    claim = board.held(tenant, WORKER, Status.RENDERING)
    since = datetime(2026, 1, 1, tzinfo=UTC)
    waiting = Waiting(reason=WaitingReason.RENDER, since=since, until=since + timedelta(seconds=30), detail="d")
    job = claims.apply(
        claim,
        Change(origin=Status.RENDERING, to=Status.RENDERING, hold="release", due_s=30, attempt=2, waiting=waiting),
    )
    assert (job.waiting, job.attempt, job.event_seq) == (waiting, 2, 1)
    row = board.read(job.id)
    with database.statement() as connection:
        left = row["due_at"] - connection.execute(select(func.now())).scalar_one()
    assert timedelta(seconds=20) < left <= timedelta(seconds=30)
    assert (row["dispatch"], row["lease_owner"]) == ("idle", None)
    assert board.events(job.id) == [(1, "job.queued")]


def test_a_question_is_due_when_somebody_says_so(claims, board, tenant):
    claim = board.held(tenant, WORKER)
    job = claims.apply(claim, moved(Status.INSTRUCTING, Status.REQUIRES_INPUT, due_s=None, question=QUESTION))
    assert job.question == QUESTION
    row = board.read(job.id)
    assert (row["due_at"], row["dispatch"], row["queue"]) == (None, "idle", "step")


def test_a_claim_can_be_kept_for_the_next_step(claims, board, tenant):
    claim = board.held(tenant, WORKER, Status.QUEUED)
    job = claims.apply(claim, moved(Status.QUEUED, Status.UPLOADING, hold="keep"))
    row = board.read(job.id)
    assert (row["dispatch"], row["lease_owner"], job.lease_epoch) == ("held", WORKER, claim.epoch)
    claims.apply(Claim(job=job, worker_id=WORKER), moved(Status.UPLOADING, Status.INSTRUCTING))
    told = ["job.queued", "job.started", "job.uploading", "job.instructing"]
    assert board.events(job.id) == list(enumerate(told, start=1))


def test_progress_never_goes_back(claims, board, tenant):
    claim = board.held(tenant, WORKER)
    for told, shown in ((40, 40), (20, 40), (500, 99), (-5, 99)):
        claims.note_progress(claim, told)
        assert board.read(claim.job.id)["progress"] == shown
    learned = Learned(progress=50)
    assert claims.apply(claim, moved(Status.INSTRUCTING, Status.RENDERING, learned=learned)).progress == 99


@pytest.mark.parametrize(
    "text", ["a\0b", "\ud800", "\udfff and \ud83d", "\\u0000", "\U0001f3ac", "</script>", "'); DROP TABLE jobs; --"]
)
def test_no_text_of_the_upstreams_keeps_a_verdict_from_being_written(claims, board, tenant, database, text):
    Endpoints(database, _Plain()).create(tenant, url="https://x.example/", event_types=["*"], description=None)
    claim = board.held(tenant, WORKER)
    learned = Learned(receipt={"texts": [text]})
    change = moved(
        Status.INSTRUCTING,
        Status.REQUIRES_INPUT,
        due_s=None,
        learned=learned,
        question=replace(QUESTION, text=text),
        event_data={"question": text},
    )
    job = claims.apply(claim, change)
    [kept] = job.receipts[0]["texts"]
    kept.encode()
    assert "\0" not in kept
    if text.isprintable():
        assert kept == text
    for message in board.messages(job.id):
        json.loads(message["payload"])


# --- who lost the claim writes nothing --------------------------------------------------------------------------------


def test_a_stale_epoch_changes_nothing(claims, board, tenant):
    stale = board.held(tenant, WORKER, Status.RENDERING)
    board.steal(stale)
    board.ring(stale.job.id)
    fresh = claims.claim(stale.job.id, WORKER)
    before = board.read(stale.job.id)
    with pytest.raises(ClaimLost):
        claims.apply(stale, moved(Status.RENDERING, Status.SAVING))
    with pytest.raises(ClaimLost):
        claims.note_progress(stale, 90)
    assert board.read(stale.job.id) == before
    assert board.events(stale.job.id) == [(1, "job.queued")]
    claims.apply(fresh, SOON)


def test_the_right_epoch_under_another_name_changes_nothing(claims, board, tenant):
    claim = board.held(tenant, WORKER, Status.RENDERING)
    other = Claim(job=claim.job, worker_id="wrk_two")
    with pytest.raises(ClaimLost):
        claims.apply(other, moved(Status.RENDERING, Status.SAVING))
    with pytest.raises(ClaimLost):
        claims.note_progress(other, 90)


def test_a_change_from_a_status_that_is_past_changes_nothing(claims, board, tenant):
    claim = board.held(tenant, WORKER, Status.RENDERING)
    with pytest.raises(ClaimLost):
        claims.apply(claim, moved(Status.UPLOADING, Status.RENDERING))


def test_the_same_change_is_not_made_twice(claims, board, tenant):
    """A write whose answer was lost is repeated; the next instruction goes from `instructing` to `instructing`."""
    claim = board.held(tenant, WORKER, instructions=["a", "b"])
    learned = Learned(receipt={"instruction": 1}, instruction_index=1)
    change = moved(Status.INSTRUCTING, Status.INSTRUCTING, hold="keep", learned=learned)
    job = claims.apply(claim, change)
    with pytest.raises(ClaimLost):
        claims.apply(claim, change)
    assert board.events(job.id) == [(1, "job.queued"), (2, "job.instructing")]
    assert len(board.read(job.id)["receipts"]) == 1
    claims.apply(Claim(job=job, worker_id=WORKER), moved(Status.INSTRUCTING, Status.RENDERING))


@pytest.fixture
def beside(database, board, tenant):
    """Every write that a worker makes beside the job's row, by name, each ready to be made under one claim."""
    claim = board.held(tenant, WORKER)
    job_id = claim.job.id
    board.input(job_id, tenant)
    with database.statement() as connection:
        token_id = new_id("upstream_token")
        connection.execute(
            upstream_tokens.insert().values(
                id=token_id, label="x", kind="supplied", secret=b"x", fingerprint=token_id.encode()
            )
        )
    made, sent, exports = Turns(database), Turns(database), Renders(database)
    made.prepare(claim, 0, snapshot())
    sent.prepare(claim, 1, snapshot())
    sent.begin_sending(claim, 1)
    render = exports.prepare(claim, f"render_{job_id}", output_index=0, attempt=1)
    uploads, sessions = Uploads(database), Projects(database)
    writes = {
        "turns.prepare": lambda c: made.prepare(c, 0, snapshot("b")),
        "turns.prepare a new one": lambda c: made.prepare(c, 2, snapshot("b")),
        "turns.begin_sending": lambda c: made.begin_sending(c, 0),
        "turns.observe": lambda c: sent.observe(c, 1, snapshot("b")),
        "turns.reopen": lambda c: sent.reopen(c, 1),
        "turns.finish": lambda c: sent.finish(c, 1, None),
        "turns.give_up": lambda c: sent.give_up(c, 1),
        "uploads.begin": lambda c: uploads.begin(c, (0,)),
        "uploads.done": lambda c: uploads.done(c, (0,)),
        "renders.prepare": lambda c: exports.prepare(c, f"render_{job_id}_2", output_index=0, attempt=2),
        "renders.submitted": lambda c: exports.submitted(c, render),
        "renders.polled": lambda c: exports.polled(c, render),
        "renders.completed": lambda c: exports.completed(c, render, "https://x"),
        "renders.failed": lambda c: exports.failed(c, render),
        "projects.begin": lambda c: sessions.begin(c, token_id),
    }

    def rows():
        with database.statement() as connection:
            mine = {
                table.name: connection.execute(select(table).where(table.c.job_id == job_id)).mappings().all()
                for table in (turns, renders, job_inputs)
            }
            owned = select(projects).where(projects.c.tenant_id == tenant)
            return {**mine, "projects": connection.execute(owned).mappings().all(), "job": board.read(job_id)}

    return claim, writes, rows


def is_refused(write, claim):
    try:
        write(claim)
    except ClaimLost:
        return True
    return False


def test_no_write_beside_the_job_is_made_under_a_stale_epoch(beside, board, claims):
    stale, writes, rows = beside
    board.steal(stale)
    board.ring(stale.job.id)
    assert claims.claim(stale.job.id, WORKER) is not None
    before = rows()
    assert [name for name, write in writes.items() if not is_refused(write, stale)] == []
    assert rows() == before


def test_no_write_beside_the_job_is_made_under_another_name(beside):
    claim, writes, rows = beside
    before = rows()
    other = Claim(job=claim.job, worker_id="wrk_two")
    assert [name for name, write in writes.items() if not is_refused(write, other)] == []
    assert rows() == before


def test_every_one_of_them_is_made_under_the_claim_that_stands(beside):
    claim, writes, rows = beside
    for name, write in writes.items():
        if name in {"turns.finish", "turns.give_up"}:
            continue  # the turn was made ready again by then
        before = rows()
        write(claim)
        assert rows() != before, name


# --- giving back ------------------------------------------------------------------------------------------------------


def test_a_job_is_given_back_and_whoever_held_it_is_fenced(claims, board, tenant):
    claim = board.held(tenant, WORKER)
    assert claims.let_go(claim.job.id, WORKER, crashed=False)
    row = board.read(claim.job.id)
    assert (row["dispatch"], row["lease_owner"], row["crashes"]) == ("idle", None, 0)
    assert row["due_at"] is not None
    with pytest.raises(ClaimLost):
        claims.apply(claim, moved(Status.INSTRUCTING, Status.RENDERING))


def test_only_what_is_held_by_that_worker_is_given_back(claims, board, tenant):
    claim = board.held(tenant, WORKER)
    assert not claims.let_go(claim.job.id, "wrk_two", crashed=False)
    claims.apply(claim, moved(Status.INSTRUCTING, Status.RENDERING))
    assert not claims.let_go(claim.job.id, WORKER, crashed=True)
    assert board.read(claim.job.id)["crashes"] == 0


def test_a_job_that_cannot_be_worked_on_is_given_back_three_times(claims, board, tenant):
    job_id = board.job(tenant)
    for crashes in (1, 2, 3):
        board.ring(job_id)
        assert claims.claim(job_id, WORKER) is not None
        claims.let_go(job_id, WORKER, crashed=True)
        row = board.read(job_id)
        assert (row["crashes"], row["due_at"] is None) == (crashes, crashes == 3)


# --- one transaction, one end -----------------------------------------------------------------------------------------


def test_the_row_the_event_and_the_messages_are_written_together_or_not_at_all(claims, board, tenant, database):
    endpoints = Endpoints(database, _Plain())
    endpoints.create(tenant, url="https://x.example/", event_types=["job.saving"], description=None)
    claim = board.held(tenant, WORKER, Status.RENDERING)
    before = board.read(claim.job.id)
    # Somebody has taken the number of the event: the second statement of the transaction fails.
    in_the_way = {"id": new_id("event"), "job_id": claim.job.id, "tenant_id": tenant, "seq": 2, "type": "job.saving"}
    with database.statement() as connection:
        connection.execute(insert(job_events).values(in_the_way))
    with pytest.raises(IntegrityError):
        claims.apply(claim, moved(Status.RENDERING, Status.SAVING))
    assert board.read(claim.job.id) == before
    assert board.told(claim.job.id) == []
    with database.statement() as connection:
        connection.execute(delete(job_events).where(job_events.c.id == in_the_way["id"]))
    claims.apply(claim, moved(Status.RENDERING, Status.SAVING))
    [message] = board.messages(claim.job.id)
    body = json.loads(message["payload"])
    assert (body["type"], body["data"]["seq"], body["data"]["job"]["status"]) == ("job.saving", 2, "saving")
    [told] = board.told(claim.job.id)
    assert told["created_at"] == board.read(claim.job.id)["due_at"]


class _Plain:
    """A sealer that seals nothing: no secret is in these tests."""

    def seal(self, plaintext, *, aad):
        return plaintext


def test_only_endpoints_that_listen_get_a_message(claims, board, tenant, database):
    endpoints = Endpoints(database, _Plain())
    heard = endpoints.create(tenant, url="https://a.example/", event_types=["*"], description=None)[0]
    endpoints.create(tenant, url="https://b.example/", event_types=["job.failed"], description=None)
    deleted = endpoints.create(tenant, url="https://c.example/", event_types=["*"], description=None)[0]
    endpoints.delete(tenant, deleted.id)
    elsewhere = board.tenant(new_id("tenant"))
    endpoints.create(elsewhere, url="https://d.example/", event_types=["*"], description=None)
    claim = board.held(tenant, WORKER, Status.SAVING, webhook_url="https://own.example/")
    claims.apply(claim, moved(Status.SAVING, Status.SUCCEEDED, learned=Learned(result=RESULT)))
    receivers = {(message["endpoint_id"], message["url"]) for message in board.messages(claim.job.id)}
    assert receivers == {(heard.id, None), (None, "https://own.example/")}


def test_a_cancel_and_an_end_that_meet_make_one_end(claims, board, tenant, database):
    """A job that is late is ended by its worker, by its owner and by the sweep, all at the same time."""
    owner, sweep, refused = Jobs(database), Sweep(database), 0
    ids = board.late(tenant, 200)
    with ThreadPoolExecutor(3) as pool:
        for number, job_id in enumerate(ids):
            claim = claims.claim(job_id, WORKER)
            if number % 2:
                claims.let_go(job_id, WORKER, crashed=False)
            calls = (
                pool.submit(claims.apply, claim, moved(Status.QUEUED, Status.FAILED, error=ERROR)),
                pool.submit(owner.request_cancel, tenant, claim.job.id),
                pool.submit(sweep.fail_overdue),
            )
            errors = [call.exception() for call in calls if call.exception() is not None]
            assert [error for error in errors if not isinstance(error, ClaimLost | StateConflict)] == []
            refused += len(errors)
            # A wish that came while the worker held the job, and the worker too late: the sweep ends it then.
            claims.let_go(job_id, WORKER, crashed=False)
            sweep.fail_overdue()
    assert refused > 0
    mine = select(job_events.c.job_id, job_events.c.seq, job_events.c.type).where(job_events.c.job_id.in_(ids))
    with database.statement() as connection:
        history = {job_id: [] for job_id in ids}
        for event in connection.execute(mine.order_by(job_events.c.seq)):
            history[event.job_id].append((event.seq, event.type))
        rows = connection.execute(
            select(table.c.id, table.c.status, table.c.event_seq).where(table.c.id.in_(ids))
        ).all()
    assert {row.status for row in rows} >= {"failed", "canceled"}
    for row in rows:
        assert history[row.id] == [(1, "job.queued"), (2, "job.started"), (3, f"job.{row.status}")]
        assert row.event_seq == 3
