from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from reelqueue.domain.replays import ReplayWish
from reelqueue.gateway.errors import RequestInvalid
from reelqueue.gateway.schemas.message_requests import ReplayRequest
from reelqueue.gateway.schemas.strict import checked

MORNING = "2030-01-31T08:00:00Z"
NOON = "2030-01-31T12:00:00Z"


def test_families_become_the_names_they_stand_for() -> None:
    wish = checked(ReplayRequest, {"since": MORNING, "types": ["upstream.*", "job.failed"]}).wish()
    assert wish.types == {"upstream.degraded", "upstream.recovered", "job.failed"}
    assert wish.until is None


def test_left_out_types_are_the_endpoints_own() -> None:
    wish = checked(ReplayRequest, {"since": MORNING, "until": NOON}).wish()
    assert (wish.types, wish.until) == (None, datetime(2030, 1, 31, 12, tzinfo=UTC))


@pytest.mark.parametrize(
    ("document", "pointer"),
    [
        ({}, "/since"),
        ({"since": "yesterday"}, "/since"),
        ({"since": MORNING, "until": "noon"}, "/until"),
        ({"since": MORNING, "types": []}, "/types"),
        ({"since": MORNING, "types": ["job.failed", "job.exploded"]}, "/types/1"),
        ({"since": MORNING, "dry_run": "yes"}, "/dry_run"),
        ({"since": MORNING, "before": NOON}, "/before"),
        ({"since": NOON, "until": MORNING}, ""),
        ({"since": NOON, "until": NOON}, ""),
    ],
)
def test_what_cannot_be(document: dict[str, Any], pointer: str) -> None:
    with pytest.raises(RequestInvalid) as refused:
        checked(ReplayRequest, document)
    assert [violation.pointer for violation in refused.value.violations] == [pointer]


def test_wishes_that_differ_in_anything_have_other_fingerprints() -> None:
    morning, noon = (datetime(2030, 1, 31, hour, tzinfo=UTC) for hour in (8, 12))
    types = frozenset({"job.failed", "job.succeeded"})
    wishes = [
        ReplayWish(since=morning),
        ReplayWish(since=noon),
        ReplayWish(since=morning, until=noon),
        ReplayWish(since=morning, types=frozenset()),
        ReplayWish(since=morning, types=types),
        ReplayWish(since=morning, until=noon, types=types),
    ]
    assert len({wish.fingerprint() for wish in wishes}) == len(wishes)
    assert ReplayWish(since=morning, types=frozenset(sorted(types))).fingerprint() == wishes[4].fingerprint()
