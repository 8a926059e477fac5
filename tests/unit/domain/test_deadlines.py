"""Which jobs cannot meet their times, and what becomes of late ones."""

from __future__ import annotations

from datetime import timedelta

import pytest

from fakes.engine import NOW, make_job
from reelqueue.domain.deadlines import instead_of_a_turn, is_out_of_reach, late_before, started_too_late
from reelqueue.domain.estimates import ENOUGH_TO_JUDGE, UNKNOWN, Estimates
from reelqueue.domain.jobs import Billing, Status
from reelqueue.errors import DeadlineExceeded, DeadlineUnreachable

KNOWN = Estimates(samples=ENOUGH_TO_JUDGE, work_p10_s=300.0)
PAID = Billing(spent=10, certainty="inferred")


def after(seconds):
    return NOW + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("changes", "estimates", "hopeless"),
    [
        ({}, KNOWN, False),
        ({"finish_by": after(299), "started_at": None}, KNOWN, True),
        ({"finish_by": after(300), "started_at": None}, KNOWN, False),
        ({"finish_by": after(1), "started_at": None}, UNKNOWN, False),
        ({"finish_by": after(-1), "started_at": None}, UNKNOWN, True),
        # It has worked for 100 s: the fastest of its like would need 200 more.
        ({"finish_by": after(199), "started_at": after(-100)}, KNOWN, True),
        ({"finish_by": after(201), "started_at": after(-100)}, KNOWN, False),
        # Slower than its like already: nobody knows how much is left.
        ({"finish_by": after(1), "started_at": after(-400)}, KNOWN, False),
    ],
)
def test_a_job_is_judged_by_the_fastest_of_its_like(changes, estimates, hopeless):
    assert is_out_of_reach(make_job(**changes), estimates, NOW) is hopeless


@pytest.mark.parametrize(
    ("changes", "late"),
    [
        ({}, False),
        ({"start_by": NOW}, False),
        ({"start_by": after(-1)}, True),
        ({"start_by": NOW, "started_at": None}, False),
    ],
)
def test_work_has_to_begin_by_its_time(changes, late):
    assert started_too_late(make_job(**changes)) is late


@pytest.mark.parametrize("status", [status for status in Status if not status.is_final])
def test_a_late_job_ends_only_where_nothing_may_be_under_way(status):
    verdict = late_before(make_job(status=status, finish_by=after(-1)), NOW)
    assert (verdict is not None) == (status in (Status.QUEUED, Status.UPLOADING, Status.REQUIRES_INPUT))
    assert late_before(make_job(status=status, finish_by=after(1), start_by=after(1)), NOW) is None


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({}, DeadlineUnreachable),
        ({"billing": PAID, "receipts": ({"verdict": "unchanged"},)}, DeadlineExceeded),
        ({"billing": PAID, "receipts": ({"verdict": "changed"},), "outputs": ()}, DeadlineExceeded),
        ({"billing": PAID, "receipts": ({"verdict": "unchanged"}, {"verdict": "changed"})}, None),
    ],
    ids=["nothing paid", "nothing to show for it", "no export wanted", "something to export"],
)
def test_what_is_paid_is_exported_in_place_of_another_turn(changes, error):
    verdict = instead_of_a_turn(make_job(**changes))
    assert (verdict.to is Status.RENDERING) if error is None else isinstance(verdict.cause, error)
