"""Sentences and clauses are found in one pass over the text, whatever it is made of."""

from __future__ import annotations

import pytest

from reelqueue.domain import routing, sentences


@pytest.mark.parametrize("pattern", [sentences._END, routing._CLAUSE_END], ids=["sentences", "clauses"])
@pytest.mark.parametrize("mark", ["!", ".", "?"])
def test_a_run_of_marks_that_ends_nothing_is_tried_from_its_beginning_only(pattern, mark):
    """A pattern that began again at every mark of the run would take the square of its length."""
    assert pattern.search(mark * 50 + "x") is None
    ended = mark * 50 + " "
    assert pattern.match(ended) is not None
    assert [place for place in range(1, 50) if pattern.match(ended, place) is not None] == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ("Use e.g. jazz. Or rock.", ["Use e.g. jazz.", "Or rock."]),
        ("Really?! Yes.", ["Really?!", "Yes."]),
        ("第一句。第二句！", ["第一句。", "第二句！"]),
        ("Version 1.5 is out", ["Version 1.5 is out"]),
    ],
)
def test_sentences_end_where_a_reader_ends_them(text, found):
    assert [text[start:end].strip() for start, end in sentences.sentences(text)] == found
