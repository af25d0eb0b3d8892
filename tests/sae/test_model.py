"""Images as a model reads them, and a small SavedModel that is loaded and called."""

from __future__ import annotations

import pathlib

import numpy as np
import pytest

import sae
from sae.model import LoadedModel, RawData, as_codes, as_model_input
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
        (np.full((1, 4), np.nan), "image 0 .*NaN"),
        ([[1.0], [1.0, 2.0]], "no array"),
        ([["a"] * 4], "type <U1"),
    ],
)
def test_other_images_are_refused(images: object, text: str) -> None:
    with pytest.raises(sae.UsageError, match=text):
        as_model_input(images, 4)  # type: ignore[arg-type]


FLOATS = RawData("float32", "range")
STANDARDISED = RawData("float32", "standard")
RANGED_PIXELS = RawData("uint8", "range", (2, 2, 1))


def test_raw_data_that_the_model_scales_is_taken_as_it_is() -> None:
    raw = np.array([[-2.5, 0, 1, 700]])
    for data in (FLOATS, STANDARDISED, RawData("float32")):
        np.testing.assert_array_equal(as_model_input(raw, 4, data), raw.astype(np.float32))
        np.testing.assert_array_equal(as_model_input(raw.astype(np.int64), 4, data), [[-2, 0, 1, 700]])
    pixels = np.array([[[0, 51], [102, 255]]], np.uint8)
    found = as_model_input(pixels, 4, RANGED_PIXELS)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, pixels.reshape(1, 4))


@pytest.mark.parametrize("data", [RawData(), FLOATS, RANGED_PIXELS])
def test_scaled_data_must_be_in_the_range_of_the_model(data: RawData) -> None:
    inside = np.array([[0, 0.25, 0.5, 1]])
    np.testing.assert_array_equal(as_model_input(inside, 4, data, scaled=True), inside.astype(np.float32))
    for outside, text in ((inside * 255, "from 0 to 255.*scaled=True"), (inside.astype(np.uint8), "give floats")):
        with pytest.raises(sae.UsageError, match=text):
            as_model_input(outside, 4, data, scaled=True)


def test_standardised_data_has_no_range_but_must_be_finite() -> None:
    images = np.array([[-2.5, 0, 1, 7]])
    np.testing.assert_array_equal(as_model_input(images, 4, STANDARDISED, scaled=True), images.astype(np.float32))
    for data in (STANDARDISED, FLOATS):
        for bad in (np.inf, np.nan, 1e300):
            with pytest.raises(sae.UsageError, match=r"image 1 .*NaN or infinite"):
                as_model_input(np.array([[0.0] * 4, [0, bad, 0, 0]]), 4, data)


def test_pixels_that_the_model_scales_by_its_range_need_their_own_type() -> None:
    for images in (np.zeros((1, 4), np.uint16), np.zeros((1, 4))):
        with pytest.raises(sae.UsageError, match=r"give uint8.*scaled=True"):
            as_model_input(images, 4, RANGED_PIXELS)


def test_codes_are_any_finite_numbers_in_rows_of_the_units() -> None:
    for codes in ([[0, -2, 3.5]], np.array([[0, -2, 3.5]], np.float64)):
        found = as_codes(codes, 3)
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, np.array([[0, -2, 3.5]], np.float32))
    assert as_codes(np.zeros((0, 3)), 3).shape == (0, 3)


@pytest.mark.parametrize(
    ("codes", "text"),
    [
        (np.zeros((2, 4)), r"shape \(2, 4\).*give \(n, 3\)$"),
        (np.zeros(3), r"shape \(3,\).*codes\[None\]"),
        (np.zeros((2, 1, 3)), r"shape \(2, 1, 3\)"),
        ([[1.0], [1.0, 2.0]], "no array"),
        ([["a"] * 3], "type <U1"),
        ([[0, 0, 0], [0, np.inf, 0]], "code 1 .*NaN or infinite"),
    ],
)
def test_other_codes_are_refused(codes: object, text: str) -> None:
    with pytest.raises(sae.UsageError, match=text):
        as_codes(codes, 3)  # type: ignore[arg-type]


