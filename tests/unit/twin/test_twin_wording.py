"""Talk of the GUI: some, all of it, or none, with the same content."""

import pytest

from nemotwin.wording import say

KINDS = {
    False: ("click", "open", "drag", "drop", "preview", "export button", "account", "billing", "settings", "editor"),
    True: ("点击", "打开", "拖拽", "预览", "导出", "账户", "设置", "编辑器"),
}


@pytest.mark.parametrize("chinese", [False, True])
@pytest.mark.parametrize("key", ["generated", "edited"])
def test_every_kind_of_gui_talk_comes_after_the_content(key, chinese):
    plain = say(key, chinese=chinese, tracks=("Video: x (0-5s)",), gui="none")
    full = say(key, chinese=chinese, tracks=("Video: x (0-5s)",), gui="all")
    assert full.startswith(plain)
    assert all(word in full.removeprefix(plain).lower() for word in KINDS[chinese])
    assert not any(word in plain.lower() for word in KINDS[chinese])
    assert "Video: x (0-5s)" in plain


def test_by_default_there_is_one_sentence_of_it():
    assert say("generated", chinese=False, tracks=("a", "b")) == (
        "All done! Your timeline now has: a, b. Click the Export button in the top right corner to download it."
    )
    assert say("edited", chinese=True, tracks=("a", "b")) == (
        "已完成。时间线现在包含：a、b。您可以拖拽轨道来调整时间。"
    )
    assert say("greeting", chinese=False).endswith("Open the media panel on the left to begin.")


def test_a_question_has_none():
    assert say("ask_style", chinese=False, gui="all") == say("ask_style", chinese=False, gui="none")
