"""The file with the metrics on the validation split. Free of TensorFlow, so that it is read quickly."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Mapping

from components import json_text
from components.evaluation import metrics
from components.evaluation.thresholds import Evaluation

FILE = "validation.json"  # in a ModelRun


def write(folder: pathlib.Path, measured: Mapping[str, float]) -> None:
    """Write `FILE` into the folder of a ModelRun."""
    (folder / FILE).write_text(json.dumps(measured, indent=1), encoding="utf-8")


def read_evaluation(uri: str) -> Evaluation | None:
    """Read the metrics in a ModelRun artifact, under the names of `metrics.VALIDATION`; None if it has none."""
    path = pathlib.Path(uri, FILE)
    if not path.is_file():
        return None
    measured = json_text.parse(path.read_text(encoding="utf-8"))
    overall = {one.name: measured[one.validation_of] for one in metrics.VALIDATION if one.validation_of in measured}
    return Evaluation(overall, {})
