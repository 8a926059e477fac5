from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from fakes.engine import snapshot
from reelqueue.domain.claims import ClaimLost
from reelqueue.domain.turns import Snapshot, TurnState
from reelqueue.domain.upstream import TurnEnd, TurnReport
from reelqueue.kit.ids import new_id
from reelqueue.store.claims import Claims
from reelqueue.store.tables import turns as table
from reelqueue.store.turns import Turns

WORKER = "wrk_one"


@pytest.fixture
def database(module_database):
    return module_database


@pytest.fixture
def tenant(board):
    return board.tenant(new_id("tenant"))


@pytest.fixture
def turns(database):
    return Turns(database)


@pytest.fixture
def claim(board, tenant):
    return board.held(tenant, WORKER)


@pytest.fixture
def sent(turns, claim):
    """A turn that was sent under the claim."""
    turns.prepare(claim, 0, snapshot())
    turns.begin_sending(claim, 0)
    return claim


def again(board, database, claim):
    """The job, taken from its worker and claimed by another."""
    board.steal(claim)
    board.ring(claim.job.id)
    return Claims(database).claim(claim.job.id, "wrk_two")


# --- the intent -------------------------------------------------------------------------------------------------------


def test_of_twenty_who_would_send_exactly_one_may(turns, claim, board, at_once):
    """Every thread of a worker that was given the same claim, however it came by it."""
    for position in range(5):
        turns.prepare(claim, position, snapshot())
        outcomes = at_once(20, lambda _, position=position: turns.begin_sending(claim, position))
        assert outcomes.count(None) == 1
        assert sum(isinstance(outcome, ClaimLost) for outcome in outcomes) == 19
        row = board.turn(claim.job.id, position)
        assert (row["state"], row["epoch"]) == ("sending", claim.epoch)


def test_a_worker_and_the_one_that_took_over_send_once_between_them(turns, board, database, tenant, at_once):
    for _ in range(20):
        old = board.held(tenant, WORKER)
        turns.prepare(old, 0, snapshot())
        new = again(board, database, old)
        outcomes = at_once(8, lambda n, pair=(old, new): turns.begin_sending(pair[n % 2], 0))
        assert outcomes.count(None) == 1
        assert board.turn(old.job.id)["epoch"] == new.epoch


def test_nothing_is_sent_that_was_not_prepared(turns, claim):
    with pytest.raises(ClaimLost):
        turns.begin_sending(claim, 0)


def test_the_moment_of_sending_is_the_databases(turns, sent, database):
    with database.statement() as connection:
        now = connection.execute(select(func.now())).scalar_one()
    assert timedelta(0) <= now - turns.find(sent.job.id, 0).sent_at < timedelta(minutes=1)


# --- what was seen before ---------------------------------------------------------------------------------------------


def test_a_look_is_kept_as_it_was(turns, claim):
    track = {"index": 1, "kind": "video", "name": "clip", "duration_ms": 1000, "segments": 1, "volume": 0.3}
    seen = Snapshot(digest="d", timeline=(track,), exportable=True, available=12.5, frozen=None)
    turns.prepare(claim, 0, seen)
    turn = turns.find(claim.job.id, 0)
    assert (turn.before, turn.state, turn.observations) == (seen, TurnState.READY, 0)
    assert turn.last_seen is turn.report is turn.sent_at is None


def test_a_turn_still_ready_takes_the_newer_look_and_a_sent_one_does_not(turns, claim):
    turns.prepare(claim, 0, snapshot("old"))
    turns.prepare(claim, 0, snapshot("new"))
    assert turns.find(claim.job.id, 0).before.digest == "new"
    turns.begin_sending(claim, 0)
    with pytest.raises(ClaimLost):
        turns.prepare(claim, 0, snapshot("too late"))
    assert turns.find(claim.job.id, 0).before.digest == "new"


def test_what_was_never_prepared_is_not_found(turns, claim):
    assert turns.find(claim.job.id, 0) is None
    assert turns.find(new_id("job"), 0) is None


# --- what became of it ------------------------------------------------------------------------------------------------

REPORT = TurnReport(
    end=TurnEnd.ERROR_FRAME,
    texts=("Done.", "More."),
    tools=("edit",),
    heartbeats=3,
    unknown_events=1,
    error="boom",
    error_code="X",
    gateway_code=2001,
)


def test_a_report_is_kept_as_it_was(turns, sent):
    turns.finish(sent, 0, REPORT)
    turn = turns.find(sent.job.id, 0)
    assert (turn.state, turn.report) == (TurnState.FINISHED, REPORT)


@pytest.mark.parametrize("text", ["a\0b", "\ud800", "x" * 100_000])
def test_whatever_the_agent_says_can_be_kept(turns, sent, text):
    turns.finish(sent, 0, TurnReport(end=TurnEnd.CLOSED, texts=(text,)))
    assert len(turns.find(sent.job.id, 0).report.texts[0]) == len(text)


def test_a_turn_found_out_by_looking_has_no_report(turns, sent):
    turns.finish(sent, 0, None)
    assert turns.find(sent.job.id, 0).report is None


def test_looks_are_counted_and_the_last_is_kept(turns, sent):
    for number in (1, 2, 3):
        turns.observe(sent, 0, snapshot(str(number)))
        turn = turns.find(sent.job.id, 0)
        assert (turn.observations, turn.last_seen.digest) == (number, str(number))
    turns.finish(sent, 0, None)
    turns.observe(sent, 0, snapshot("4"))
    assert turns.find(sent.job.id, 0).observations == 4


def test_only_a_sent_turn_ends_and_it_ends_once(turns, claim):
    turns.prepare(claim, 0, snapshot())
    ends = (lambda: turns.finish(claim, 0, None), lambda: turns.give_up(claim, 0))
    for end in ends:
        with pytest.raises(ClaimLost):
            end()
    turns.begin_sending(claim, 0)
    turns.give_up(claim, 0)
    assert turns.find(claim.job.id, 0).state is TurnState.UNKNOWN
    for end in (*ends, lambda: turns.begin_sending(claim, 0), lambda: turns.reopen(claim, 0)):
        with pytest.raises(ClaimLost):
            end()


# --- proven not taken -------------------------------------------------------------------------------------------------


def test_a_turn_is_made_ready_again_by_the_one_that_sent_it(turns, sent, board):
    turns.reopen(sent, 0)
    row = board.turn(sent.job.id)
    assert (row["state"], row["epoch"], row["sent_at"]) == ("ready", None, None)
    turns.begin_sending(sent, 0)


def test_nobody_else_can_prove_that_it_was_not_taken(turns, sent, board, database):
    other = again(board, database, sent)
    with pytest.raises(ClaimLost):
        turns.reopen(other, 0)
    assert turns.find(sent.job.id, 0).state is TurnState.SENDING


def test_the_table_itself_knows_what_sent_means(board, claim, database):
    row = {"job_id": claim.job.id, "position": 9, "tenant_id": claim.job.tenant_id, "before": {}}
    for values in ({"state": "sending"}, {"state": "finished"}, {"finished_at": func.now()}, {"state": "lost"}):
        with pytest.raises(IntegrityError), database.statement() as connection:
            connection.execute(table.insert().values(**row, **values))
