"""A message goes where the upstream's own table sends it; in doubt, to the agent, with nothing lost."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reelqueue.domain.routing import route
from reelqueue.domain.routing_phrases import Intent


@pytest.mark.parametrize(
    ("intent", "messages"),
    [
        (Intent.EXPORT, ["export", "导出", "download it please", "send me the video"]),
        (Intent.CREDITS, ["credits", "余额", "how many credits do I have left?", "查询积分", "balance"]),
        (Intent.STATUS, ["status", "状态", "show tracks"]),
        (Intent.UPLOAD, ["upload", "上传"]),
    ],
)
def test_what_needs_no_agent_is_handled_here(intent, messages):
    for message in messages:
        routed = route(message)
        assert (routed.steps, routed.text) == ((intent,), None), message


@pytest.mark.parametrize(
    "message",
    [
        "add a title 'x'",
        "regenerate it",
        "export-quality colours please",
        "make a video",
        'add the text "Download now"',
        "重新生成",
        "",
    ],
)
def test_everything_else_is_the_agents_word_for_word(message):
    routed = route(message)
    assert (routed.intent, routed.text) == (Intent.AGENT, message)


def test_an_edit_and_an_export_are_done_in_that_order():
    routed = route("add a title, then export")
    assert (routed.steps, routed.text) == ((Intent.AGENT, Intent.EXPORT), "add a title")


@pytest.mark.parametrize("wish", ["I like red", "I love blue.", "I like it red", "I really like slow zooms"])
def test_a_liking_that_is_no_praise_reaches_the_agent(wish):
    routed = route(f"export. {wish}")
    assert (routed.steps, routed.text) == ((Intent.EXPORT, Intent.AGENT), wish)


@pytest.mark.parametrize(
    "praise",
    [
        "I like it",
        "I love the music!",
        "I really like it a lot",
        "I like how it looks",
        "We love this",
        "I like it already",
    ],
)
def test_praise_asks_for_nothing(praise):
    routed = route(f"export. {praise}")
    assert (routed.steps, routed.text) == ((Intent.EXPORT,), None)


def test_files_are_uploaded_before_anything_else():
    assert route("animate it", has_files=True).steps == (Intent.UPLOAD, Intent.AGENT)


@settings(deadline=None, max_examples=150)
@given(st.text(max_size=80))
def test_no_message_is_lost(message):
    routed = route(message)
    assert routed.steps
    assert (routed.text is not None) == (Intent.AGENT in routed.steps)
