"""The error table against the contract's list, and against the drawing of the classes."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from fakes.contract_errors import Entry, entries
from reelqueue import errors as tree
from reelqueue.jobs.steps.instruct import NOT_TAKEN
from reelqueue.nemo.error_table import ANY_4XX, ANY_5XX, ROWS, Call, Row, Where, row_of

ROOT = Path(__file__).parents[3]
ENTRIES = list(entries())


def numbers_of(kind: type) -> set[int]:
    answers = (row for row in ROWS if row.where in {Where.ENVELOPE, Where.HTTP} and row.error is kind)
    return {row.what for row in answers if isinstance(row.what, int)}


# --- the contract's list ----------------------------------------------------------------------------------------------


def test_the_list_names_nothing_twice() -> None:
    assert [found for found, times in Counter(ENTRIES).items() if times > 1] == []


@pytest.mark.parametrize("entry", ENTRIES, ids=str)
def test_each_entry_has_exactly_one_row(entry: Entry) -> None:
    [row] = [row for row in ROWS if (row.where, row.what) == (entry.where, entry.what) and entry.call in row.calls]
    assert row is row_of(entry.where, entry.what, entry.call)
    assert row.section == f"§{entry.section}"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.where} {row.what!r} {row.then.name}")
def test_each_row_has_its_entries(row: Row) -> None:
    known = {entry.call for entry in ENTRIES if (entry.where, entry.what) == (row.where, row.what)}
    assert row.calls
    assert row.calls <= known


def test_each_section_is_there_to_be_read() -> None:
    contract = (ROOT / "docs" / "upstream.md").read_text()
    chapters = set(re.findall(r"^#+ (\d+(?:\.\d+)?)\.? ", contract, re.MULTILINE))
    assert {row.section.removeprefix("§") for row in ROWS} <= chapters


def test_every_status_and_number_that_the_contract_prints_is_on_the_list() -> None:
    """Its third chapter is the table of codes."""
    chapter = (ROOT / "docs" / "upstream.md").read_text().partition("\n## 3.")[2].partition("\n## 4.")[0]
    printed = {int(number) for number in re.findall(r"\b([1-5]\d{2,3})\b", chapter)} - {200}
    assert printed
    assert printed <= {entry.what for entry in ENTRIES}


# --- what hangs together ----------------------------------------------------------------------------------------------


def test_only_classes_of_the_upstreams_are_raised_for_it() -> None:
    assert all(row.error is None or issubclass(row.error, tree.UpstreamError) for row in ROWS)
    assert all(row.error is not tree.UpstreamError for row in ROWS)


def test_every_class_of_the_upstreams_is_raised_for_something() -> None:
    raised = {row.error for row in ROWS}
    public = {found for found in tree.every_class() if issubclass(found, tree.UpstreamError)}
    assert {kind for kind in public if kind.__module__.startswith("reelqueue.errors")} - raised == {tree.UpstreamError}


def test_what_a_step_takes_for_a_refused_turn_is_what_the_table_calls_one() -> None:
    before = {Where.ENVELOPE, Where.HTTP, Where.TRANSPORT, Where.THROTTLE}
    refused = {row.error for row in ROWS if row.where in before and Call.RUN_TURN in row.calls}
    assert set(NOT_TAKEN) == refused - {tree.TurnInterrupted}
    for kind in tree.every_class():
        assert not issubclass(kind, NOT_TAKEN) or kind in NOT_TAKEN, "proof is by name, and not inherited"


def test_behind_an_accepted_head_nothing_is_ever_sent_again() -> None:
    said = {Where.STREAM, Where.AGENT}
    assert {row.then.name for row in ROWS if row.where in said} == {"FAILS", "RECONCILES", "GOES_ON", "ASKS_OWNER"}


# --- the drawing ------------------------------------------------------------------------------------------------------


def drawn() -> dict[str, tuple[str, str]]:
    """Each class of the drawing: its parent, and what stands behind its name."""
    found: dict[str, tuple[str, str]] = {}
    path: list[str] = []
    for line in (tree.__doc__ or "").splitlines():
        match = re.fullmatch(r" {4}((?:[│ ] {3})*)(?:[├└]── )?([A-Z]\w+(?:, [A-Z]\w+)*) *(.*)", line)
        if match is None:
            continue
        branch = "── " in line
        depth = len(match[1]) // 4 + branch
        for name in match[2].split(", "):
            found[name] = (path[depth - 1] if depth else "Exception", match[3])
            path[depth:] = [name]
    return found


CLASSES = [found for found in tree.every_class() if found.__module__.startswith("reelqueue.errors")]


@pytest.mark.parametrize("kind", CLASSES)
def test_each_class_is_drawn_below_its_parent(kind: type) -> None:
    assert drawn()[kind.__name__][0] == kind.__bases__[0].__name__


def test_nothing_is_drawn_that_is_not_there() -> None:
    assert set(drawn()) == {kind.__name__ for kind in CLASSES}


@pytest.mark.parametrize("kind", [kind for kind in CLASSES if issubclass(kind, tree.UpstreamError)])
def test_the_drawing_names_the_numbers_of_the_table(kind: type) -> None:
    said = drawn()[kind.__name__][1]
    numbers = {int(number) for number in re.findall(r"\b\d{3,4}\b", said)}
    if "5xx" in said:
        assert row_of(Where.HTTP, ANY_5XX, Call.RUN_TURN if kind is tree.TurnInterrupted else Call.STATE)
        numbers |= {number for number in numbers_of(kind) if number >= 500}
    assert numbers == numbers_of(kind)
    assert ("4xx" in said) == any((row.where, row.what, row.error) == (Where.HTTP, ANY_4XX, kind) for row in ROWS)


@pytest.mark.parametrize("kind", [kind for kind in CLASSES if not issubclass(kind, tree.UpstreamError)])
def test_the_drawing_names_the_status(kind: type) -> None:
    said = re.match(r"\d{3}\b", drawn()[kind.__name__][1])
    assert said is None or int(said[0]) == kind.status
