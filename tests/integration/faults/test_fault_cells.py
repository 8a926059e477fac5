"""Every fault at every call: the laws that hold whatever happens, and the page that tells what does."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fakes.fault_cells import SEQUENCE, cells
from fakes.fault_laws import broken
from fakes.fault_page import PAGE, Record, keep, read

WRITES = os.environ.get("FAULT_TABLE")
"""The folder that records are left in, to write the page anew; without it they are held to the page."""


@pytest.fixture(scope="session")
def page():
    return read(PAGE.read_text())


@pytest.mark.parametrize("cell", cells(), ids=str)
def test_a_fault_at_a_call(fault_run, cell, request):
    outcome = fault_run.run(cell)
    assert broken(outcome) == []
    record = Record.of(outcome)
    if WRITES:
        keep(Path(WRITES), cell.call, cell.fault, record)
        return
    told = request.getfixturevalue("page")[cell.call, cell.fault]
    assert record.is_like(told), f"the page says {told}; `make fault-table` writes it anew"


def test_a_job_that_nothing_happens_to(fault_run):
    outcome = fault_run.run(None)
    assert broken(outcome, struck=False) == []
    assert (outcome.job.status, outcome.charged, outcome.job.billing.spent) == ("succeeded", 100, 100)
    assert tuple(request["endpoint"] for request in outcome.ledger["requests"]) == SEQUENCE
