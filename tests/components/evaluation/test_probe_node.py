"""The node Probe on a trained model, against scikit-learn on the same codes and images."""

from __future__ import annotations

import pathlib
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from components.codes import table
from components.evaluation import metrics, probe_scores
from pipeline.sparse_autoencoder.definition import PIPELINE
from tests import lazy, nodes
from tests.components.conftest import Trained

decomposition = lazy.module("sklearn.decomposition")
probe = lazy.module("components.evaluation.probe")
neighbors = lazy.module("sklearn.neighbors")
tft = lazy.module("tensorflow_transform")
transformed_input = lazy.module("components.data.transformed_input")

pytestmark = pytest.mark.component


def run(trained: Trained, codes: Any, pixel_scores: Any, folder: pathlib.Path) -> Any:
    inputs = {"examples": trained.examples, "transform_graph": trained.transform_graph, "model_run": trained.model_run}
    inputs |= {"codes": codes, "pixel_scores": pixel_scores}
    return nodes.run(trained.components["Probe"], folder, **inputs)["scores"]


def written(folder: pathlib.Path, scores: probe_scores.Scores) -> Any:
    """An output of the PixelProbe."""
    folder.mkdir()
    probe_scores.write(scores, folder)
    return nodes.artifact("Examples", folder)


def images_of(trained: Trained, split: str, **chosen: Any) -> Any:
    pattern = str(pathlib.Path(trained.examples.uri, f"Split-{split}", "*"))
    transform = tft.TFTransformOutput(trained.transform_graph.uri)
    batches = transformed_input.transformed([pattern], transform, **chosen)
    return np.concatenate([batch["image_xf"].numpy() for batch in batches])


def test_its_scores_are_those_of_scikit_learn(trained: Trained, codes: Any, pixel_scores: Any, scores: Any) -> None:
    found = probe_scores.read(pathlib.Path(scores.uri))
    assert found.reason == ""
    assert (found.train_examples, found.test_examples, found.labels) == (60, 31, 3)
    rows = pq.read_table(pathlib.Path(codes.uri, table.FILE))
    splits = np.array(rows["split"].to_pylist())
    train, test = (rows.filter(splits == split) for split in ("train", "test"))
    images = {split: images_of(trained, split) for split in ("train", "test")}
    assert (found.units, found.components, found.pixels) == (4, 4, images["train"].shape[1])
    pca = decomposition.PCA(4, svd_solver="full").fit(images["train"])
    for kind, (fitted, scored) in {
        metrics.CODE: (table.codes_of(train), table.codes_of(test)),
        metrics.PCA: (pca.transform(images["train"]), pca.transform(images["test"])),
    }.items():
        knn = neighbors.KNeighborsClassifier(5).fit(fitted, train["label"].to_numpy())
        assert found.metrics[f"{kind}knn_accuracy"] == pytest.approx(knn.score(scored, test["label"].to_numpy()))
    assert found.metrics.keys() == {one.name for one in metrics.METRICS if one.source == "probe"}
    assert found.metrics.items() > probe_scores.read(pathlib.Path(pixel_scores.uri)).metrics.items()


def test_its_samples_are_those_of_the_pixels(trained: Trained, codes: Any, tmp_path: pathlib.Path) -> None:
    accuracies = {"pixels_linear_probe_accuracy": 0.25, "pixels_knn_accuracy": 0.75}
    of_pixels = probe_scores.Scores(accuracies, "", 20, 10, 3, pixels=7)
    scores = run(trained, codes, written(tmp_path / "pixels", of_pixels), tmp_path / "node")
    found = probe_scores.read(pathlib.Path(scores.uri))
    assert (found.train_examples, found.test_examples, found.labels, found.pixels) == (20, 10, 3, 7)
    assert found.metrics.items() > accuracies.items()
    path = pathlib.Path(codes.uri, table.FILE)
    labels = probe.labels_by_split(path)
    chosen = probe.samples(labels, {"train": 20, "test": 10})
    train, test = (probe.codes_of(path, split, chosen[split]) for split in ("train", "test"))
    knn = neighbors.KNeighborsClassifier(5).fit(train, labels["train"][chosen["train"]])
    assert found.metrics["knn_accuracy"] == pytest.approx(knn.score(test, labels["test"][chosen["test"]]))


def test_what_could_not_be_measured_of_the_pixels_is_not_measured(
    trained: Trained, codes: Any, tmp_path: pathlib.Path
) -> None:
    of_pixels = probe_scores.Scores({}, "the data set has no labels")
    scores = run(trained, codes, written(tmp_path / "pixels", of_pixels), tmp_path / "node")
    assert probe_scores.read(pathlib.Path(scores.uri)) == of_pixels


def test_it_writes_the_same_bytes_again(
    trained: Trained, codes: Any, pixel_scores: Any, scores: Any, tmp_path: pathlib.Path
) -> None:
    again = run(trained, codes, pixel_scores, tmp_path)
    one, other = (pathlib.Path(each.uri, probe_scores.FILE).read_bytes() for each in (scores, again))
    assert one == other


@pytest.mark.parametrize("batch_size", [1, 7, 8, 60])
def test_chosen_examples_are_read_in_their_order(trained: Trained, batch_size: int) -> None:
    chosen = np.array([0, 7, 26, 27, 59])
    np.testing.assert_array_equal(
        images_of(trained, "train", numbers=chosen.tolist(), batch_size=batch_size), images_of(trained, "train")[chosen]
    )


def test_chosen_examples_come_in_whole_batches(trained: Trained) -> None:
    pattern = str(pathlib.Path(trained.examples.uri, "Split-train", "*"))
    transform = tft.TFTransformOutput(trained.transform_graph.uri)
    batches = transformed_input.transformed([pattern], transform, 4, numbers=[1, 2, 3, 11, 29, 58])
    assert [len(batch["image_xf"]) for batch in batches] == [4, 2]


@pytest.mark.parametrize(
    ("labels", "value", "said"),
    [
        (None, 1, "the data set has no labels"),
        ([0, 0, 0], 1, "the train split has one label only"),
        ([0, 1, 2], 1, "the train split lacks labels of the test split: bottom"),
        ([0, 1, 1], np.nan, "codes of the train split are not finite"),
    ],
)
def test_what_cannot_be_measured_is_said_in_a_line(
    trained: Trained, tmp_path: pathlib.Path, labels: list[int] | None, value: float, said: str
) -> None:
    codes = nodes.artifact("Examples", tmp_path)
    of_pixels = written(tmp_path / "pixels", probe_scores.Scores({}, "", 2, 1, 2, pixels=4))
    with table.Writer(tmp_path / table.FILE) as writer:
        for split, rows in (("train", slice(0, 2)), ("test", slice(2, 3))):
            given = None if labels is None else np.array(labels[rows])
            found = np.full((3, 4), value, np.float32)[rows]
            writer.add(table.to_table([str(row) for row in range(len(found))], split, found, given))
    scores = run(trained, codes, of_pixels, tmp_path / "node")
    assert probe_scores.read(pathlib.Path(scores.uri)) == probe_scores.Scores({}, said)
    assert scores.get_string_custom_property("reason") == said


def test_a_node_that_measured_nothing_counts_as_skipped() -> None:
    class Output:
        properties = {"reason": "the data set has no labels"}

    skipped = PIPELINE.by_name["Probe"].skipped
    assert skipped({"scores": Output()}) == "the data set has no labels"  # type: ignore[dict-item]
