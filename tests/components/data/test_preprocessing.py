"""From PNG files to flat images in [0, 1], as a function and as the transform graph that the pipeline saves."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from tests import lazy, tfds_builders
from tests.components.conftest import Trained

examples_input = lazy.module("components.data.transformed_input")
preprocessing = lazy.module("components.data.preprocessing")
tf = lazy.module("tensorflow")
tft = lazy.module("tensorflow_transform")

pytestmark = pytest.mark.component


def png(pixels: list[list[int]]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.array(pixels, np.uint8)).save(file, "PNG")
    return file.getvalue()


def preprocess(files: list[bytes], height: int, width: int) -> dict[str, tf.Tensor]:
    """In a graph, as Transform runs it."""

    @tf.function
    def graph(image: tf.Tensor, label: tf.Tensor) -> dict[str, tf.Tensor]:
        return preprocessing.preprocessing_fn({"image": image, "label": label}, {"height": height, "width": width})

    count = len(files)
    return graph(tf.constant(files, tf.string, shape=[count, 1]), tf.range(count, dtype=tf.int64)[:, tf.newaxis])


def test_pixels_are_divided_by_255_row_by_row() -> None:
    outputs = preprocess([png([[0, 128, 255], [1, 2, 3]])], height=2, width=3)
    assert outputs["image_xf"].dtype == tf.float32
    expected = [[0, 128 / 255, 1, 1 / 255, 2 / 255, 3 / 255]]
    np.testing.assert_allclose(outputs["image_xf"], expected, rtol=1e-6)
    assert outputs["image_xf"].numpy()[0, 2] == 1


def test_each_image_keeps_its_place_and_its_label() -> None:
    outputs = preprocess([png([[10, 10]]), png([[20, 20]]), png([[30, 30]])], height=1, width=2)
    np.testing.assert_allclose(outputs["image_xf"] * 255, [[10, 10], [20, 20], [30, 30]], rtol=1e-6)
    assert outputs["label_xf"].dtype == tf.int64
    assert outputs["label_xf"].numpy().tolist() == [0, 1, 2]


def test_16_bit_colour_images_without_labels_are_divided_by_their_largest_value() -> None:
    image = np.array([[[0, 65_535, 6_553], [1, 2, 3]]], np.uint16)
    config = {"height": 1, "width": 2, "channels": 3, "dtype": "uint16", "scaling": "auto"}
    graph = tf.function(lambda files: preprocessing.preprocessing_fn({"image": files}, config))
    outputs = graph(tf.constant([[tf.io.encode_png(image).numpy()]]))
    assert set(outputs) == {"image_xf"}
    np.testing.assert_allclose(outputs["image_xf"], image.reshape(1, 6) / 65_535, rtol=1e-6)


def test_no_images_give_no_rows_of_the_right_length() -> None:
    assert preprocess([], height=2, width=3)["image_xf"].shape == (0, 6)


def test_only_image_and_label_come_out() -> None:
    assert set(preprocess([png([[0]])], height=1, width=1)) == {"image_xf", "label_xf"}


@pytest.mark.parametrize(
    "file",
    [png([[1, 2, 3], [4, 5, 6]]), png([[1, 2], [3, 4], [5, 6]])[:-30], b"no picture"],
    ids=["height and width swapped", "cut off", "no PNG"],
)
def test_another_shape_or_no_png_is_refused_when_the_graph_runs(file: bytes) -> None:
    with pytest.raises(tf.errors.InvalidArgumentError):
        preprocess([file], height=3, width=2)


def test_saved_graph_gives_the_images_of_the_data_set_in_the_order_of_the_files(trained: Trained) -> None:
    transform = tft.TFTransformOutput(trained.transform_graph.uri)
    files = [f"{trained.examples.uri}/Split-train/*"]  # three files: 25, 25 and 10 images
    batches = list(examples_input.transformed(files, transform, batch_size=16).as_numpy_iterator())
    assert [len(batch["image_xf"]) for batch in batches] == [16, 16, 16, 12]
    raw = [
        tf.train.Example.FromString(record).features.feature
        for number in range(3)
        for record in tf.data.TFRecordDataset(
            f"{trained.examples.uri}/Split-train/train-{number:05d}-of-00003.tfrecord"
        ).as_numpy_iterator()
    ]
    pixels = [np.asarray(Image.open(io.BytesIO(features["image"].bytes_list.value[0]))) for features in raw]
    expected = np.reshape(pixels, (60, tfds_builders.HEIGHT * tfds_builders.WIDTH)) / np.float32(255)
    images = np.concatenate([batch["image_xf"] for batch in batches])
    np.testing.assert_allclose(images, expected, rtol=1e-6)
    assert np.concatenate([batch["label_xf"] for batch in batches]).tolist() == [
        features["label"].int64_list.value[0] for features in raw
    ]
    np.testing.assert_array_equal(examples_input.load_images(files, transform), images)
