"""The declarations of the metrics."""

from __future__ import annotations

import math

from components.evaluation import metrics
from components.evaluation.metrics import METRICS


def test_the_names_in_artifacts_and_in_json_stay() -> None:
    names = ["bce", "mse", "active_units", "dead_units", "hoyer", "gini", "linear_probe_accuracy", "knn_accuracy",
             "mean_image_bce", "mean_image_mse", "pca_mse", "pca_linear_probe_accuracy", "pca_knn_accuracy",
             "pixels_linear_probe_accuracy", "pixels_knn_accuracy", "entropy_floor",
             "bce_to_mean_image", "mse_to_mean_image", "example_count"]  # fmt: skip
    assert [one.name for one in METRICS] == names
    assert [one.run_key for one in METRICS] == ["test_bce", "test_mse", *names[2:-1], ""]
    recorded = ["test_bce", "test_mse", "active_units", "dead_units", "linear_probe_accuracy", "knn_accuracy"]
    assert [one.run_key for one in METRICS if one.recorded] == recorded


def test_each_loss_has_the_metrics_in_its_terms() -> None:
    only = {"bce": {"bce", "mean_image_bce", "entropy_floor", "bce_to_mean_image"}, "mse": {"mse_to_mean_image"}}
    names = {loss: {one.name for one in metrics.evaluated(loss)} for loss in metrics.LOSSES}
    assert {loss: names[loss] - names[other] for loss, other in (("bce", "mse"), ("mse", "bce"))} == only
    assert {loss: metrics.loss_of(found) for loss, found in names.items()} == {"bce": "bce", "mse": "mse"}


def test_a_value_is_written_with_the_declared_decimals() -> None:
    assert metrics.BCE.text(0.09426) == "0.0943"
    assert (metrics.BCE.text(None), metrics.BCE.text(math.nan)) == ("", "")
    assert METRICS[-1].text(10_000) == "10,000"


def test_the_metrics_of_a_run_are_those_with_a_name_there() -> None:
    found = metrics.run_metrics({"mse": 0.2, "bce": 0.1, "example_count": 5, "unknown": 1})
    assert list(found.items()) == [("test_bce", 0.1), ("test_mse", 0.2)]
