"""From values to pixels, and numbers in words."""

import math

import pytest

from pipeline.web.charts import scales


@pytest.mark.parametrize(
    ("values", "ticks"),
    [
        ([0.09, 0.58], [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6]),
        ([6.1, 7.4], [6.0, 6.5, 7.0, 7.5]),
        ([0, 1000], [0, 200, 400, 600, 800, 1000]),
        ([-3, 2], [-3, -2, -1, 0, 1, 2]),
        ([5], [4.4, 4.6, 4.8, 5.0, 5.2, 5.4, 5.6]),  # one value, in the middle of a tenth of it to either side
        ([0, 0], [-1.0, -0.5, 0.0, 0.5, 1.0]),
        ([], [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        ([1.0, 1.0 + 1e-15], [0.9, 0.95, 1.0, 1.05, 1.1]),  # no ticks that would all be written alike
    ],
)
def test_ticks_are_at_round_numbers_around_the_values(values, ticks):
    assert scales.linear(values, 0, 100).ticks == pytest.approx(ticks)


@pytest.mark.parametrize(
    ("values", "ticks"),
    [
        ([1.0], [0.9, 0.92, 0.94, 0.96, 0.98, 1.0]),
        ([0.93, 0.99], [0.92, 0.94, 0.96, 0.98, 1.0]),
        ([0.2, 1.0], [0.2, 0.4, 0.6, 0.8, 1.0]),
        ([0.4], [0.36, 0.38, 0.4, 0.42, 0.44]),
        ([0.9, 1.1], [0.9, 0.95, 1.0, 1.05, 1.1]),  # a value of another pipeline
    ],
)
def test_no_tick_is_above_the_largest_possible_value(values, ticks):
    assert scales.linear(values, 0, 100, largest=1.0).ticks == pytest.approx(ticks)


def test_a_scale_puts_its_ends_where_it_is_told_and_values_between():
    scale = scales.linear([10, 20], 200, 100)
    assert [scale(10), scale(20), scale(12.5)] == [200, 100, 175]


def test_labels_have_the_decimals_of_the_step():
    assert [scales.linear([0, 0.04], 0, 1).label(0.03), scales.linear([0, 5000], 0, 1).label(3000)] == ["0.03", "3,000"]


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [(1, 20, [5, 10, 15, 20]), (1, 4, [1, 2, 3, 4]), (7, 7, [7])],
)
def test_a_tight_scale_has_whole_ticks_only(low, high, ticks):
    scale = scales.tight(low, high, 0, 100)
    assert list(scale.ticks) == ticks
    assert (scale.low, scale.high) == ((low, high) if low < high else (6.5, 7.5))


@pytest.mark.parametrize(
    ("longest", "labels"),
    [
        (3, ["0 s", "0.5 s", "1.0 s", "1.5 s", "2.0 s", "2.5 s", "3.0 s"]),
        (66, ["0 s", "10 s", "20 s", "30 s", "40 s", "50 s", "1 min"]),
        (200, ["0 s", "30 s", "1 min", "1 min 30 s", "2 min", "2 min 30 s", "3 min"]),
        (4 * 3600, ["0 s", "30 min", "1 h", "1 h 30 min", "2 h", "2 h 30 min", "3 h", "3 h 30 min", "4 h"]),
        (20 * 86400, ["0 s", "3 d", "6 d", "9 d", "12 d", "15 d", "18 d"]),
    ],
)
def test_times_have_ticks_at_round_times(longest, labels):
    scale = scales.durations(longest, 0, 100)
    assert [scales.tick_duration(tick, scale.step) for tick in scale.ticks] == labels


def test_no_time_at_all_still_makes_a_scale():
    assert scales.durations(0, 10, 20)(0) == 10


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.133721, "0.1337"), (6.917, "6.917"), (60000, "60,000"), (12345.678, "12,346"), (3.0, "3"), (0, "0"),
        (0.00001234, "1.234e-05"), (1.5e12, "1.500e+12"), (-0.25, "-0.25"), (math.inf, "inf"),
    ],
)  # fmt: skip
def test_numbers_have_four_significant_digits(value, text):
    assert scales.number(value) == text


@pytest.mark.parametrize("value", [None, math.nan, math.inf, -math.inf, 1e300])
def test_what_is_no_finite_number_is_not_drawn(value):
    assert scales.drawable(value) is None


@pytest.mark.parametrize(
    ("places", "moved"),
    [
        ([10, 50, 90], [10, 50, 90]),
        ([50, 50], [45, 55]),
        ([50, 52, 54], [42, 52, 62]),
        ([0, 1], [0, 10]),
        ([99, 100], [90, 100]),
        ([], []),
    ],
)
def test_spread_moves_as_little_as_needed(places, moved):
    assert scales.spread(places, [10 * index for index in range(len(places))], 0, 100) == pytest.approx(moved)


def test_spread_keeps_given_distances_and_needs_no_bounds():
    assert scales.spread([1, 5, 3, 2, 6], [0] * 5) == pytest.approx([1, 10 / 3, 10 / 3, 10 / 3, 6])
    assert scales.spread([50, 50], [0, 30]) == [35, 65]
    assert scales.spread([], []) == []
