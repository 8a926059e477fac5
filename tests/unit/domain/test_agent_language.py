"""What the agent says, English and Chinese: buttons go, the film stays; questions pause, courtesies do not."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reelqueue.domain.gui_talk import translate, translate_all
from reelqueue.domain.questions import LONGEST_QUESTION, question_in

NOTHING = ""


@pytest.mark.parametrize(
    ("said", "left", "hints"),
    [
        ("Your video is ready! Click the Export button to download it.", "Your video is ready!", ("export",)),
        (
            'I added a title "Golden Hour" at the top. You can drag it to another place in the timeline.',
            'I added a title "Golden Hour" at the top.',
            ("edit",),
        ),
        ("Done. Open the audio panel to adjust the volume.", "Done.", ("edit",)),
        (
            "已为您添加标题“黄金时刻”。点击右上角的导出按钮即可下载。",
            "已为您添加标题“黄金时刻”。",
            ("export",),
        ),
        ("我已经添加了背景音乐。您可以打开音频面板调整音量。", "我已经添加了背景音乐。", ("edit",)),
        ("Drag and drop the clip onto the timeline, then click Save.", NOTHING, ("edit", "export")),
        ("Preview it in the player.", NOTHING, ("state",)),
        ("It is done. The Export button is in the top right corner.", "It is done.", ("export",)),
        ("视频做好了，导出按钮在右上角。", "视频做好了。", ("export",)),
        ("The Export button is in the top right corner.", NOTHING, ("export",)),
        ("Click Export when you're ready, and I'll render it", "I'll render it", ("export",)),
        (
            "It is done. Press Export once you are happy, and I'll do the rest.",
            "It is done. I'll do the rest.",
            ("export",),
        ),
        ("Click Export, when you're ready, and I'll render it.", "I'll render it.", ("export",)),
        ("Click Export if it is right while I add music.", "I add music.", ("export",)),
        ("Click Export when you're ready, I'll render it.", "I'll render it.", ("export",)),
        (
            "If it rains, and it often does, I'll add an umbrella: click Export.",
            "If it rains, and it often does, I'll add an umbrella.",
            ("export",),
        ),
        ("Click Export, and when it is done, I'll add music.", "When it is done, I'll add music.", ("export",)),
    ],
)
def test_talk_of_buttons_goes_and_what_it_was_about_is_told(said, left, hints):
    translated = translate(said)
    assert (translated.text, tuple(str(hint) for hint in translated.hints)) == (left, hints)


@pytest.mark.parametrize(
    "content",
    [
        'The title says "Click Here" in white.',
        "视频中的人物点击手机屏幕，画面渐变。",
        "The woman opens the door and walks out.",
        "Scene 2: the hero clicks the lighter and opens the box.",
        "I made a 5-second clip with a slow zoom.",
        "I added a Download button that appears in the last scene.",
        "The title reads: The Save button is red.",
    ],
)
def test_what_is_said_of_the_film_stays_to_the_byte(content):
    assert translate(content).text == content
    assert translate(content).hints == ()


def test_texts_that_were_nothing_else_vanish_and_hints_come_once():
    translated = translate_all(["Click Export.", "I added music.", "Then click the Export button again."])
    assert list(translated.texts) == ["I added music."]
    assert [str(hint) for hint in translated.hints] == ["export"]


@settings(deadline=None, max_examples=150)
@given(
    st.lists(
        st.sampled_from(
            [
                "Click Export",
                "the title",
                "点击导出",
                "。",
                ".",
                ",",
                " and ",
                '"',
                "“",
                "\n",
                "- ",
                "drag it",
                "视频",
                ": ",
            ]
        ),
        max_size=12,
    ).map("".join)
)
def test_any_text_is_taken_and_taking_out_twice_takes_no_more(said):
    once = translate(said).text
    assert translate(once).text == once


@pytest.mark.parametrize(
    ("said", "changed"),
    [
        ("Which title would you like?", False),
        ("Could you upload a picture first?", False),
        ("请问您想要什么风格的音乐？", False),
        ("I added a title. Which font do you prefer?", True),
    ],
)
def test_a_request_for_what_is_missing_is_a_question(said, changed):
    assert question_in([said], changed=changed) == said


@pytest.mark.parametrize(
    ("said", "changed"),
    [
        ("Done! Would you like me to export it?", True),
        ("Done! Anything else?", True),
        ("已完成，还有其他需要吗？", True),
        ("I added the title.", True),
        ("I added the title.", False),
        ('The title now reads "Who are you?"', False),
        ("", False),
    ],
)
def test_a_courtesy_is_no_question(said, changed):
    assert question_in([said], changed=changed) is None


def test_a_question_is_shown_up_to_a_length():
    assert len(question_in(["Which one? " + "x" * 9_000], changed=False) or "") == LONGEST_QUESTION
