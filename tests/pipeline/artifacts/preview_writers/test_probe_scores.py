"""The preview of the scores of Probe and PixelProbe."""

from __future__ import annotations

import pathlib

from components.evaluation import probe_scores
from components.evaluation.probe_scores import Scores
from pipeline.artifacts.preview_writers import probe_scores as writer
from pipeline.artifacts.types import StoredArtifact

ACCURACIES = {
    **{"linear_probe_accuracy": 0.93, "pca_linear_probe_accuracy": 0.9, "pixels_linear_probe_accuracy": 0.92},
    **{"knn_accuracy": 0.95, "pca_knn_accuracy": 0.97, "pixels_knn_accuracy": 0.96},
}


def made(folder: pathlib.Path, scores: Scores) -> writer.Preview:
    probe_scores.write(scores, folder)
    preview, _ = writer.make(StoredArtifact("ProbeScores", folder, {}))
    return preview


def test_it_has_a_row_for_each_representation(tmp_path: pathlib.Path) -> None:
    preview = made(tmp_path, Scores(ACCURACIES, "", 10_000, 9_000, 10, 32, 31, 2_048))
    assert [tuple(row.values()) for row in preview.records("accuracy by representation")] == [
        ("code, 32 values", 0.93, 0.95),
        ("PCA, 31 values", 0.9, 0.97),
        ("raw pixels, 2,048 values", 0.92, 0.96),
    ]
    assert preview.section("samples").values == {"train examples": 10_000, "test examples": 9_000, "labels": 10}


def test_those_of_the_pixels_have_one_row(tmp_path: pathlib.Path) -> None:
    accuracies = {name: value for name, value in ACCURACIES.items() if name.startswith("pixels_")}
    preview = made(tmp_path, Scores(accuracies, "", 10, 9, 3, pixels=784))
    rows = [tuple(row.values()) for row in preview.records("accuracy by representation")]
    assert rows == [("raw pixels, 784 values", 0.92, 0.96)]


def test_without_scores_it_says_why(tmp_path: pathlib.Path) -> None:
    [section] = made(tmp_path, Scores({}, "the data set has no labels")).sections
    assert section.text == "the data set has no labels"
