from __future__ import annotations

import pytest

from reelqueue.domain.breakers import UpstreamEventType
from reelqueue.domain.jobs import TERMINAL_EVENTS, EventType
from reelqueue.domain.subscriptions import DEFAULT_EVENT_TYPES, PATTERNS, patterns_of, wants


@pytest.mark.parametrize("event", list(EventType))
def test_a_pattern_names_an_event_all_of_a_jobs_or_all(event):
    assert wants([event.value], event)
    family, other_family = ("batch.*", "job.*") if event is EventType.BATCH_COMPLETED else ("job.*", "batch.*")
    assert wants([family], event)
    assert wants(["*"], event)
    assert not wants([], event)
    assert not wants([other.value for other in EventType if other is not event], event)
    assert not wants(["job", "job.", other_family, "job.*.x"], event)


def test_who_does_not_say_hears_how_each_job_ended_and_what_came_afterwards():
    assert set(DEFAULT_EVENT_TYPES) == TERMINAL_EVENTS | {EventType.RECOVERED}
    assert list(DEFAULT_EVENT_TYPES) == sorted(DEFAULT_EVENT_TYPES)
    assert set(DEFAULT_EVENT_TYPES) <= PATTERNS


@pytest.mark.parametrize("event", list(UpstreamEventType))
def test_what_is_of_no_job_has_a_family_of_its_own(event):
    assert patterns_of(event) == {event.value, "upstream.*", "*"}
    assert patterns_of(event) <= PATTERNS
