"""A worker dies at every point of a job, and another goes on: the same laws, and the same page."""

from __future__ import annotations

import pytest

from fakes.crash_points import POINTS
from fakes.fault_laws import broken
from fakes.fault_page import DEATHS, Record, hold


@pytest.mark.parametrize("name", POINTS)
def test_a_worker_that_dies(fault_run, nursery, name):
    outcome = fault_run.survive(POINTS[name], nursery)
    assert broken(outcome) == []
    hold(Record.of(outcome), DEATHS, name)
