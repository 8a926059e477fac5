from __future__ import annotations

import pytest

from reelqueue.domain.event_types import EVENT_TYPES, FAMILIES
from reelqueue.domain.jobs import TERMINAL_EVENTS, EventType
from reelqueue.domain.subscriptions import DEFAULT_EVENT_TYPES, PATTERNS, patterns_of, wants


@pytest.mark.parametrize("event", list(EVENT_TYPES.values()))
def test_a_pattern_names_an_event_its_family_or_all(event):
    family = event.value.split(".")[0] + ".*"
    assert patterns_of(event) == {event.value, family, "*"} <= PATTERNS
    for pattern in (event.value, family, "*"):
        assert wants([pattern], event)
    assert not wants([], event)
    assert not wants(PATTERNS - patterns_of(event), event)
    assert not wants(["job", "job.", "job.*.x"], event)


def test_the_families():
    assert FAMILIES == ("job.*", "batch.*", "asset.*", "endpoint.*", "upstream.*")


def test_who_does_not_say_hears_how_each_job_ended_and_what_came_afterwards():
    assert set(DEFAULT_EVENT_TYPES) == TERMINAL_EVENTS | {EventType.RECOVERED}
    assert list(DEFAULT_EVENT_TYPES) == sorted(DEFAULT_EVENT_TYPES)
    assert set(DEFAULT_EVENT_TYPES) <= PATTERNS
