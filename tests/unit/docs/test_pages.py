"""Pages written by hand may say nothing that the code does not have."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from fakes.command_line import parse_command
from reelqueue.dev.docs.commands import command_helps
from reelqueue.dev.docs.settings import env_example
from reelqueue.domain.api_keys import SCOPES
from reelqueue.gateway.app import API
from reelqueue.gateway.openapi import document_of

ROOT = Path(__file__).parents[3]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
SOURCES = sorted(
    path for place in ("services", "migrations", "tests", "benchmarks") for path in (ROOT / place).rglob("*.py")
)

COMMANDS = "gateway|dispatcher|worker|migrate|dev|tenant|key|health|listen|trigger|webhooks"
every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


@cache
def api() -> dict[str, Any]:
    app = FastAPI()
    for module in API:
        app.router.routes.extend(module.router.routes)
    return document_of(app)


def blocks(page: Path, *languages: str) -> Iterator[str]:
    for language, text in re.findall(r"^```(\w*)\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE):
        if language in languages:
            yield text


def shell_lines(page: Path) -> Iterator[str]:
    """The commands of a page, continued lines joined, comments taken off."""
    for block in blocks(page, "bash"):
        for line in block.replace("\\\n", " ").splitlines():
            yield re.sub(r"\s+#.*", "", line).strip()


def anchors(page: Path) -> set[str]:
    text = page.read_text()
    titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    slugs = {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
    return slugs | set(re.findall(r'<a id="([^"]+)">', text))


# --- links ------------------------------------------------------------------------------------------------------------


@every_page
def test_links_lead_somewhere(page: Path):
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith("https://"):
            continue
        path, _, anchor = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        assert found.exists(), target
        assert not anchor or anchor in anchors(found), target


def test_the_index_names_every_page():
    index = (ROOT / "docs" / "index.md").read_text()
    for page in (ROOT / "docs").glob("*.md"):
        assert page.name == "index.md" or f"({page.name})" in index, page.name


def test_the_list_of_decisions_is_complete():
    listed = re.findall(r"\]\((\d{4}-[\w-]+\.md)\)", (ROOT / "docs/decisions/README.md").read_text())
    assert listed == sorted(path.name for path in (ROOT / "docs/decisions").glob("[0-9]*.md"))


@pytest.mark.parametrize("path", sorted((ROOT / "docs/decisions").glob("[0-9]*.md")), ids=lambda path: path.name)
def test_a_decision_has_its_four_parts(path: Path):
    text = path.read_text()
    assert text.startswith(f"# {int(path.name[:4])}. ")
    for part in ("Context", "Decision", "Evidence", "Consequence"):
        assert f"**{part}.**" in text, part


# --- the API ----------------------------------------------------------------------------------------------------------


@every_page
def test_every_path_is_in_the_api(page: Path):
    known = {re.sub(r"\{\w+\}", "{}", path) for path in api()["paths"]}
    for path in re.findall(r"/v1/[\w/{}$…-]*", page.read_text()):
        general = re.sub(r"\{\w+\}|\$[A-Z]+|(job|bat)_[\w…]+|(?<=outputs/)\d+", "{}", path).rstrip("/")
        assert general in known, path


@every_page
def test_a_method_goes_with_its_path(page: Path):
    known = {
        (method.upper(), re.sub(r"\{\w+\}", "{}", path))
        for path, operations in api()["paths"].items()
        for method in operations
    }
    for method, path in re.findall(r"\b(GET|POST|DELETE|PATCH|PUT) (/[\w/{}-]+)", page.read_text()):
        if path.startswith(("/v1/", "/healthz", "/readyz", "/metrics")):
            assert (method, re.sub(r"\{\w+\}", "{}", path)) in known, (method, path)


@every_page
def test_curl_sends_fields_that_are_taken(page: Path):
    form = set(api()["components"]["schemas"]["JobForm"]["properties"])
    for line in shell_lines(page):
        if line.startswith("curl"):
            assert set(re.findall(r"-F \"?(\w+)=", line)) <= form, line


def test_the_guide_lists_every_field_of_a_job():
    guide = (ROOT / "docs/api.md").read_text()
    for field in api()["components"]["schemas"]["JobForm"]["properties"]:
        assert f"`{field}`" in guide, field


def test_the_guide_lists_every_filter_and_every_scope():
    guide = (ROOT / "docs/api.md").read_text()
    for parameter in api()["paths"]["/v1/jobs"]["get"]["parameters"]:
        assert f"`{parameter['name']}" in guide, parameter["name"]
    for scope in SCOPES:
        assert f"`{scope}`" in guide, scope


# --- settings, commands, targets --------------------------------------------------------------------------------------


@every_page
def test_every_variable_exists(page: Path):
    known = set(re.findall(r"^#?([A-Z][A-Z0-9_]+)=", env_example(), re.MULTILINE))
    # The command line's own: they name a gateway and a receiver, not a setting of one.
    known |= {"REELQUEUE_URL", "REELQUEUE_API_KEY", "REELQUEUE_WEBHOOK_SECRET"}
    assert set(re.findall(r"\b(?:REELQUEUE|NEMO)_[A-Z0-9_]*[A-Z0-9]\b", page.read_text())) <= known


@every_page
def test_every_command_is_one_that_exists(page: Path):
    for line in shell_lines(page):
        found = re.search(rf"(?:^|/| )reelqueue ((?:{COMMANDS}).*)$", line)
        if found:
            parse_command(found[1].split())


@every_page
def test_every_command_in_a_sentence_exists(page: Path):
    known = command_names()
    for words in re.findall(r"`reelqueue ([a-z][a-z -]*)", page.read_text()):
        assert any(" ".join(("reelqueue", *words.split()[:length])) in known for length in (2, 1)), words


@cache
def command_names() -> frozenset[str]:
    return frozenset(command_helps())


@every_page
def test_every_make_target_exists(page: Path):
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"(?:^|`)make ([a-z0-9-]+)", page.read_text(), re.MULTILINE)) <= targets


def test_the_readme_lists_every_target_a_person_needs():
    readme = (ROOT / "README.md").read_text()
    for target in ("help", "setup", "demo", "dev", "test", "lint", "types", "bench", "docs", "lock", "clean"):
        assert f"`make {target}`" in readme, target


# --- what the code says of the pages, and the pages of the tests ------------------------------------------------------


def test_every_section_that_the_code_cites_exists():
    upstream = (ROOT / "docs/upstream.md").read_text()
    sections = set(re.findall(r"^#+ (\d+(?:\.\d+)?)[. ]", upstream, re.MULTILINE))
    sections |= set(re.findall(r"^\*\*(\d+\.\d+)\*\*", upstream, re.MULTILINE))
    rows = {
        int(number) for line in re.findall(r"^\| ([\d, ]+) \|", upstream, re.MULTILINE) for number in line.split(",")
    }
    cited, cited_rows = set(), set()
    for path in SOURCES:
        text = path.read_text()
        cited |= set(re.findall(r"contract,? §(\d+(?:\.\d+)?)", text))
        cited_rows |= {int(row) for row in re.findall(r"contract §14 row (\d+)", text)}
    assert cited
    assert cited <= sections, cited - sections
    assert cited_rows <= rows, cited_rows - rows


def test_the_sections_of_the_upstream_page_run_without_a_gap():
    titles = re.findall(r"^## (\d+)\. ", (ROOT / "docs/upstream.md").read_text(), re.MULTILINE)
    assert [int(number) for number in titles] == list(range(17))


@every_page
def test_every_test_that_a_page_names_exists(page: Path):
    for path in re.findall(r"`(tests/[\w/]+\.py)`", page.read_text()):
        assert (ROOT / path).exists(), path


def test_every_promise_names_a_test():
    text = (ROOT / "docs/promises.md").read_text()
    rows = re.findall(r"^\| \*\*(.*?)\*\*.*\| (.*) \|$", text, re.MULTILINE)
    assert len(rows) >= 20
    assert [name for name, proof in rows if "`tests/" not in proof] == []


def test_the_glossary_and_the_index_are_reachable_from_the_readme():
    assert "(docs/index.md)" in (ROOT / "README.md").read_text()


@every_page
def test_every_picture_has_words_for_those_who_cannot_see_it(page: Path):
    for words, target in re.findall(r"!\[([^\]]*)\]\(([^)]+)\)", page.read_text()):
        assert len(words) > 20, target
