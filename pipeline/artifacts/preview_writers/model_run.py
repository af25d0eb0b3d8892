"""ModelRun: the losses of each epoch, and the metrics on the validation split."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence

from components.evaluation import metrics, validation_scores
from components.evaluation.thresholds import EpochLosses
from pipeline.artifacts.sections import Curve, LineChart, Pairs, Preview, Table, columns
from pipeline.artifacts.types import PNGs, StoredArtifact

_FILE = "history.json"
_MOST_EPOCHS = 2_000  # more are thinned out evenly, with the first and the last
_PENALTY = 0.001  # share of the loss below which the curves with and without penalty look the same
_NUMBERS = ("validation", "training", "validation with penalty", "training with penalty")
_COLUMNS = columns("epoch", *(f"{title}:number" for title in _NUMBERS))


def make(artifact: StoredArtifact) -> tuple[Preview, PNGs] | None:
    """Return the preview; None without a history."""
    path = artifact.folder / _FILE
    if not path.is_file():
        return None
    history = [EpochLosses(**losses) for losses in json.loads(path.read_text(encoding="utf-8"))]
    evaluation = validation_scores.read_evaluation(str(artifact.folder))
    return preview(history, evaluation.overall if evaluation else {}), {}


def preview(history: Sequence[EpochLosses], measured: Mapping[str, float] | None = None) -> Preview:
    """Return the curves and the table of the losses, and the metrics on the validation split if there are any."""
    if len(history) > _MOST_EPOCHS:
        history = [history[round(index * (len(history) - 1) / (_MOST_EPOCHS - 1))] for index in range(_MOST_EPOCHS)]
    rows = tuple((one.epoch, one.val_reconstruction, one.reconstruction, one.val_loss, one.loss) for one in history)
    last = history[-1] if history else None
    penalty = last is not None and last.val_loss - last.val_reconstruction > _PENALTY * abs(last.val_loss)
    curves = tuple(
        Curve(title, tuple((float(row[0]), float(row[index])) for row in rows), dashed=index > 2)
        for index, title in enumerate(_NUMBERS, start=1)
        if penalty or index <= 2
    )
    chart = LineChart("reconstruction loss by epoch", curves, "epoch", "reconstruction loss")
    table = Table("losses by epoch", _COLUMNS, rows, folded=True)
    on_validation = metrics.by_split(measured or {}, metrics.VALIDATION)[1]
    pairs = {metrics.label(name): value for name, value in on_validation.items() if math.isfinite(value)}
    of_validation = (Pairs("metrics on the validation split", pairs),) if pairs else ()
    return Preview("training", (chart, table, *of_validation))
