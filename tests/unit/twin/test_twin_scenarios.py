"""The scenario language: what is read, what is refused and where, and the catalogue that comes with the twin."""

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from nemotwin.endpoints import NAMES, OF_A_SESSION
from nemotwin.mishaps import CATALOG
from nemotwin.mishaps.connections import Drop
from nemotwin.mishaps.turns import Quiet
from nemotwin.scenarios.catalog import catalog
from nemotwin.scenarios.performing import CreditsLeft, Performance
from nemotwin.scenarios.prefix import split
from nemotwin.scenarios.reading import ScenarioError, read
from nemotwin.scenarios.rules import Rule, Scenario

FULL = """
the_issue:
  about: What the issue asks for.
  outcome: requires_input, then failed(outcome_unknown)
  rules:
    - call: run_sse
      session: 1234567890123456789
      turn: 2
      nth: 1-3
      say: I am on it.
      heartbeats: 40s
      lasts: 1.5m
      drop_after: 1200
      finish: half
      credits: 70
      fault: [silent, {name: drop_mid_line, after_events: 2}]
"""


def rule_of(**keys):
    return read(yaml.safe_dump({"a": {"rules": [keys]}}))["a"].rules[0]


def complaint(text):
    with pytest.raises(ScenarioError) as refused:
        read(text)
    return str(refused.value)


# --- what is read -----------------------------------------------------------------------------------------------------


def test_every_key_is_read():
    (rule,) = read(FULL)["the_issue"].rules
    assert rule.model_fields_set == set(Rule.model_fields) - {"ask"}
    assert (rule.call, rule.turn, rule.session) == ("run_sse", 2, "1234567890123456789")
    left, performance, drop, silent, cut = rule.faults
    assert left == CreditsLeft(70)
    assert performance == Performance(says="I am on it.", heartbeats=40.0, lasts=90.0, fate="partial")
    assert drop == Drop(at_byte=1200, work="partial")
    assert silent == Quiet(silent=True, idle=False, trailing=False)
    assert (cut.place, cut.after_events) == ("line", 2)


@pytest.mark.parametrize(("given", "seconds"), [("40s", 40), ("1.5m", 90), ("2h", 7200), (7, 7), (0.5, 0.5), ("0s", 0)])
def test_times(given, seconds):
    assert rule_of(heartbeats=given).heartbeats == seconds


@pytest.mark.parametrize("given", ["40", "40 s", "-1s", "s", True, -1, float("nan"), float("inf"), [], "1d", "٤s"])
def test_what_is_no_time(given):
    with pytest.raises(ScenarioError, match=r"a\.rules\[0\]\.lasts: a time like"):
        rule_of(lasts=given)


@pytest.mark.parametrize(
    ("given", "taken", "shown"),
    [
        (2, [2], "2"),
        ("2", [2], "2"),
        ("2-4", [2, 3, 4], "2-4"),
        ("4+", [4, 5, 6], "4+"),
        (None, [1, 2, 3, 4, 5, 6], None),
    ],
)
def test_counts(given, taken, shown):
    rule = rule_of(say="hi", **({} if given is None else {"nth": given}))
    assert [number for number in range(1, 7) if rule.nth is None or number in rule.nth] == taken
    assert rule.view().get("nth") == shown


@pytest.mark.parametrize("given", [0, "0", "3-2", "1-", "+", True, 1.0, "1..2", "x", [1]])
def test_what_is_no_count(given):
    with pytest.raises(ScenarioError, match=r"a\.rules\[0\]\.nth: "):
        rule_of(say="hi", nth=given)


@pytest.mark.parametrize(
    ("finish", "work"), [(True, "continuing"), (False, "canceled"), ("half", "partial"), (None, "continuing")]
)
def test_what_becomes_of_the_work(finish, work):
    rule = rule_of(drop_after=9, **({} if finish is None else {"finish": finish}))
    assert rule.faults[-1] == Drop(at_byte=9, work=work)


def test_a_rule_counts_what_fits_it():
    rule = rule_of(call="state", turn=2, fault=503)
    assert [rule.fits("state", turn) for turn in (1, 2, 3)] == [False, True, False]
    assert not rule.fits("run_sse", 2)
    assert rule_of(say="hi").fits("run_sse", 9)


