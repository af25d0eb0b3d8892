"""Metrics of a slice, compared with NumPy on all its codes at once."""

from __future__ import annotations

import functools
import itertools

import numpy as np
import numpy.typing as npt
import pytest

from components.evaluation.slice_metrics import UnitCounts, effective_number, measure_slice, median

AVERAGES = {"bce": 0.3, "mean_image_bce": 0.5, "mse": 2.0, "mean_image_mse": 8.0}


def codes_of(images: int, units: int, seed: int = 0) -> npt.NDArray[np.float32]:
    """Codes whose units are active with probabilities from 0 to 1."""
    random = np.random.default_rng(seed)
    active = random.random((images, units)) < np.linspace(0, 1, units)
    return np.where(active, random.random((images, units)) + 0.1, 0).astype(np.float32)


@pytest.mark.parametrize(("images", "units", "seed"), [(1, 1, 0), (7, 5, 1), (999, 6, 2), (2000, 40, 3)])
def test_metrics_are_those_of_numpy(images: int, units: int, seed: int) -> None:
    codes = codes_of(images, units, seed)
    active = codes > 0
    found = measure_slice(AVERAGES, UnitCounts.of(codes))
    per_image = active.sum(axis=1)
    assert found.pop("effective_units") == pytest.approx(entropy_by_loop(active), rel=1e-12)
    assert found == {
        "dead_units": sum(not active[:, unit].any() for unit in range(units)),
        "near_dead_units": sum(active[:, unit].mean() < 0.001 for unit in range(units)),
        "always_active_units": sum(active[:, unit].mean() > 0.9 for unit in range(units)),
        "active_units_min": per_image.min(),
        "active_units_median": np.median(per_image),
        "active_units_max": per_image.max(),
        "bce_to_mean_image": 0.6,
    }


def entropy_by_loop(active: npt.NDArray[np.bool_]) -> float:
    shares = [column.sum() / active.sum() for column in active.T if column.any()]
    return float(np.prod([share**-share for share in shares])) if shares else 0.0


@pytest.mark.parametrize(
    ("active_on", "near_dead", "always"), [(0, 1, 0), (9, 1, 0), (10, 0, 0), (9_000, 0, 0), (9_001, 0, 1)]
)
def test_a_unit_at_a_limit_is_within_it(active_on: int, near_dead: int, always: int) -> None:
    codes = np.zeros((10_000, 1), np.float32)
    codes[:active_on] = 1
    found = measure_slice(AVERAGES, UnitCounts.of(codes))
    assert (found["near_dead_units"], found["always_active_units"]) == (near_dead, always)


def test_parts_add_up_to_the_same_counts_in_any_order_and_grouping() -> None:
    codes = codes_of(40, 5)
    whole = UnitCounts.of(codes)
    parts = [UnitCounts.of(part) for part in np.split(codes, [3, 4, 20])]
    for order in itertools.permutations([*parts, UnitCounts()]):
        found = functools.reduce(UnitCounts.__add__, order)
        assert (found.units.dtype, found.images.dtype) == (np.int64, np.int64)
        np.testing.assert_array_equal(found.units, whole.units)
        np.testing.assert_array_equal(found.images, whole.images)
    assert whole.images.sum() == 40
    assert whole.units.sum() == (whole.images * np.arange(6)).sum()


def test_without_images_everything_is_zero() -> None:
    found = measure_slice(dict.fromkeys(AVERAGES, 0.0), UnitCounts(), "mse")
    assert set(found.values()) == {0.0}
    assert "mse_to_mean_image" in found


def test_a_code_of_zeros_has_only_dead_units() -> None:
    found = measure_slice(AVERAGES, UnitCounts.of(np.zeros((3, 4), np.float32)))
    assert (found["dead_units"], found["near_dead_units"], found["always_active_units"]) == (4, 4, 0)
    assert (found["active_units_max"], found["effective_units"]) == (0, 0)


@pytest.mark.parametrize(
    ("counts", "number"),
    [([0, 0], 0), ([5, 0, 0], 1), ([3, 3, 3, 0], 3), ([2, 1, 1], 2 * 2**0.5), ([9, 1], 10 / 9**0.9)],
)
def test_the_effective_number_is_that_of_units_that_are_active_equally_often(counts: list[int], number: float) -> None:
    assert effective_number(np.array(counts)) == pytest.approx(number, rel=1e-12)


@pytest.mark.parametrize(
    ("histogram", "value"),
    [([], 0), ([0, 0], 0), ([0, 0, 1], 2), ([1, 0, 1], 1), ([1, 0, 0, 1], 1.5), ([1, 0, 2], 2), ([2, 0, 1], 0)],
)
def test_the_median_of_an_even_number_is_the_mean_of_the_middle_two(histogram: list[int], value: float) -> None:
    assert median(np.array(histogram, np.int64)) == value
