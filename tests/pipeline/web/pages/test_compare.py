"""Drawings of the comparison of runs."""

from __future__ import annotations

import pytest

from pipeline.inspection import run_filter, run_groups
from pipeline.inspection.run_diff import Comparison
from pipeline.inspection.views import RunRow, RunState
from pipeline.sparse_autoencoder.definition import PIPELINE
from pipeline.web.formatting import DeclaredMetrics
from pipeline.web.pages import compare
from pipeline.web.urls import Links
from pipeline_config import PipelineConfig
from tests.pipeline.web.charts.drawn import read

METRICS = DeclaredMetrics(PIPELINE.declared_metrics)


def row(run_id: str, test_bce: float, **settings: object) -> RunRow:
    named = {f"model.{name}" if name != "seed" else "training.seed": value for name, value in settings.items()}
    return RunRow(run_id, "p", RunState.SUCCEEDED, None, 1.0, metrics={"test_bce": test_bce}, settings=named)


def parallel(rows: list[RunRow]):
    comparison = Comparison(
        tuple(rows), (), (), (), (), (), (),
        names=run_filter.run_names(rows), groups=run_groups.by_configuration(rows, PipelineConfig),
    )  # fmt: skip
    metrics = {one.run_key: None for one in METRICS.all_columns}
    compared = tuple(compare.ComparedRun(one.id, metrics | one.metrics, ()) for one in rows)
    axes = (compare.Axis("test_bce", "Test BCE", "Test BCE", tuple(one.metrics["test_bce"] for one in rows)),)
    view = compare.CompareView(comparison, compared, (), (), tuple(one.id for one in rows), axes, "", "")
    return compare.draw(view, Links(), METRICS)["parallel"]


def test_lines_cross_the_settings_that_differ_and_the_metrics():
    drawing = parallel([row("a", 0.2, l1=1e-3, loss="mse", units=32), row("b", 0.1, l1=0.0, loss="bce", units=32)])
    assert read(drawing).texts("axis-label") == ["l1", "loss", "Test BCE"]
    first, second = read(drawing).all("a")
    assert (first["href"], second["href"]) == ("/runs/a", "/runs/b")
    assert first.tooltip() == "a: model.l1 0.001, model.loss mse, Test BCE 0.2"
    assert "model.l1: 0, 0.001." in drawing.summary
    assert [key.name for key in drawing.keys] == ["a", "b"]


def test_seeds_of_a_configuration_have_one_colour_and_no_axis():
    rows = [
        row("a", 0.1, l1=1e-3, seed=1), row("b", 0.2, l1=1e-3, seed=2),
        row("c", 0.3, l1=1e-4, seed=1), row("d", 0.4, l1=1e-4, seed=2),
    ]  # fmt: skip
    drawing = parallel(rows)
    shape = read(drawing)
    assert shape.texts("axis-label") == ["l1", "Test BCE"]
    colors = [line.all("g")[0].classes[0] for line in shape.all("a")]
    assert colors == ["series-1", "series-1", "series-3", "series-3"]  # those of a and c elsewhere on the page
    assert [key.name for key in drawing.keys] == ["l1 = 0.001 (2 seeds)", "l1 = 0.0001 (2 seeds)"]


@pytest.mark.parametrize("seed", [1, 2])
def test_one_axis_is_no_chart(seed):
    assert parallel([row("a", 0.1, l1=0.1, seed=1), row("b", 0.2, l1=0.1, seed=seed)]) is None
