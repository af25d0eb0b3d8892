"""ModelEvaluation: metrics overall and by label, and whether each threshold was met."""

from __future__ import annotations

import json
import math
import pathlib

from google.protobuf import json_format
from tensorflow_model_analysis.proto import config_pb2

from components.evaluation import evaluator, metrics, thresholds
from pipeline.artifacts.sections import BarChart, BarValue, Pairs, Preview, Section, Table, TableColumn, Value, columns
from pipeline.artifacts.types import PNGs, StoredArtifact

_FILE = "eval_config.json"
# Their titles are the keys of `thresholds` in `sae show --json`.
_THRESHOLDS = columns("metric:name", "slice", "value:number", "limit:number", "passed:verdict")


def make(artifact: StoredArtifact) -> tuple[Preview, PNGs]:
    """Return metrics, thresholds, and the same by slice; numbers that are not finite are left out."""
    measured = evaluator.read_evaluation(str(artifact.folder))
    gates = [gate for gate in judged(measured, artifact.folder) if math.isfinite(gate.value)]
    slices = {f"label {label}": _finite(values) for label, values in measured.per_label.items()}
    names = list(dict.fromkeys(name for values in slices.values() for name in values))
    overall = {metrics.label(name): value for name, value in _finite(measured.overall).items()}
    found: list[Section] = [Pairs("metrics on the test split", overall)]
    if gates:
        found.append(Table("thresholds", _THRESHOLDS, tuple(_row(gate) for gate in gates)))
    loss = metrics.LOSSES[metrics.loss_of(measured.overall)].metric
    losses = {name: values[loss.name] for name, values in slices.items() if loss.name in values}
    if losses:
        limits = {gate.limit for gate in gates if gate.name == loss.name and gate.slice != thresholds.OVERALL}
        limit = next((limit for limit in limits if math.isfinite(limit)), None)
        found.append(BarChart(f"{loss.label} by label", tuple(BarValue(*one) for one in losses.items()), limit))
    if slices:
        titles = (TableColumn("slice"), *(TableColumn(metrics.label(name), "number") for name in names))
        rows = tuple((slice_, *(values.get(name) for name in names)) for slice_, values in slices.items())
        found.append(Table("metrics by slice", titles, rows))
    return Preview("evaluation", tuple(found)), {}


def _row(gate: thresholds.Gate) -> tuple[Value, ...]:
    limit = gate.limit if math.isfinite(gate.limit) else None
    return gate.name, gate.slice, gate.value, limit, gate.passed


def judged(measured: thresholds.Evaluation, folder: pathlib.Path) -> tuple[thresholds.Gate, ...]:
    """Return the Evaluator's thresholds with the measured values; empty for an evaluation of other metrics."""
    loss = metrics.loss_of(measured.overall)
    terms = metrics.LOSSES[loss]
    if not {terms.metric.name, terms.to_mean_image.name} <= measured.overall.keys():
        return ()
    return thresholds.judge(measured, _gates(folder, loss))


def _gates(folder: pathlib.Path, loss: str) -> thresholds.Gates:
    values = json.loads((folder / _FILE).read_text(encoding="utf-8"))
    config = json_format.ParseDict(values["evalConfig"], config_pb2.EvalConfig(), ignore_unknown_fields=True)
    limits = {
        (name, any(spec.feature_keys for spec in one.slicing_specs)): one.threshold.value_threshold.upper_bound.value
        for spec in config.metrics_specs
        for name, thresholds in spec.per_slice_thresholds.items()
        for one in thresholds.thresholds
    }
    terms = metrics.LOSSES[loss]
    return thresholds.Gates(
        max_loss=limits.get((terms.metric.name, False), math.inf),
        max_loss_worst_label=limits.get((terms.metric.name, True), math.inf),
        max_loss_to_mean_image=limits.get((terms.to_mean_image.name, False), math.inf),
        loss=loss,
        max_dead_units=limits.get(("dead_units", False), math.inf),
        max_active_units=limits.get(("active_units", False), math.inf),
    )


def _finite(values: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in values.items() if math.isfinite(value)}
