"""Noise on the input: how much, drawn from what, and only in training."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests import lazy

noise = lazy.module("components.model.noise")
tf = lazy.module("tensorflow")

pytestmark = pytest.mark.component


def fixed(layer: Any) -> Any:
    """As in the SavedModel, whose graph goes through the images many times faster than calls of TensorFlow do."""
    return tf.function(layer.fixed, autograph=False)


IMAGES = np.random.default_rng(0).random((400, 50), np.float32) + 1


@pytest.mark.parametrize("kind", ["masking", "gaussian"])
def test_noise_has_its_level_and_stays_out_of_what_is_not_training(kind: str) -> None:
    layer = noise.Noise(kind, 0.25, seed=1)
    np.testing.assert_array_equal(layer(IMAGES), IMAGES)
    for changed in (layer(IMAGES, training=True).numpy(), fixed(layer)(IMAGES).numpy()):
        if kind == "masking":
            assert (changed == 0).mean() == pytest.approx(0.25, abs=0.015)  # 20,000 values: 5 standard errors
            np.testing.assert_array_equal(changed[changed != 0], IMAGES[changed != 0])
        else:
            added = changed - IMAGES
            assert added.mean() == pytest.approx(0, abs=0.01)
            assert added.std() == pytest.approx(0.25, abs=0.01)


def test_each_step_and_each_seed_has_noise_of_its_own_and_the_same_again() -> None:
    def steps(seed: int) -> list[np.ndarray]:
        layer = noise.Noise("gaussian", 0.1, seed)
        return [layer(IMAGES, training=True).numpy() for _ in range(2)]

    first, other = steps(1), steps(2)
    for one, again in zip(first, steps(1), strict=True):
        np.testing.assert_array_equal(one, again)
    assert not np.array_equal(*first)
    assert not np.array_equal(first[0], other[0])


def test_noise_of_measurement_belongs_to_the_image_not_to_its_batch_or_place() -> None:
    layer = noise.Noise("gaussian", 0.1, seed=1)
    measured = fixed(layer)
    together = measured(IMAGES).numpy()
    np.testing.assert_array_equal(measured(IMAGES[7:8]).numpy()[0], together[7])
    np.testing.assert_array_equal(measured(IMAGES[::-1]).numpy()[::-1], together)
    added = together - IMAGES
    assert abs(np.corrcoef(added[0], added[1])[0, 1]) < 0.6  # not the same noise for all
