"""Every fault at every call: one turn at most, one end, and what the ledger says."""

from __future__ import annotations

import pytest

from fakes.fault_cells import cells
from fakes.fault_laws import broken


@pytest.mark.parametrize("cell", cells(), ids=str)
def test_a_fault_at_a_call(fault_run, cell):
    assert broken(fault_run.run(cell)) == []


def test_a_job_that_nothing_happens_to(fault_run):
    outcome = fault_run.run(None)
    assert broken(outcome, struck=False) == []
    assert (outcome.job.status, outcome.charged, outcome.job.billing.spent) == ("succeeded", 100, 100)
