"""The SavedModel: its signatures, that they agree with the Keras model, and that it needs none of our code."""

from __future__ import annotations

import io
import json
import os
import pathlib
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from PIL import Image

from components.data import features
from tests import lazy, tfds_builders
from tests.components.conftest import Trained
from tests.tfds_builders import HEIGHT, WIDTH

autoencoder = lazy.module("components.model.autoencoder")
noise = lazy.module("components.model.noise")
measures = lazy.module("components.evaluation.image_metrics")
serving = lazy.module("components.model.saved_model")
tf = lazy.module("tensorflow")
tft = lazy.module("tensorflow_transform")

pytestmark = pytest.mark.component

PIXELS = HEIGHT * WIDTH
MEAN_IMAGE = np.linspace(0.1, 0.9, PIXELS, dtype=np.float32)
IMAGES = np.stack([tfds_builders.band(number).reshape(PIXELS) for number in range(5)]) / np.float32(255)


def example(number: int, **more: Any) -> bytes:
    """A serialized tf.Example with the image of a number, and `more` features of int64."""
    file = io.BytesIO()
    Image.fromarray(tfds_builders.band(number)[:, :, 0]).save(file, "PNG")
    made = tf.train.Example()
    made.features.feature["image"].bytes_list.value.append(file.getvalue())
    for name, value in more.items():
        made.features.feature[name].int64_list.value.append(value)
    return made.SerializeToString()


@pytest.fixture(scope="module")
def model() -> autoencoder.Autoencoder:
    return autoencoder.build_autoencoder(PIXELS, hidden_layers=(9,), code_units=5, l1=1e-3, seed=1)


@pytest.fixture(scope="module")
def folder(model: Any, trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("serving") / "model"
    serving.save(model, tft.TFTransformOutput(trained.transform_graph.uri), MEAN_IMAGE, folder)
    return folder


@pytest.fixture(scope="module")
def signatures(folder: pathlib.Path) -> Any:
    return tf.saved_model.load(str(folder)).signatures


FLOATS = ("float32", (None, PIXELS))
CODES = ("float32", (None, 5))


@pytest.mark.parametrize(
    ("name", "inputs", "outputs"),
    [
        ("serving_default", {"examples": ("string", (None,))}, {"reconstruction": FLOATS}),
        ("encode", {"images": FLOATS}, {"code": CODES}),
        ("decode", {"codes": CODES}, {"reconstruction": FLOATS}),
        ("reconstruct", {"images": FLOATS}, {"reconstruction": FLOATS}),
        (
            "evaluate",
            {"examples": ("string", (None,))},
            {
                "bce": ("float32", (None,)),
                "mse": ("float32", (None,)),
                "active_units": ("float32", (None,)),
                "hoyer": ("float32", (None,)),
                "gini": ("float32", (None,)),
                "mean_image_bce": ("float32", (None,)),
                "mean_image_mse": ("float32", (None,)),
                "entropy_floor": ("float32", (None,)),
                "code": CODES,
            },
        ),
    ],
)
def test_signature_takes_and_gives(name: str, inputs: Any, outputs: Any, signatures: Any) -> None:
    def shapes(specs: dict[str, tf.TensorSpec]) -> dict[str, Any]:
        return {key: (spec.dtype.name, tuple(spec.shape)) for key, spec in specs.items()}

    assert shapes(signatures[name].structured_input_signature[1]) == inputs
    assert shapes(signatures[name].structured_outputs) == outputs


def test_a_model_trained_with_noise_measures_its_loss_on_noisy_images_too(
    trained: Trained, tmp_path: pathlib.Path
) -> None:
    noisy = autoencoder.build_autoencoder(
        PIXELS, (9,), 5, 0.0, seed=1, code_bias=1.0, noise=noise.Noise("masking", 0.3, seed=2)
    )
    serving.save(noisy.served(), tft.TFTransformOutput(trained.transform_graph.uri), MEAN_IMAGE, tmp_path / "model")
    evaluate = tf.saved_model.load(str(tmp_path / "model")).signatures["evaluate"]
    examples = [example(number) for number in range(5)]
    found = evaluate(examples=tf.constant(examples))
    transform = tft.TFTransformOutput(trained.transform_graph.uri)
    spec = {features.IMAGE: transform.raw_feature_spec()[features.IMAGE]}
    images = transform.transform_features_layer()(tf.io.parse_example(examples, spec))[features.IMAGE_XF]
    masked = noise.Noise("masking", 0.3, seed=2).fixed(images).numpy()
    assert 0.05 < (masked != images).numpy().mean() < 0.4
    probability = tf.sigmoid(noisy.decoder(noisy.served().encoder(masked))).numpy().astype(np.float64)
    expected = -(IMAGES * np.log(probability) + (1 - IMAGES) * np.log(1 - probability)).mean(axis=1)
    np.testing.assert_allclose(found["noisy_bce"], expected, rtol=1e-4)
    assert not np.allclose(found["noisy_bce"], found["bce"], rtol=1e-4)
    alone = evaluate(examples=tf.constant(examples[3:4]))["noisy_bce"]
    np.testing.assert_allclose(alone, found["noisy_bce"][3:4], rtol=1e-6)


def test_there_are_no_other_signatures(signatures: Any) -> None:
    assert set(signatures) == {"serving_default", "encode", "decode", "reconstruct", "evaluate"}


def test_encode_and_reconstruct_agree_with_the_keras_model(signatures: Any, model: Any) -> None:
    codes = model.encoder(IMAGES)
    np.testing.assert_allclose(signatures["encode"](images=IMAGES)["code"], codes, atol=1e-6)
    expected = tf.sigmoid(model.decoder(codes))
    found = signatures["reconstruct"](images=IMAGES)["reconstruction"]
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert 0 < found.numpy().min() < found.numpy().max() < 1


@pytest.mark.parametrize("count", [1, 5])
def test_decoded_codes_are_the_reconstructions_to_the_bit(count: int, signatures: Any) -> None:
    codes = signatures["encode"](images=IMAGES[:count])["code"]
    expected = signatures["reconstruct"](images=IMAGES[:count])["reconstruction"]
    np.testing.assert_array_equal(signatures["decode"](codes=codes)["reconstruction"], expected)


def test_a_code_is_decoded_alone_as_among_others_and_zeros_give_the_biases(signatures: Any, model: Any) -> None:
    codes = np.random.default_rng(0).random((6, 5), np.float32)
    codes[2] = 0
    together = signatures["decode"](codes=codes)["reconstruction"].numpy()
    alone = [signatures["decode"](codes=codes[row : row + 1])["reconstruction"].numpy()[0] for row in range(6)]
    np.testing.assert_array_equal(together, alone)
    hidden_bias, kernel, bias = (variable.numpy() for variable in model.decoder.trainable_variables[1:])
    np.testing.assert_allclose(together[2], 1 / (1 + np.exp(-(np.maximum(hidden_bias, 0) @ kernel + bias))), atol=1e-6)


def test_serving_default_reconstructs_the_image_of_an_example_without_a_label(signatures: Any, model: Any) -> None:
    examples = tf.constant([example(number) for number in range(5)])
    found = signatures["serving_default"](examples=examples)["reconstruction"]
    np.testing.assert_allclose(found, tf.sigmoid(model.decoder(model.encoder(IMAGES))), atol=1e-6)


def test_serving_default_does_not_read_what_else_an_example_holds(signatures: Any) -> None:
    one, other = (
        signatures["serving_default"](examples=tf.constant([data]))["reconstruction"]
        for data in (example(3), example(3, label=1, height=99, unknown=7))
    )
    np.testing.assert_array_equal(one, other)


def test_evaluate_gives_every_measure_of_the_image(signatures: Any, model: Any) -> None:
    examples = tf.constant([example(number, label=0, height=HEIGHT, width=WIDTH) for number in range(5)])
    found = signatures["evaluate"](examples=examples)
    codes = model.encoder(IMAGES)
    expected = measures.measure_images(IMAGES, codes, model.decoder(codes), MEAN_IMAGE) | {"code": codes}
    assert set(found) == set(expected)
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-4, atol=1e-6, err_msg=name)