@pytest.mark.parametrize(
    ("message", "name", "heard"),
    [
        ("[scenario: silent_edit] animate this", "silent_edit", "animate this"),
        ("  [ Scenario :Silent_Edit]animate\nthis ", "silent_edit", "animate\nthis "),
        ("[scenario:]x", "", "x"),
        ("[scenario: no such thing]", "no such thing", ""),
        ("animate [scenario: slow] this", None, "animate [scenario: slow] this"),
        ("[scene: slow] x", None, "[scene: slow] x"),
        ("[scenario: a\nb] x", None, "[scenario: a\nb] x"),
    ],
)
def test_the_prefix(message, name, heard):
    assert split(message) == (name, heard)


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "line 1: a mapping of names to scenarios is expected"),
        ("- a", "line 1: a mapping of names to scenarios is expected"),
        ("a: 1", "line 1, a: a mapping is expected"),
        ("a:\n  about: x", "line 1, a.rules: Field required"),
        ("a:\n  rules:\n    - say: x\n      trun: 2", "line 4, a.rules[0].trun: no such key; there are call, turn,"),
        ("a:\n  rules: []\n  rule: []", "line 3, a.rule: no such key; there are about, outcome, rules"),
        ("a:\n  rules:\n    - say: x\n    - turn: 1", "line 4, a.rules[1]: nothing happens: one of say,"),
        ("a:\n  rules:\n    - fault: []", "line 3, a.rules[0]: nothing happens"),
        ("a:\n  rules:\n    - {say: x, turn: '1'}", "line 3, a.rules[0].turn: Input should be a valid integer"),
        ("a:\n  rules:\n    - {say: x, turn: yes}", "line 3, a.rules[0].turn: Input should be a valid integer"),
        ("a:\n  rules:\n    - {say: x, turn: 0}", "line 3, a.rules[0].turn: Input should be greater"),
        ("a:\n  rules:\n    - say: 5", "line 3, a.rules[0].say: Input should be a valid string"),
        ("a:\n  rules:\n    - {say: x, call: stat}", "line 3, a.rules[0].call: Input should be 'anonymous_token',"),
        (
            "a:\n  rules:\n    - {drop_after: 9, finish: 1}",
            "line 3, a.rules[0].finish: true, false or half is expected",
        ),
        ("a:\n  rules:\n    - {say: x, ask: y}", "line 3, a.rules[0]: say and ask exclude each other"),
        ("a:\n  rules:\n    - {say: x, call: state}", "line 3, a.rules[0]: say makes sense at the call run_sse"),
        ("a:\n  rules:\n    - {fault: 503, call: credits}", "line 3, a.rules[0]: the call credits names no session"),
        ("a:\n  rules:\n    - {say: x, session: abc}", "line 3, a.rules[0].session: 19 digits"),
        ("a:\n  rules:\n    - fault: sillent", "line 3, a.rules[0].fault: no such fault: sillent"),
        ("a:\n  rules:\n    - fault: [silent, 1.5]", "line 3, a.rules[0].fault: the name of a fault is expected"),
        ("a:\n  rules:\n    - fault: {name: drop, 1: 2, x: 3}", "line 3, a.rules[0].fault: the name of a fault"),
        ("a:\n  rules:\n    - fault: url_expired", "line 3, a.rules[0]: url_expired makes sense at cdn"),
        ("a:\n  rules:\n    - fault: {name: drop, at: 3}", "line 3, a.rules[0].fault: drop has no parameter at"),
        (
            "a:\n  rules:\n    - fault: {name: drop, at_byte: x}",
            "line 3, a.rules[0].fault: drop, at_byte: Input should",
        ),
        ("A: {rules: []}", "line 1, A: a name is made of a-z, 0-9, _ and -"),
        ("x: {rules: []}\n1: {rules: []}", "line 2, [1]: a name is made of"),
        ("a:\n  rules: []\n  1: 2", "line 3, a[1]: "),
        ("a:\n  outcome: done\n  rules: []", "line 2, a.outcome: String should match"),
        ("a: {rules: []}\nb: {rules: []}\na: {rules: []}", "line 3: the key a comes twice"),
        ("a: &it {rules: []}\nb: *it", "line 2: aliases and tags are not taken"),
        ("a: !!python/object/apply:os.getcwd []", "line 1: aliases and tags are not taken"),
        ("a: {rules: []}\n---\nb: {rules: []}", "line 2: but found another document"),
        ("a:\n\t- b", "line 2: found character '\\t' that cannot start any token"),
        ("a: 2001-99-99", "not YAML: month must be in 1..12"),
        ("a: \x07", "not YAML: unacceptable character"),
        ('a:\n  rules:\n    - fault: "\\ud800"', "line 3: half of a character is escaped"),
        ("a:\n  " + "[" * 99 + "]" * 99, "line 2: nested too deeply"),
    ],
)
def test_what_is_refused_and_where(text, said):
    assert complaint(text).startswith(said)


KEYS = st.sampled_from([*Rule.model_fields, *Scenario.model_fields, "name", "at_byte", "a", "b"])
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.text(st.sampled_from("ab:\x00\ud800"), max_size=3),
    st.dates(),
    st.sampled_from([*NAMES, *CATALOG, "40s", "half", "2-3", "*", "a"]),
)
THINGS = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS | SCALARS, inner, max_size=5),
    max_leaves=12,
)
FAULTS = SCALARS | st.fixed_dictionaries(
    {"name": st.sampled_from([*CATALOG])}, optional={"at_byte": SCALARS, "work": SCALARS}
)
RULES = st.dictionaries(KEYS, THINGS, max_size=3) | st.fixed_dictionaries(
    {}, optional={**dict.fromkeys(Rule.model_fields, SCALARS), "fault": FAULTS | st.lists(FAULTS, max_size=2)}
)
SCENARIOS = st.dictionaries(st.sampled_from(["a", "b"]), st.fixed_dictionaries({"rules": st.lists(RULES, max_size=3)}))
YAMLISH = st.text(st.sampled_from(list("ab:-[]{}&*!|>'\"#%@`, \n\t0189._?~=<\\xu\ud800")), max_size=60)


@settings(deadline=None, max_examples=300)
@given(st.one_of(st.text(), YAMLISH, THINGS.map(yaml.safe_dump), SCENARIOS.map(yaml.safe_dump)))
def test_any_text_is_scenarios_or_one_error(text):
    try:
        rules = [rule for scenario in read(text).values() for rule in scenario.rules]
        said = "nothing"
    except ScenarioError as error:
        rules, said = [], str(error)
    assert said.encode()
    assert all(rule.faults for rule in rules)


# --- the catalogue ----------------------------------------------------------------------------------------------------


def test_every_scenario_of_the_catalogue_says_what_it_does_and_how_it_ends():
    assert len(catalog()) >= 20
    for name, scenario in catalog().items():
        assert scenario.about.endswith("."), name
        assert scenario.outcome, name
        assert bool(scenario.rules) is (name != "normal"), name
        assert [rule.session for rule in scenario.rules if rule.session is not None] == [], name
        assert {rule.call for rule in scenario.rules} <= OF_A_SESSION, name
