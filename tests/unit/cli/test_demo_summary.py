from __future__ import annotations

from reelqueue.cli import demo


def event(kind: str, second: int) -> dict[str, str]:
    return {"type": f"job.{kind}", "timestamp": f"2030-01-31T12:00:{second:02d}+00:00"}


def test_the_times_are_those_of_the_statuses_whatever_is_told_between() -> None:
    events = [
        *(event("queued", 0), event("instructing", 1), event("progress", 3), event("preview_ready", 4)),
        *(event("rendering", 6), event("succeeded", 10)),
    ]
    assert demo._time_by_status(events) == [("queued", 1.0), ("instructing", 5.0), ("rendering", 4.0)]
