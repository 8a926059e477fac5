from __future__ import annotations

import enum
import re
from pathlib import Path

import pytest

from reelqueue.dev.docs.deliveries import schedule_table
from reelqueue.dev.docs.errors import errors_page
from reelqueue.dev.docs.markdown import member_docs, table
from reelqueue.dev.docs.metrics import metrics_table
from reelqueue.dev.docs.pages import BlockMissing, filled, stale, write
from reelqueue.dev.docs.settings import env_example, groups
from reelqueue.dev.docs.statuses import status_page
from reelqueue.domain.deliveries import MAX_ATTEMPTS
from reelqueue.domain.jobs import TRANSITIONS, WaitingReason
from reelqueue.errors import RateLimited, ReelqueueError, TokenBlocked, TokenCooling, UpstreamThrottled, every_class
from reelqueue.kit.metrics import Metrics
from reelqueue.nemo.error_table import ROWS, Then

ROOT = Path(__file__).parents[3]


def test_every_generated_page_is_as_the_code_says():
    assert stale(ROOT) == [], "run `make docs`"


# --- the check itself -------------------------------------------------------------------------------------------------

PAGES = {"docs/a.md": lambda: "# A\n"}
BLOCKS = {"docs/b.md": {"list": lambda: "- one"}}
B = "# B\n\n<!-- begin: list (made) -->\n\n- one\n\n<!-- end: list -->\n\nBy hand.\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/a.md").write_text("# A\n")
    (tmp_path / "docs/b.md").write_text(B)
    return tmp_path


def test_pages_that_fit_are_not_stale(root: Path):
    assert stale(root, PAGES, BLOCKS) == []


@pytest.mark.parametrize(
    ("path", "text"),
    [("docs/a.md", "# Another\n"), ("docs/b.md", B.replace("- one", "- two"))],
)
def test_a_page_or_a_block_that_drifted_is_found_and_mended(root: Path, path: str, text: str):
    (root / path).write_text(text)
    assert stale(root, PAGES, BLOCKS) == [path]
    assert write(root, PAGES, BLOCKS) == [path]
    assert stale(root, PAGES, BLOCKS) == []


def test_a_page_that_is_missing_is_found(root: Path):
    (root / "docs/a.md").unlink()
    assert stale(root, PAGES, BLOCKS) == ["docs/a.md"]


def test_what_is_written_by_hand_around_a_block_stays(root: Path):
    (root / "docs/b.md").write_text(B.replace("By hand.", "By another hand."))
    assert stale(root, PAGES, BLOCKS) == []


def test_a_page_without_its_block_is_no_page():
    with pytest.raises(BlockMissing, match="list"):
        filled("# B\n", "list", "- one")


def test_backslashes_in_a_block_are_taken_as_they_are():
    assert r"a \1 b" in filled(B, "list", r"a \1 b")


# --- what the pages hold ----------------------------------------------------------------------------------------------


def test_the_picture_has_every_move_of_the_law_and_no_other():
    drawn = set(re.findall(r"^    (\w+) --> (\w+)$", status_page(), re.MULTILINE))
    assert drawn == {(origin.value, to.value) for origin, onward in TRANSITIONS.items() for to in onward}


def test_every_waiting_reason_is_explained():
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", status_page().partition("## Waiting")[2], re.MULTILINE))
    assert set(rows) == set(WaitingReason)
    assert all(rows.values())


def test_every_code_that_is_raised_has_an_entry():
    codes = set()
    waiting = [ReelqueueError]
    while waiting:
        error = waiting.pop()
        waiting += error.__subclasses__()
        codes.add(error.code)
    listed = set(re.findall(r'<a id="(\w+)">', errors_page()))
    # These two only group others; nobody raises them.
    assert codes - {"error", "upstream_error"} <= listed


