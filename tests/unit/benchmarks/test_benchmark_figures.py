from __future__ import annotations

import pytest
from benchmarks.figures import Aim, Figure, NothingMeasured, mean, per, percentile, shown, slope
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("share", "expected"), [(0.0, 1.0), (0.5, 5.0), (0.51, 6.0), (0.9, 9.0), (0.99, 10.0), (1.0, 10.0)]
)
def test_a_percentile_is_the_nearest_rank(share: float, expected: float) -> None:
    assert percentile([7, 1, 10, 4, 2, 9, 3, 8, 6, 5], share) == expected


@given(st.lists(st.floats(-1e9, 1e9), min_size=1), st.floats(0, 1))
def test_a_percentile_was_measured_and_covers_its_share(values: list[float], share: float) -> None:
    found = percentile(values, share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values)


def test_one_value_is_every_percentile() -> None:
    assert [percentile([3.5], share) for share in (0, 0.5, 1)] == [3.5, 3.5, 3.5]


@pytest.mark.parametrize("share", [-0.01, 1.01, 99])
def test_a_share_outside_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        percentile([1.0], share)


def test_nothing_measured_is_no_number() -> None:
    for ask in (lambda: percentile([], 0.5), lambda: mean([]), lambda: per(1, 0), lambda: slope([(1, 1), (1, 2)])):
        with pytest.raises(NothingMeasured):
            ask()


def test_means_and_shares() -> None:
    assert mean([1, 2, 6]) == 3
    assert per(30, 12) == 2.5


@given(st.floats(-100, 100), st.floats(-100, 100))
def test_the_slope_of_a_line_is_its_rise(rise: float, start: float) -> None:
    points = [(x, start + rise * x) for x in (20.0, 250.0, 500.0, 1000.0)]
    assert slope(points) == pytest.approx(rise, abs=1e-9)


def test_the_slope_leaves_out_what_is_there_from_the_start() -> None:
    assert slope([(20, 1_020), (250, 1_250), (1000, 2_000)]) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("aim", "value", "met"),
    [
        (Aim("at most", 40), 40.0, True),
        (Aim("at most", 40), 40.1, False),
        (Aim("at least", 2), 2.0, True),
        (Aim("at least", 2), 1.99, False),
    ],
)
def test_an_aim_is_met_up_to_its_limit(aim: Aim, value: float, *, met: bool) -> None:
    assert Figure(name="x", value=value, unit="ms", aim=aim).met is met


def test_a_figure_without_an_aim_is_neither_met_nor_missed() -> None:
    assert Figure(name="x", value=1, unit="").met is None


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (1234567.8, "1,234,568"),
        (123.4, "123"),
        (12.34, "12.3"),
        (1.0, "1.00"),
        (0.012345, "0.0123"),
        (-7.777, "-7.78"),
        (float("inf"), "inf"),
        (None, "-"),
        ("word", "word"),
    ],
)
def test_numbers_are_shown_with_three_digits(value: float | str | None, text: str) -> None:
    assert shown(value) == text
