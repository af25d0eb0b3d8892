"""The declarations of the metrics."""

from __future__ import annotations

import math

from components.evaluation import metrics
from components.evaluation.metrics import METRICS


def test_the_names_in_artifacts_and_in_json_stay() -> None:
    distribution = ["active_units_min", "active_units_median", "active_units_max"]
    names = ["bce", "mse", "noisy_bce", "noisy_mse", "active_units", "dead_units", "near_dead_units",
             "always_active_units", *distribution,
             "effective_units", "hoyer", "gini", "linear_probe_accuracy", "knn_accuracy",
             "mean_image_bce", "mean_image_mse", "pca_mse", "pca_linear_probe_accuracy", "pca_knn_accuracy",
             "pixels_linear_probe_accuracy", "pixels_knn_accuracy", "entropy_floor",
             "bce_to_mean_image", "mse_to_mean_image", "example_count"]  # fmt: skip
    of_evaluator = [one for one in METRICS if one not in metrics.VALIDATION]
    assert [one.name for one in of_evaluator] == names
    run_keys = ["" if name in distribution else name for name in names[2:-1]]
    assert [one.run_key for one in of_evaluator] == ["test_bce", "test_mse", *run_keys, ""]
    sparsity = ["active_units", "dead_units", "near_dead_units", "always_active_units"]
    validation = [f"validation_{name}" for name in ("bce", "mse", *sparsity)]
    recorded = ["test_bce", "test_mse", *sparsity, "linear_probe_accuracy", "knn_accuracy", *validation]
    assert [one.run_key for one in METRICS if one.recorded] == recorded


def test_the_evaluator_s_own_metrics_are_declared_for_the_validation_split_too() -> None:
    own = [one for one in METRICS if one.source in ("image", "slice")]
    assert [one.validation_of for one in metrics.VALIDATION] == [one.name for one in own]
    for of, one in zip(own, metrics.VALIDATION, strict=True):
        assert (one.name, one.run_key) == (f"validation_{of.name}", f"validation_{of.name}" if of.run_key else "")
        assert (one.unit, one.better, one.decimals, one.is_loss) == (of.unit, of.better, of.decimals, of.is_loss)
        assert not one.column
    assert not {one.name for one in metrics.VALIDATION} & {one.name for one in metrics.evaluated()}


def test_metrics_are_told_apart_by_their_split() -> None:
    values = {"validation_bce": 0.3, "bce": 0.2, "other": 1.0}
    assert metrics.by_split(values, METRICS) == ({"bce": 0.2, "other": 1.0}, {"bce": 0.3})
    assert metrics.by_split(values, ()) == (values, {})


def test_dead_units_are_a_column_only_where_a_run_has_some() -> None:
    def columns(*rows: dict[str, float | None]) -> list[str]:
        return [one.column for one in metrics.shown(metrics.columns(), rows)]

    assert "dead" not in columns({"dead_units": 0.0}, {"dead_units": None}, {})
    assert "dead" in columns({"dead_units": 0.0}, {"dead_units": 2.0})
    assert columns({"linear_probe_accuracy": 0.5})[-1] == "linear probe"


def test_each_loss_has_the_metrics_in_its_terms() -> None:
    only = {"bce": {"bce", "mean_image_bce", "entropy_floor", "bce_to_mean_image"}, "mse": {"mse_to_mean_image"}}
    names = {loss: {one.name for one in metrics.evaluated(loss)} for loss in metrics.LOSSES}
    assert {loss: names[loss] - names[other] for loss, other in (("bce", "mse"), ("mse", "bce"))} == only
    assert {loss: metrics.loss_of(found) for loss, found in names.items()} == {"bce": "bce", "mse": "mse"}


def test_a_value_is_written_with_the_declared_decimals() -> None:
    assert metrics.BCE.text(0.09426) == "0.0943"
    assert (metrics.BCE.text(None), metrics.BCE.text(math.nan)) == ("", "")
    [dead_units] = [one for one in METRICS if one.name == "dead_units"]
    assert dead_units.text(10_000) == "10,000"


def test_the_metrics_of_a_run_are_those_with_a_name_there() -> None:
    found = metrics.run_metrics({"mse": 0.2, "bce": 0.1, "example_count": 5, "unknown": 1})
    assert list(found.items()) == [("test_bce", 0.1), ("test_mse", 0.2)]
