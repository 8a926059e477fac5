"""`docs/scenarios.md` shows what the language has, and its examples can be loaded."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from nemotwin.endpoints import NAMES
from nemotwin.scenarios.catalog import catalog
from nemotwin.scenarios.reading import ScenarioError, read
from nemotwin.scenarios.rules import Rule, Scenario
from reelqueue.dev.docs.errors import errors_page
from reelqueue.dev.docs.scenarios import scenario_table

PAGE = (Path(__file__).parents[3] / "docs" / "scenarios.md").read_text()
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


def test_every_scenario_is_in_the_table_with_an_outcome_that_exists():
    rows = re.findall(r"^\| `(\w+)` \| .* \| (.*) \|$", scenario_table(), re.MULTILINE)
    assert [name for name, _ in rows] == list(catalog())
    known = set(re.findall(r'<a id="(\w+)">', errors_page()))
    for name, ends in rows:
        codes = re.findall(r"errors\.md#(\w+)", ends)
        assert set(codes) <= known, name
        assert bool(codes) is ("failed" in ends), name
        assert codes or "`succeeded`" in ends, name


def test_every_key_and_every_call_is_explained():
    told = set(re.findall(r"`(\w+)`", PAGE.partition("## Your own")[2]))
    assert {*Rule.model_fields, *Scenario.model_fields, *NAMES} <= told


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_examples_can_be_loaded(example):
    assert all(scenario.rules for scenario in read(example).values())


def test_a_mistake_is_told_as_the_page_says():
    said = re.findall(r"`(line \d+, [^`]*?), …`", PAGE)
    (first, *_) = EXAMPLES
    with pytest.raises(ScenarioError) as refused:
        read(first.replace("turn:", "trun:"))
    assert [str(refused.value).startswith(one) for one in said] == [True]
