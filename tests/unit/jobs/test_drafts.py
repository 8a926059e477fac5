from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from reelqueue.domain.jobs import Priority
from reelqueue.domain.outputs import Output
from reelqueue.jobs.drafts import DraftInput, JobDraft, fingerprint

DRAFT = JobDraft(
    instructions=("one", "two"),
    inputs=(DraftInput(asset_id="ast_1"), DraftInput(url="https://a.example/b")),
    metadata={"a": "1", "b": "2"},
    finish_by=datetime(2030, 1, 1, tzinfo=UTC),
)
PRINT = fingerprint(DRAFT, ["aa", "bb"])


def test_the_same_wish_has_the_same_print() -> None:
    other = replace(
        DRAFT,
        metadata={"b": "2", "a": "1"},
        outputs=(Output(format="mp4", quality="high"),),
        finish_by=datetime(2030, 1, 1, 2, tzinfo=timezone(timedelta(hours=2))),
    )
    assert fingerprint(other, iter(["aa", "bb"])) == PRINT


@pytest.mark.parametrize(
    "other",
    [
        replace(DRAFT, instructions=("two", "one")),
        replace(DRAFT, instructions=("one two",)),
        replace(DRAFT, inputs=DRAFT.inputs[::-1]),
        replace(DRAFT, inputs=(*DRAFT.inputs[:1], DraftInput(url="https://a.example/b", by_upstream=True))),
        replace(DRAFT, outputs=()),
        replace(DRAFT, outputs=(Output(quality="low"),)),
        replace(DRAFT, outputs=(Output(), Output(quality="low"))),
        replace(DRAFT, metadata={"a": "1"}),
        replace(DRAFT, language="en"),
        replace(DRAFT, external_id="e"),
        replace(DRAFT, customer="c"),
        replace(DRAFT, webhook_url="https://a.example/"),
        replace(DRAFT, finish_by=None),
        replace(DRAFT, start_by=datetime(2030, 1, 1, tzinfo=UTC)),
        replace(DRAFT, priority=Priority.LOW),
    ],
)
def test_another_wish_has_another_print(other: JobDraft) -> None:
    assert fingerprint(other, ["aa", "bb"]) != PRINT


def test_files_count_and_so_does_their_order() -> None:
    assert len({fingerprint(DRAFT, files) for files in ([], ["aa"], ["aa", "bb"], ["bb", "aa"], ["aabb"])}) == 5


def test_the_print_is_stable_across_releases() -> None:
    """A retry across a deploy is still a retry: if this changes, keys of the last 24 hours turn into 422."""
    plain = JobDraft(instructions=("animate this photo",))
    assert fingerprint(plain, []) == "98ea080aed9b9ee61c7b626db69fe0abcd671ca105faf26e7a0568f5544d3e4f"
