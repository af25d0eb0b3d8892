"""Of ModelEvaluation: metrics overall and by label, and how the model stood to each of its gates."""

from __future__ import annotations

import json
import math
import pathlib

from google.protobuf import json_format
from tensorflow_model_analysis.proto import config_pb2

from components.evaluation import evaluator, thresholds
from pipeline.artifacts.preview_writers import Artifact, Pictures
from pipeline.artifacts.previews import Evaluation, Threshold

_FILE = "eval_config.json"


def make(artifact: Artifact) -> tuple[Evaluation, Pictures]:
    """Numbers that are not finite are left out."""
    measured = evaluator.read_evaluation(str(artifact.folder))
    thresholds = tuple(
        Threshold(gate.name, gate.slice, gate.value, gate.limit if math.isfinite(gate.limit) else None, gate.passed)
        for gate in judged(measured, artifact.folder)
        if math.isfinite(gate.value)
    )
    slices = {f"label {label}": _finite(values) for label, values in measured.per_label.items()}
    return Evaluation(_finite(measured.overall), slices, thresholds), {}


def judged(measured: thresholds.Evaluation, folder: pathlib.Path) -> tuple[thresholds.Gate, ...]:
    """How a model stood to the gates that the Evaluator was told; empty where it measured other things."""
    if not {thresholds.BCE, thresholds.BCE_TO_MEAN_IMAGE} <= measured.overall.keys():
        return ()
    return thresholds.judge(measured, _gates(folder))


def _gates(folder: pathlib.Path) -> thresholds.Gates:
    values = json.loads((folder / _FILE).read_text(encoding="utf-8"))
    config = json_format.ParseDict(values["evalConfig"], config_pb2.EvalConfig(), ignore_unknown_fields=True)
    limits = {
        (name, any(spec.feature_keys for spec in one.slicing_specs)): one.threshold.value_threshold.upper_bound.value
        for spec in config.metrics_specs
        for name, thresholds in spec.per_slice_thresholds.items()
        for one in thresholds.thresholds
    }
    return thresholds.Gates(
        max_bce=limits.get((thresholds.BCE, False), math.inf),
        max_bce_worst_label=limits.get((thresholds.BCE, True), math.inf),
        max_bce_to_mean_image=limits.get((thresholds.BCE_TO_MEAN_IMAGE, False), math.inf),
    )


def _finite(values: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in values.items() if math.isfinite(value)}
