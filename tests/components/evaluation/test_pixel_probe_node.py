"""The node PixelProbe on the images of a trained model, against scikit-learn."""

from __future__ import annotations

import pathlib
from collections.abc import Collection
from typing import Any

import numpy as np
import pytest

from components.evaluation import probe_scores
from pipeline.sparse_autoencoder.definition import PIPELINE
from tests import lazy, nodes, tfds_builders
from tests.components.conftest import Trained

neighbors = lazy.module("sklearn.neighbors")
pixel_probe_node = lazy.module("components.evaluation.pixel_probe_node")
probe = lazy.module("components.evaluation.probe")
tf = lazy.module("tensorflow")
tft = lazy.module("tensorflow_transform")
transformed_input = lazy.module("components.data.transformed_input")

pytestmark = pytest.mark.component


def files_of(trained: Trained) -> dict[str, str]:
    return {split: f"{trained.examples.uri}/Split-{split}/*" for split in ("train", "test")}


def read(trained: Trained, split: str) -> tuple[Any, Any]:
    """All images and labels of a split."""
    transform = tft.TFTransformOutput(trained.transform_graph.uri)
    batches = list(transformed_input.transformed([files_of(trained)[split]], transform).as_numpy_iterator())
    return tuple(np.concatenate([batch[name] for batch in batches]) for name in ("image_xf", "label_xf"))


def k_nn(trained: Trained, train: Any, test: Any) -> float:
    """The accuracy of 5-NN on examples of these positions."""
    (images, labels), (scored, wanted) = read(trained, "train"), read(trained, "test")
    fitted = neighbors.KNeighborsClassifier(5).fit(images[train], labels[train])
    return float(fitted.score(scored[test], wanted[test]))


def test_its_scores_are_those_of_scikit_learn(trained: Trained, pixel_scores: Any) -> None:
    found = probe_scores.read(pathlib.Path(pixel_scores.uri))
    assert (found.reason, pixel_scores.get_string_custom_property("reason")) == ("", "")
    assert (found.train_examples, found.test_examples, found.labels) == (60, 31, 3)
    assert (found.units, found.components, found.pixels) == (0, 0, read(trained, "train")[0].shape[1])
    assert found.metrics == {
        "pixels_linear_probe_accuracy": 1,  # each label has rows of its own
        "pixels_knn_accuracy": pytest.approx(k_nn(trained, np.arange(60), np.arange(31))),
    }


def test_a_larger_code_makes_the_sample_smaller(trained: Trained) -> None:
    transform = tft.TFTransformOutput(trained.transform_graph.uri)
    found = pixel_probe_node.measure(files_of(trained), transform, values=1_024_000)
    assert (found.train_examples, found.test_examples) == (20, 20)
    labels = {split: read(trained, split)[1] for split in ("train", "test")}
    chosen = probe.samples(labels, {"train": 20, "test": 20})
    assert found.metrics["pixels_knn_accuracy"] == pytest.approx(k_nn(trained, chosen["train"], chosen["test"]))


@pytest.mark.parametrize(
    ("kept", "said"),
    [
        ({1}, "the train split has one label only"),
        ({0, 1}, "the train split lacks labels of the test split: bottom"),
    ],
)
def test_what_cannot_be_measured_is_said_in_a_line(
    trained: Trained, tmp_path: pathlib.Path, kept: Collection[int], said: str
) -> None:
    files = files_of(trained)
    records = transformed_input.records([files["train"]]).as_numpy_iterator()
    with tf.io.TFRecordWriter(str(tmp_path / "train")) as writer:
        for record, label in zip(records, read(trained, "train")[1], strict=True):
            if label in kept:
                writer.write(record)
    transform = tft.TFTransformOutput(trained.transform_graph.uri)
    given = {**files, "train": str(tmp_path / "train")}
    found = pixel_probe_node.measure(given, transform, 36, ["top", "middle", "bottom"])
    assert found == probe_scores.Scores({}, said)


def test_its_parameter_is_the_size_of_the_largest_representation(tmp_path: pathlib.Path) -> None:
    sizes = {units: nodes.make(tmp_path, {"model.code_units": units})["PixelProbe"] for units in (4, 32, 4_096)}
    pixels = tfds_builders.HEIGHT * tfds_builders.WIDTH
    assert [one.exec_properties["values"] for one in sizes.values()] == [pixels, pixels, 4_096]


def test_a_node_that_measured_nothing_counts_as_skipped() -> None:
    class Output:
        properties = {"reason": "the data set has no labels"}

    skipped = PIPELINE.by_name["PixelProbe"].skipped
    assert skipped({"pixel_scores": Output()}) == "the data set has no labels"  # type: ignore[dict-item]
