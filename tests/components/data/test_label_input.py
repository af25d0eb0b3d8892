"""Labels of examples are read without their images."""

from __future__ import annotations

import pathlib
from typing import Any

import numpy as np
import pytest

from tests import lazy
from tests.components.conftest import Trained

tf = lazy.module("tensorflow")
tft = lazy.module("tensorflow_transform")
label_input = lazy.module("components.data.label_input")
transformed_input = lazy.module("components.data.transformed_input")

pytestmark = pytest.mark.component


def of_train(trained: Trained) -> tuple[list[str], Any]:
    return [f"{trained.examples.uri}/Split-train/*"], tft.TFTransformOutput(trained.transform_graph.uri)


def test_labels_are_those_of_the_images_in_their_order(trained: Trained) -> None:
    files, transform = of_train(trained)
    found = label_input.labels(files, transform)
    batches = transformed_input.transformed(files, transform).as_numpy_iterator()
    np.testing.assert_array_equal(found, np.concatenate([batch["label_xf"] for batch in batches]))
    assert (found.dtype, found.shape) == (np.int64, (60,))


def test_no_image_is_decoded_for_labels(trained: Trained, tmp_path: pathlib.Path) -> None:
    files, transform = of_train(trained)
    example = tf.train.Example.FromString(next(transformed_input.records(files).as_numpy_iterator()))
    example.features.feature["image"].bytes_list.value[0] = b"not a PNG file"
    with tf.io.TFRecordWriter(str(tmp_path / "damaged")) as writer:
        writer.write(example.SerializeToString())
    damaged = [str(tmp_path / "damaged")]
    labels = example.features.feature["label"].int64_list.value
    assert label_input.labels(damaged, transform).tolist() == list(labels)
    with pytest.raises(tf.errors.InvalidArgumentError):
        list(transformed_input.batches(damaged, transform))


def test_a_file_without_examples_has_no_labels(trained: Trained, tmp_path: pathlib.Path) -> None:
    (tmp_path / "empty").touch()
    assert label_input.labels([str(tmp_path / "empty")], of_train(trained)[1]).tolist() == []
