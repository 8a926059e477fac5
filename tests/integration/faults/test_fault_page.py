"""The page has a place for each cell."""

from __future__ import annotations

from fakes.fault_page import PAGE, read, sections


def test_the_page_tells_of_each_cell_and_of_nothing_else():
    assert set(read(PAGE.read_text())) == {(section, name) for section, names in sections().items() for name in names}