def test_a_signature_takes_any_number_of_images(signatures: Any) -> None:
    assert signatures["serving_default"](examples=tf.constant([], tf.string))["reconstruction"].shape == (0, PIXELS)
    assert signatures["encode"](images=IMAGES[:1])["code"].shape == (1, 5)


def test_an_image_of_another_shape_is_refused(signatures: Any) -> None:
    file = io.BytesIO()
    Image.new("L", (HEIGHT, WIDTH)).save(file, "PNG")  # turned by 90 degrees: as many pixels
    made = tf.train.Example()
    made.features.feature["image"].bytes_list.value.append(file.getvalue())
    with pytest.raises(tf.errors.InvalidArgumentError):
        signatures["serving_default"](examples=tf.constant([made.SerializeToString()]))


LOAD_WITHOUT_OUR_CODE = """
import json, sys
sys.modules["components"] = None  # importing it fails
import tensorflow as tf
model = tf.saved_model.load(sys.argv[1])
examples = tf.constant([open(path, "rb").read() for path in sys.argv[2:]])
print(json.dumps(model.signatures["serving_default"](examples=examples)["reconstruction"].numpy().tolist()))
"""


def test_saved_model_loads_in_a_process_without_this_project(
    folder: pathlib.Path, signatures: Any, tmp_path: pathlib.Path
) -> None:
    files = [tmp_path / "0", tmp_path / "1"]
    for number, file in enumerate(files):
        file.write_bytes(example(number))
    result = subprocess.run(
        [sys.executable, "-c", LOAD_WITHOUT_OUR_CODE, str(folder), *map(str, files)],
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "TF_USE_LEGACY_KERAS")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    examples = tf.constant([example(0), example(1)])
    expected = signatures["serving_default"](examples=examples)["reconstruction"]
    np.testing.assert_allclose(json.loads(result.stdout), expected, atol=1e-6)
