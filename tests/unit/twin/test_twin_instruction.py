"""How instructions are read, English and Chinese."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nemotwin.edits import (
    AddEffect,
    AddMusic,
    AddTitle,
    Canvas,
    ChangeSpeed,
    RemoveMusic,
    RemoveTitles,
    SetVolume,
    TrimEnd,
    TrimStart,
)
from nemotwin.instruction import read


@pytest.mark.parametrize(
    ("text", "edits"),
    [
        ('add a title "Golden Hour" for the first 3 seconds', (AddTitle("Golden Hour", 3000),)),
        ("Put a title 'Golden Hour' at the beginning", (AddTitle("Golden Hour", 3000),)),
        ("add a title Paradise Found and remove the music", (AddTitle("Paradise Found", 3000), RemoveMusic())),
        ("Title: Golden Hour", (AddTitle("Golden Hour", 3000),)),
        ('with the text "Hi, and bye" for 2 seconds', (AddTitle("Hi, and bye", 2000),)),
        ("don't touch the kitchen's look, add 'Sale!' for the first two seconds", (AddTitle("Sale!", 2000),)),
        ("再加一个标题《海边》，持续2秒", (AddTitle("海边", 2000),)),
        ("标题是“黄金时刻”", (AddTitle("黄金时刻", 3000),)),
        ("remove the subtitles", (RemoveTitles(),)),
        ("Add lo-fi background music", (AddMusic("Lo-fi"),)),
        ("add upbeat music at 40% volume", (AddMusic("Upbeat"), SetVolume(0.4))),
        ("lower the music volume to 35%", (SetVolume(0.35),)),
        ("加背景音乐", (AddMusic("Lo-fi"),)),
        ("音量调到20%", (SetVolume(0.2),)),
        ("trim the first 5 seconds", (TrimStart(5000),)),
        ("cut the last two seconds", (TrimEnd(2000),)),
        ("剪掉前3秒", (TrimStart(3000),)),
        ("slow it down 2x", (ChangeSpeed(0.5),)),
        ("add a fade out", (AddEffect("add a fade out"),)),
        ("animate this photo", ()),
    ],
)
def test_edits(text, edits):
    assert read(text).edits == edits


@pytest.mark.parametrize(
    ("text", "canvas"),
    [
        ("make it landscape", Canvas(1920, 1080)),
        ("in 16:9 and 720p", Canvas(1280, 720)),
        ("a square video", Canvas(1080, 1080)),
        ("vertical, 480p", Canvas(480, 854)),
        ("720p", Canvas(720, 1280)),
        ("320x568 please", Canvas(320, 568)),
        ("横屏", Canvas(1920, 1080)),
        ("animate it", None),
    ],
)
def test_canvas(text, canvas):
    assert read(text).canvas == canvas


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("Make me a 10-second sunset timelapse video", 10_000),
        ("animate it for five seconds", 5000),
        ("生成一个5秒的视频", 5000),
        ('a clip of 6 seconds with a title "X" for 2 seconds', 6000),
        ("animate it", None),
        ("trim the first 5 seconds of the video", None),
    ],
)
def test_duration(text, ms):
    assert read(text).duration_ms == ms


@pytest.mark.parametrize(
    ("text", "generates", "vague"),
    [
        ("animate this photo", True, False),
        ("生成一个视频", True, True),
        ("Make me a sunset timelapse video", True, False),
        ("make a video", True, True),
        ("make it better", False, True),
        ("trim the first 5 seconds of the video", False, False),
        ("add a title 'Video'", False, False),
    ],
)
def test_what_it_asks_for(text, generates, vague):
    instruction = read(text)
    assert (instruction.generates, instruction.vague) == (generates, vague)


@given(st.text(max_size=200))
def test_any_text_can_be_read(text):
    assert read(text).text == text
