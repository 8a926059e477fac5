from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from reelqueue.kit.clock import SystemClock, rfc3339, scaled


def test_moments_are_written_in_utc_with_milliseconds():
    east = timezone(timedelta(hours=5, minutes=30))
    assert rfc3339(datetime(2026, 3, 1, 5, 30, 0, 999_999, tzinfo=east)) == "2026-03-01T00:00:00.999Z"
    assert rfc3339(datetime(2026, 3, 1, tzinfo=UTC)) == "2026-03-01T00:00:00.000Z"


def test_what_is_written_can_be_read_again():
    moment = datetime(2026, 3, 1, 1, 2, 3, 456_000, tzinfo=UTC)
    assert datetime.fromisoformat(rfc3339(moment)) == moment


def test_speed_shortens():
    assert scaled(30, 10) == timedelta(seconds=3)


def test_the_machines_clock_is_aware_and_its_seconds_never_go_back():
    clock = SystemClock()
    assert clock.now().utcoffset() == timedelta(0)
    first = clock.monotonic()
    clock.sleep(0)
    assert clock.monotonic() >= first
