"""Every fault at every call: the laws that hold whatever happens, and the page that tells what does."""

from __future__ import annotations

import pytest

from fakes.fault_cells import SEQUENCE, cells
from fakes.fault_laws import broken
from fakes.fault_page import Record, hold


@pytest.mark.parametrize("cell", cells(), ids=str)
def test_a_fault_at_a_call(fault_run, cell):
    outcome = fault_run.run(cell)
    assert broken(outcome) == []
    hold(Record.of(outcome), cell.call, cell.fault)


def test_a_job_that_nothing_happens_to(fault_run):
    outcome = fault_run.run(None)
    assert broken(outcome, struck=False) == []
    assert (outcome.job.status, outcome.charged, outcome.job.billing.spent) == ("succeeded", 100, 100)
    assert tuple(request["endpoint"] for request in outcome.ledger["requests"]) == SEQUENCE
