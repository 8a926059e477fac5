from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest

from fakes.engine import NOW, make_job
from reelqueue.domain.jobs import (
    EVENT_OF,
    TERMINAL_EVENTS,
    TRANSITIONS,
    EventType,
    IllegalTransitionError,
    Queue,
    Status,
    is_overdue,
    queue_of,
    require_transition,
)

MIGRATION = Path(__file__).parents[3] / "migrations" / "versions" / "0017_deadlines.py"
PAIRS = [(origin, to) for origin in Status for to in Status]


def test_the_law_names_every_status_and_nothing_else():
    assert set(TRANSITIONS) == set(Status)
    assert frozenset().union(*TRANSITIONS.values()) <= set(Status)


def test_every_status_but_the_first_can_be_reached_and_every_live_one_can_end():
    reached = frozenset().union(*TRANSITIONS.values())
    assert set(Status) - reached == {Status.QUEUED}
    for status in Status:
        if not status.is_final:
            assert Status.FAILED in TRANSITIONS[status]
            assert Status.CANCELED in TRANSITIONS[status]


def test_the_final_ones_are_three():
    assert {status for status in Status if status.is_final} == {Status.SUCCEEDED, Status.FAILED, Status.CANCELED}


@pytest.mark.parametrize(("origin", "to"), PAIRS)
def test_only_what_the_law_lists_is_let_through(origin, to):
    if to in TRANSITIONS[origin]:
        require_transition(origin, to)
    else:
        with pytest.raises(IllegalTransitionError):
            require_transition(origin, to)


def test_the_trigger_of_the_migration_repeats_the_law():
    text = MIGRATION.read_text()
    law = text[text.index("ASKED =") : text.index(") THEN")]
    written = set(re.findall(r"\('(\w+)', '(\w+)'\)", law))
    # Staying where one is needs no pair: the trigger lets every update pass that leaves the status alone.
    assert written == {(str(a), str(b)) for a, follow in TRANSITIONS.items() for b in follow if a is not b}


def test_only_the_paid_turn_holds_a_thread_for_long():
    assert {status: queue_of(status) for status in Status if not status.is_final} == {
        Status.QUEUED: Queue.STEP,
        Status.UPLOADING: Queue.STEP,
        Status.INSTRUCTING: Queue.STREAM,
        Status.REQUIRES_INPUT: Queue.STEP,
        Status.RENDERING: Queue.STEP,
        Status.SAVING: Queue.STEP,
    }


def test_each_status_has_its_event():
    assert set(EVENT_OF) == set(Status)
    between = {EventType.PROGRESS, EventType.PREVIEW_READY, EventType.EXPORTED, EventType.BATCH_COMPLETED}
    between |= {EventType.STARTED, EventType.RECOVERED, EventType.EXPIRING}
    assert set(EVENT_OF.values()) == set(EventType) - between
    assert {EventType.SUCCEEDED, EventType.FAILED, EventType.CANCELED} == TERMINAL_EVENTS


def test_overdue_is_after_the_moment_and_never_without_one():
    assert not is_overdue(make_job(), NOW)
    assert not is_overdue(make_job(finish_by=NOW), NOW)
    assert is_overdue(make_job(finish_by=NOW - timedelta(seconds=1)), NOW)


def test_what_is_private_is_not_in_the_repr():
    assert "canary" not in repr(make_job(webhook_url="https://user:canary@host"))
