"""What a turn decides to do."""

import pytest

from nemotwin.agent import Intent, Scene, decide
from nemotwin.edits import PORTRAIT, AddEffect, AddMusic, AddTitle, Canvas, SetDuration
from nemotwin.instruction import read

NOTHING = Scene(has_media=False, has_clip=False, canvas=None)
PICTURE = Scene(has_media=True, has_clip=False, canvas=None)
CLIP = Scene(has_media=True, has_clip=True, canvas=PORTRAIT)


@pytest.mark.parametrize(
    ("text", "scene", "intent"),
    [
        ("animate this photo", PICTURE, Intent.GENERATE),
        ("make it pop", PICTURE, Intent.GENERATE),
        ("生成视频", PICTURE, Intent.GENERATE),
        ("add a title 'X'", PICTURE, Intent.EDIT),
        ("make a slideshow", PICTURE, Intent.EDIT),
        ("animate this photo", NOTHING, Intent.ASK),
        ("make a video", NOTHING, Intent.ASK),
        ("add a title 'X'", NOTHING, Intent.ASK),
        ("Make me a 10-second sunset timelapse video", NOTHING, Intent.GENERATE),
        ("animate this photo", CLIP, Intent.EDIT),
        ("add lo-fi music", CLIP, Intent.EDIT),
        ("regenerate it", CLIP, Intent.GENERATE),
        ("make it landscape", CLIP, Intent.GENERATE),
        ("keep it vertical, 1080p", CLIP, Intent.EDIT),
        ("ask me what I want", CLIP, Intent.ASK),
        ("hello!", PICTURE, Intent.TALK),
    ],
)
def test_intent(text, scene, intent):
    assert decide(read(text), scene).intent is intent


def test_a_generation_keeps_what_was_asked_for():
    plan = decide(read('animate it, 6-second, landscape 720p, title "Trip" and piano music'), PICTURE)
    assert plan.canvas == Canvas(1280, 720)
    assert plan.duration_ms == 6000
    assert plan.edits == (AddTitle("Trip", 3000), AddMusic("Piano"))


def test_an_edit_without_a_known_word_is_an_effect():
    assert decide(read("more sparkle at the end"), CLIP).edits == (AddEffect("more sparkle at the end"),)


def test_a_length_is_an_edit_of_a_clip():
    assert decide(read("make it 8 seconds long"), CLIP).edits == (SetDuration(8000),)
