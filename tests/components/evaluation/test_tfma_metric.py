"""Adding up the measures of a slice: the same whatever the order in which Beam merges."""

from __future__ import annotations

import functools
import itertools
import types
from typing import Any

import numpy as np
import pytest

from tests import lazy

metric_types = lazy.module("tensorflow_model_analysis.metrics.metric_types")
metrics = lazy.module("components.evaluation.tfma_metric")

pytestmark = pytest.mark.component


def image(code: list[float], **scalars: float) -> types.SimpleNamespace:
    """One image as TFMA hands it over; scalars that are not given are 1."""
    values = {name: np.float32([scalars.get(name, 1.0)]) for name in metrics.means()}
    return types.SimpleNamespace(prediction=values | {"code": np.float32(code)})


def accumulate(*images: types.SimpleNamespace) -> Any:
    combiner = metrics.SliceCombiner()
    return functools.reduce(combiner.add_input, images, combiner.create_accumulator())


def extract(accumulator: Any) -> dict[str, float]:
    return {key.name: value for key, value in metrics.SliceCombiner().extract_output(accumulator).items()}


def test_scalars_are_averaged_over_images() -> None:
    values = extract(accumulate(image([1], bce=0.1, mse=4), image([1], bce=0.2, mse=6), image([1], bce=0.6, mse=2)))
    assert values["bce"] == pytest.approx(0.3)
    assert values["mse"] == pytest.approx(4)
    assert values["hoyer"] == 1


def test_a_unit_is_dead_when_no_image_of_the_slice_makes_it_active() -> None:
    images = image([0, 2, 0, 0]), image([0, 0, 0, 0.5]), image([0, 0, 0, 1])
    assert extract(accumulate(*images))["dead_units"] == 2
    assert extract(accumulate(images[0]))["dead_units"] == 3


def test_active_units_of_images_have_a_distribution() -> None:
    images = image([0, 2, 0, 0]), image([1, 2, 3, 0.5]), image([0, 0, 1, 1]), image([0, 0, 0, 0])
    values = extract(accumulate(*images))
    assert [values[f"active_units_{name}"] for name in ("min", "median", "max")] == [0, 1.5, 4]
    assert values["effective_units"] == pytest.approx(7 / (2 ** (2 * 3 / 7)))  # shares 1/7, 2/7, 2/7, 2/7
    assert (values["near_dead_units"], values["always_active_units"]) == (0, 0)


def test_ratio_to_the_mean_image_is_that_of_the_means_not_the_mean_of_ratios() -> None:
    values = extract(accumulate(image([1], bce=0.1, mean_image_bce=0.2), image([1], bce=0.2, mean_image_bce=0.8)))
    assert values["bce_to_mean_image"] == pytest.approx(0.3)  # the mean of 1/2 and 1/4 is 0.375


def test_merging_gives_the_same_in_any_order_and_grouping() -> None:
    combiner = metrics.SliceCombiner()
    # Quarters add up without rounding.
    images = [image([0, 1], bce=0.25), image([0, 0], bce=0.5), image([0, 0], bce=4), image([3, 0], bce=1)]
    whole = extract(accumulate(*images))
    assert whole["bce"] == 1.4375
    assert whole["dead_units"] == 0
    for order in itertools.permutations(images):
        for cut in range(5):
            parts = [accumulate(*order[:cut]), combiner.create_accumulator(), accumulate(*order[cut:])]
            assert extract(combiner.merge_accumulators(parts)) == whole


def test_adding_after_a_merge_goes_on() -> None:
    combiner = metrics.SliceCombiner()
    merged = combiner.merge_accumulators([combiner.create_accumulator()])
    assert extract(combiner.add_input(merged, image([0, 5], bce=0.5))) == extract(accumulate(image([0, 5], bce=0.5)))


def test_sums_are_those_of_images_added_one_after_another() -> None:
    rng = np.random.default_rng(0)
    losses = rng.lognormal(sigma=9, size=1_234).astype(np.float32)  # so that sums round
    codes = np.maximum(rng.normal(size=(1_234, 3)), 0).astype(np.float32)
    columns = {name: np.ones(1_234, np.float32) for name in metrics.means()} | {"bce": losses, "code": codes}
    combiner = metrics.SliceCombiner()
    accumulator = combiner.create_accumulator()
    for rows in (slice(0, 1), slice(1, 1_000), slice(1_000, None)):
        accumulator = combiner.add_batch(accumulator, {name: values[rows] for name, values in columns.items()})
    values = extract(accumulator)
    images = (image(code.tolist(), bce=loss) for code, loss in zip(codes, losses, strict=True))
    assert values == extract(accumulate(*images))
    one_by_one = functools.reduce(lambda before, loss: before + float(loss), losses, 0.0)
    assert values["bce"] == one_by_one / 1_234  # every bit; NumPy's sum of an array has others
    assert values["bce"] != float(losses.astype(np.float64).sum()) / 1_234
    active = (codes > 0).sum(axis=1)
    assert values["active_units_median"] == np.median(active)
    assert values["active_units_max"] == active.max()


def test_float64_sums_do_not_drown_small_losses() -> None:
    accumulator = accumulate(image([1], bce=2**24))
    for _ in range(10):
        accumulator = metrics.SliceCombiner().add_input(accumulator, image([1], bce=1))
    assert extract(accumulator)["bce"] == pytest.approx((2**24 + 10) / 11, rel=1e-12)


def test_an_empty_slice_gives_numbers() -> None:
    values = extract(metrics.SliceCombiner().create_accumulator())
    assert set(values) == set(metrics.names())
    assert set(values.values()) == {0.0}


def test_each_computation_announces_the_keys_that_it_gives() -> None:
    [computation] = metrics.SparseAutoencoderMetrics().computations(model_names=["m"])
    output = computation.combiner.extract_output(computation.combiner.create_accumulator())
    assert list(output) == computation.keys
    assert {key.model_name for key in output} == {"m"}


def test_squared_errors_are_measured_beside_those_of_the_mean_image() -> None:
    combiner = metrics.SliceCombiner(loss="mse")
    images = image([1, 0], mse=1, mean_image_mse=2), image([1, 0], mse=2, mean_image_mse=8)
    values = combiner.extract_output(functools.reduce(combiner.add_input, images, combiner.create_accumulator()))
    found = {key.name: value for key, value in values.items()}
    assert found["mse_to_mean_image"] == pytest.approx(0.3)
    assert found["dead_units"] == 1
    assert not {"bce", "entropy_floor", "bce_to_mean_image"} & found.keys()
