"""Images as a model reads them, and a small SavedModel that is loaded and called."""

from __future__ import annotations

import pathlib

import numpy as np
import pytest

import sae
from sae.model import LoadedModel, as_model_input
from tests import lazy

tf = lazy.module("tensorflow")


def test_pixels_are_scaled_by_their_type_and_floats_are_taken_as_they_are() -> None:
    pixels = np.array([[[0, 51], [102, 255]]])
    expected = np.array([[0, 0.2, 0.4, 1]], np.float32)
    for images in (pixels.astype(np.uint8), (pixels * 257).astype(np.uint16), pixels / 255.0, (pixels / 255).tolist()):
        scaled = as_model_input(images, 4)
        assert scaled.dtype == np.float32
        np.testing.assert_allclose(scaled, expected, rtol=1e-7)
    assert as_model_input(np.zeros((0, 2, 2)), 4).shape == (0, 4)


@pytest.mark.parametrize(
    ("images", "text"),
    [
        (np.zeros((2, 2)), r"shape \(2, 2\).*give \(n, 4\).*images\[None\]"),
        (np.zeros(4), r"shape \(4,\)"),
        (np.zeros((1, 5)), r"shape \(1, 5\)"),
        (np.zeros((1, 4), np.int64), "type int64"),
        (np.full((1, 4), 1.5), "from 1.5 to 1.5"),
        (np.full((1, 4), np.nan), "from nan to nan"),
        ([["a"] * 4], "type <U1"),
    ],
)
def test_other_images_are_refused(images: object, text: str) -> None:
    with pytest.raises(sae.UsageError, match=text):
        as_model_input(images, 4)  # type: ignore[arg-type]


def test_data_that_is_scaled_otherwise_is_taken_as_it_is() -> None:
    standardised = np.array([[-2.5, 0, 1, 7]])
    np.testing.assert_array_equal(as_model_input(standardised, 4, pixels=False), standardised.astype(np.float32))
    for images in (standardised.astype(np.uint8), np.full((1, 4), np.inf)):
        with pytest.raises(sae.UsageError, match="scaled as Transform does"):
            as_model_input(images, 4, pixels=False)


@pytest.mark.component
def test_a_model_encodes_and_reconstructs_in_batches(tmp_path: pathlib.Path) -> None:
    weights = np.array([[1, 0], [0, 1], [1, 1], [0, 0]], np.float32)
    module = tf.Module()
    spec = tf.TensorSpec([None, 4], tf.float32, name="images")
    encode = tf.function(lambda images: {"code": images @ weights}, input_signature=[spec])
    reconstruct = tf.function(lambda images: {"reconstruction": 1 - images}, input_signature=[spec])
    tf.saved_model.save(module, str(tmp_path / "both"), signatures={"encode": encode, "reconstruct": reconstruct})
    tf.saved_model.save(module, str(tmp_path / "one"), signatures={"encode": encode})

    images = np.random.default_rng(0).random((2_001, 2, 2)).astype(np.float32)
    model = LoadedModel(tmp_path / "both")
    np.testing.assert_allclose(model.encode(images), images.reshape(-1, 4) @ weights, rtol=1e-6)
    np.testing.assert_allclose(model.reconstruct(images), 1 - images, rtol=1e-6)
    assert model.encode(images[:0]).shape == (0, 2)
    with pytest.raises(sae.NotFoundError, match=r"no signature reconstruct \(it has: encode\)"):
        LoadedModel(tmp_path / "one").reconstruct(images)