def test_every_error_has_one_anchor_and_every_link_to_one_leads_there():
    text = errors_page()
    anchors = re.findall(r'<a id="(\w+)">', text)
    assert sorted(set(anchors)) == sorted(anchors)
    links = set(re.findall(r"\]\(#(\w+)\)", text))
    assert links
    assert links <= set(anchors)
    assert {row.at_worst.code for row in ROWS if row.at_worst is not None} == links


def job_errors() -> dict[str, list[str]]:
    """The table of what a job can fail with, by code."""
    text = errors_page().partition("## Jobs")[2].partition("## From")[0]
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("|")]
    return {re.sub(r"<a .*?</a>", "", row[0]).strip("`"): row[1:] for row in rows[2:]}


WAITED_OUT = [RateLimited.code, UpstreamThrottled.code, TokenBlocked.code, TokenCooling.code]


def test_the_page_answers_both_who_ask_for_another_try():
    shown = job_errors()
    for kind in every_class():
        if kind.code not in shown or kind.__subclasses__():
            continue
        blame, by_caller, by_us, *_ = shown[kind.code]
        assert (blame, by_caller) == (kind.blame, "yes" if kind.retryable else "no"), kind
        assert (by_us == "yes") is kind.tried_again, kind
    assert [code for code, row in shown.items() if row[2] == "waits"] == WAITED_OUT


def test_the_page_says_where_credits_may_be_gone():
    shown = job_errors()
    assert shown["outcome_unknown"][3] == shown["upstream_turn_failed"][3] == "perhaps"
    free = {code for code, row in shown.items() if row[3] == "no"}
    assert {"upstream_render_failed", "upstream_render_timeout", "upstream_result_unusable"} <= free


def test_every_row_of_the_error_table_is_on_the_page_and_those_alike_are_one():
    text = errors_page().partition("## From")[2]
    lines = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| `")]
    shown = {(line[0], what, line[3]) for line in lines for what in line[1].split("; ") if len(line) > 4}
    for row in (row for row in ROWS if row.then is not Then.GOES_ON):
        known = f"`{row.where}`", "nothing" if row.error is None else f"`{row.error.__name__}`"
        assert {(known[0], what, known[1]) for what in (f"`{row.what}`", row.what)} & shown, row


def test_every_setting_is_in_the_example_once():
    names = [variable.name for group in groups() for variable in group.variables]
    lines = [line.lstrip("#").partition("=")[0] for line in env_example().splitlines() if "=" in line]
    assert [line for line in lines if line in names] == names


def test_required_settings_are_the_only_ones_to_fill_in():
    required = {variable.name for group in groups() for variable in group.variables if variable.required}
    assert required == {"REELQUEUE_DATABASE_URL", "REELQUEUE_REDIS_URL", "REELQUEUE_SECRET_KEY"}
    open_lines = {line.partition("=")[0] for line in env_example().splitlines() if re.match(r"[A-Z]", line)}
    assert open_lines == required | {"POSTGRES_PASSWORD", "REDIS_PASSWORD"}


def test_every_metric_is_listed_under_the_name_that_is_scraped():
    scraped = set(re.findall(r"^# TYPE (\w+)", Metrics().render().decode(), re.MULTILINE))
    listed = set(re.findall(r"^\| `(\w+)`", metrics_table(), re.MULTILINE))
    assert listed == {name for name in scraped if not name.endswith("_created")}


def test_the_schedule_has_every_try():
    assert len(re.findall(r"^\| \d+ \|", schedule_table(), re.MULTILINE)) == MAX_ATTEMPTS


def test_cells_keep_their_pipes_and_lose_their_line_breaks():
    assert table(["a"], [["x | y\nz"]]) == "| a |\n| --- |\n| x \\| y z |\n"


class Fruit(enum.StrEnum):
    PEAR = "pear"
    """Grows on
    trees."""
    PLUM = "plum"


def test_strings_below_members_are_their_docs():
    assert member_docs(Fruit) == {"PEAR": "Grows on trees."}
