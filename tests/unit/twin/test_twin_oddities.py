"""Strange drafts: the same each time, and what was there is still there."""

import copy
import json

from nemotwin import drafts
from nemotwin.edits import PORTRAIT, AddTitle
from nemotwin.oddities import HUGE_BYTES, odd
from nemotwin.storyboard import from_draft

PLAIN = drafts.edited(drafts.lay(["asset:1"], ms=2000, name="x", canvas=PORTRAIT), [AddTitle("A", 1000)])


def test_a_strange_draft_keeps_what_was_there_and_leaves_it_alone():
    before = copy.deepcopy(PLAIN)
    strange = odd(PLAIN, "strange")
    assert before == PLAIN
    assert strange == odd(PLAIN, "strange")
    assert strange["d"] == PLAIN["d"]
    for track, known in zip(strange["t"], PLAIN["t"], strict=False):
        assert track.items() >= {"tt": known["tt"], "m": known["m"]}.items()
        assert [segment["d"] for segment in track["sg"]] == [segment["d"] for segment in known["sg"]]
    kinds = [track.get("tt") for track in strange["t"]]
    assert kinds == [0, 7, 99, "sim_sticker", None, 42]
    assert json.loads(json.dumps(strange)) == strange


def test_it_can_still_be_rendered_and_told():
    for oddity in ("strange", "huge"):
        board = from_draft(odd(PLAIN, oddity), output={}, pictures={}, fps=24, max_side=320)
        assert board.seconds == 2.0
        assert [caption.text for caption in board.captions] == ["A"]


def test_a_huge_draft():
    assert len(json.dumps(odd(PLAIN, "huge"))) > HUGE_BYTES