@pytest.mark.component
def test_a_model_encodes_decodes_and_reconstructs_in_batches(tmp_path: pathlib.Path) -> None:
    weights = np.array([[1, 0], [0, 1], [1, 1], [0, 0]], np.float32)
    module = tf.Module()
    spec = tf.TensorSpec([None, 4], tf.float32, name="images")
    encode = tf.function(lambda images: {"code": images @ weights}, input_signature=[spec])
    reconstruct = tf.function(lambda images: {"reconstruction": 1 - images}, input_signature=[spec])
    code = tf.TensorSpec([None, 2], tf.float32, name="codes")
    decode = tf.function(lambda codes: {"reconstruction": codes @ weights.T}, input_signature=[code])
    signatures = {"encode": encode, "decode": decode, "reconstruct": reconstruct}
    tf.saved_model.save(module, str(tmp_path / "both"), signatures=signatures)
    tf.saved_model.save(module, str(tmp_path / "one"), signatures={"encode": encode})

    images = np.random.default_rng(0).random((2_001, 2, 2)).astype(np.float32)
    model = LoadedModel(tmp_path / "both")
    np.testing.assert_allclose(model.encode(images), images.reshape(-1, 4) @ weights, rtol=1e-6)
    np.testing.assert_allclose(model.reconstruct(images), 1 - images, rtol=1e-6)
    assert model.encode(images[:0]).shape == (0, 2)
    codes = model.encode(images)
    np.testing.assert_allclose(model.decode(codes), codes @ weights.T, rtol=1e-6)
    assert model.decode(codes[:0]).shape == (0, 4)
    with pytest.raises(sae.NotFoundError, match=r"no signature reconstruct \(it has: encode\)"):
        LoadedModel(tmp_path / "one").reconstruct(images)


@pytest.mark.component
@pytest.mark.parametrize("data", [FLOATS, RANGED_PIXELS])
def test_raw_data_goes_through_the_transform_graph_of_the_model(tmp_path: pathlib.Path, data: RawData) -> None:
    """A model whose graph divides what it reads by 200, and whose code is the first two values."""

    def read(examples: tf.Tensor) -> tf.Tensor:
        if data is FLOATS:
            return tf.io.parse_example(examples, {"values": tf.io.FixedLenFeature([4], tf.float32)})["values"] / 200
        files = tf.io.parse_example(examples, {"image": tf.io.FixedLenFeature([1], tf.string)})["image"]
        decoded = tf.map_fn(tf.io.decode_png, files[:, 0], fn_output_signature=tf.TensorSpec((2, 2, 1), tf.uint8))
        return tf.reshape(tf.cast(decoded, tf.float32), [-1, 4]) / 200

    images, examples = tf.TensorSpec([None, 4], tf.float32, name="images"), tf.TensorSpec([None], tf.string, "examples")
    functions = {
        "encode": (lambda images: {"code": images[:, :2]}, images),
        "reconstruct": (lambda images: {"reconstruction": images}, images),
        "evaluate": (lambda examples: {"code": read(examples)[:, :2], "mse": read(examples)[:, 0]}, examples),
        "serving_default": (lambda examples: {"reconstruction": read(examples)}, examples),
    }
    signatures = {name: tf.function(made, input_signature=[spec]) for name, (made, spec) in functions.items()}
    tf.saved_model.save(tf.Module(), str(tmp_path), signatures=signatures)
    model = LoadedModel(tmp_path, data)
    raw = np.random.default_rng(0).integers(0, 200, (1_001, 2, 2)).astype(data.dtype)
    np.testing.assert_allclose(model.encode(raw), raw.reshape(-1, 4)[:, :2] / 200, rtol=1e-6)
    np.testing.assert_allclose(model.reconstruct(raw), raw / 200, rtol=1e-6)
    np.testing.assert_allclose(model.encode(raw / 200, scaled=True), model.encode(raw), rtol=1e-6)
    assert model.encode(raw[:0]).shape == (0, 2)
    assert model.reconstruct(raw[:0]).shape == (0, 2, 2)
