from __future__ import annotations

import pytest

from fakes.engine import NOW, make_job
from reelqueue.cli.show import WORDS, words_of
from reelqueue.domain.documents import job_document
from reelqueue.domain.jobs import Question, Status, Waiting, WaitingReason

QUESTION = Question(instruction=0, text="Which title\nwould you like?", asked_at=NOW, until=None)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"status": Status.RENDERING}, WORDS["rendering"]),
        ({"waiting": Waiting(reason=WaitingReason.TURN, since=NOW)}, "waits: its_turn"),
        ({"status": Status.REQUIRES_INPUT, "question": QUESTION}, "asks: Which title would you like?"),
    ],
)
def test_a_person_reads_what_goes_on_and_what_is_asked(changes, words):
    assert words_of(job_document(make_job(**changes))) == words


def test_every_status_has_its_words():
    assert set(WORDS) == {status.value for status in Status}
