"""What is measured of each image, against numbers worked out by hand and plain NumPy."""

from __future__ import annotations

import math

import numpy as np
import pytest

from components.evaluation import metrics
from tests import lazy

measures = lazy.module("components.evaluation.image_metrics")

pytestmark = pytest.mark.component

# Four units: none active, one, all equally, two of them, and 1 to 4.
CODES = np.float32([[0, 0, 0, 0], [0, 0, 7, 0], [2, 2, 2, 2], [0, 3, 0, 3], [4, 1, 3, 2]])


def numpy_cross_entropy(target: np.ndarray, probability: np.ndarray) -> np.ndarray:
    probability = np.clip(probability, 1e-7, 1 - 1e-7)
    return -(target * np.log(probability) + (1 - target) * np.log(1 - probability))


def test_hoyer_is_0_for_equal_units_and_1_for_a_single_one() -> None:
    # (sqrt(4) - L1 / L2) / (sqrt(4) - 1) = 2 - L1 / L2
    expected = [0, 1, 0, 2 - 6 / math.sqrt(18), 2 - 10 / math.sqrt(30)]
    np.testing.assert_allclose(measures.hoyer(CODES), expected, atol=1e-6)


def test_gini_is_0_for_equal_units_and_1_less_one_uth_for_a_single_one() -> None:
    # Half the mean difference of two units over the mean unit; [4, 1, 3, 2]: (20 / 16) / 2.5 / 2.
    expected = [0, 1 - 1 / 4, 0, 0.5, 0.25]
    np.testing.assert_allclose(measures.gini(CODES), expected, atol=1e-6)


def test_gini_is_half_the_mean_difference_of_units_over_their_mean() -> None:
    codes = np.random.default_rng(0).exponential(size=(20, 32)).astype(np.float32)
    differences = np.abs(codes[:, :, np.newaxis] - codes[:, np.newaxis, :]).mean(axis=(1, 2))
    np.testing.assert_allclose(measures.gini(codes), differences / codes.mean(axis=1) / 2, rtol=1e-5)


def test_sparsity_does_not_change_when_a_code_is_scaled() -> None:
    for measure in (measures.hoyer, measures.gini):
        np.testing.assert_allclose(measure(CODES * np.float32(1e-3)), measure(CODES), atol=1e-6)


def test_a_single_unit_has_no_sparsity_and_no_nan() -> None:
    for measure in (measures.hoyer, measures.gini):
        assert measure(np.float32([[0], [5]])).numpy().tolist() == [0, 0]


def test_cross_entropy_stays_finite_at_0_and_1() -> None:
    found = measures.cross_entropy(np.float32([1, 0, 1, 0]), np.float32([0, 1, 1, 0])).numpy()
    # Clipping in float32 keeps 1.19e-7, the distance of 1 to the next smaller number, away from 1.
    np.testing.assert_allclose(found, [-math.log(1e-7), -math.log(2**-23), 0, 0], rtol=1e-4, atol=2e-7)


def test_every_measure_of_an_image() -> None:
    rng = np.random.default_rng(1)
    images = np.round(rng.random((5, 6), np.float32), 1)  # 0 and 1 are among them
    images[0, :2] = 0, 1
    logits = rng.normal(size=(5, 6)).astype(np.float32)
    mean_image = rng.random(6, np.float32)
    reconstructions = 1 / (1 + np.exp(-logits))
    found = measures.measure_images(images, CODES, logits, mean_image)
    expected = {
        "bce": numpy_cross_entropy(images, reconstructions).mean(axis=1),
        "mse": ((images - reconstructions) ** 2).mean(axis=1),
        "active_units": [0, 1, 4, 2, 4],
        "hoyer": measures.hoyer(CODES),
        "gini": measures.gini(CODES),
        "mean_image_bce": numpy_cross_entropy(images, mean_image).mean(axis=1),
        "mean_image_mse": ((images - mean_image) ** 2).mean(axis=1),
        "entropy_floor": numpy_cross_entropy(images, images).mean(axis=1),
    }
    assert list(found) == list(expected) == [one.name for one in metrics.evaluated() if one.source == "image"]
    of_mse = measures.measure_images(images, CODES, logits, mean_image, "mse")
    np.testing.assert_allclose(of_mse["mse"], ((images - logits) ** 2).mean(axis=1), rtol=1e-5)
    assert set(of_mse) == set(expected) - {"bce", "mean_image_bce", "entropy_floor"}
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-5, atol=1e-6, err_msg=name)


def test_entropy_floor_is_0_for_black_and_white_and_log_2_for_middle_grey() -> None:
    images = np.float32([[0, 1, 1, 0], [0.5, 0.5, 0.5, 0.5]])
    zeros = np.zeros((2, 4), np.float32)
    found = measures.measure_images(images, zeros, zeros, zeros[0])
    np.testing.assert_allclose(found["entropy_floor"], [0, math.log(2)], atol=2e-7)


def test_no_reconstruction_is_below_the_entropy_floor() -> None:
    images = np.float32([[0.2, 0.9, 0.4]] * 3)
    logits = np.log(images / (1 - images)) + np.float32([[0.0], [0.3], [-0.3]])
    found = measures.measure_images(images, np.zeros((3, 2), np.float32), logits, images[0])
    excess = found["bce"] - found["entropy_floor"]
    assert excess.numpy()[0] == pytest.approx(0, abs=1e-6)
    assert (excess.numpy()[1:] > 0.005).all()
