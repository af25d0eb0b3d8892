"""Charts on more than one page."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

from components.evaluation.thresholds import EpochLosses
from pipeline.artifacts import previews
from pipeline.core.events import EpochEnded
from pipeline.web import charts
from pipeline.web.charts import Drawing

_PHONE = 356  # pixels: as wide as a phone, so that values at the end of bars are seen
_HALF = 580  # pixels: half a wide page
_PENALTY = 0.001  # share of the loss from which the penalty is drawn: below it, two curves would be one


def curves(history: Sequence[EpochLosses]) -> Drawing | None:
    """Losses over epochs; with the penalty where that shows."""
    if not history:
        return None
    series = [
        charts.Series("validation", [(one.epoch, one.val_reconstruction) for one in history], 1, label="validation"),
        charts.Series("training", [(one.epoch, one.reconstruction) for one in history], 2, label="training"),
    ]
    last = history[-1]
    if last.val_loss - last.val_reconstruction > _PENALTY * abs(last.val_loss):
        series += [
            charts.Series("validation with the penalty", [(one.epoch, one.val_loss) for one in history], 1, True),
            charts.Series("training with the penalty", [(one.epoch, one.loss) for one in history], 2, True),
        ]
    return charts.line_chart(
        series, title="Reconstruction loss by epoch", x_label="epoch", y_label="BCE, nats per pixel", width=_HALF
    )


def live_curves(epochs: Sequence[EpochEnded]) -> Drawing | None:
    """Losses so far, with the penalty: the Trainer tells no other while it runs."""
    if not epochs:
        return None
    series = [
        charts.Series("validation", [(one.epoch, one.val_loss) for one in epochs], 1, label="validation"),
        charts.Series("training", [(one.epoch, one.loss) for one in epochs], 2, label="training"),
    ]
    return charts.line_chart(
        series, title="Loss by epoch, with the penalty", x_label="epoch", y_label="loss, nats per pixel", width=_HALF
    )


def slices(evaluation: previews.Evaluation) -> Drawing | None:
    """BCE by slice, with the limit that was set on the worst one."""
    found = {name: metrics["bce"] for name, metrics in evaluation.slices.items() if "bce" in metrics}
    if not found:
        return None
    limits = {one.limit for one in evaluation.thresholds if one.metric == "bce" and one.slice in found}
    limit = limits.pop() if len(limits) == 1 else None
    return charts.bar_chart(
        [charts.Bar(name, value) for name, value in found.items()], title="BCE by label", limit=limit, width=_PHONE
    )


def units(report: previews.Report) -> Drawing | None:
    """How often each unit is active."""
    if not report.units:
        return None
    bars = [
        charts.Bar(f"unit {one.unit}", one.frequency, f"mean activation then {charts.number(one.mean)}")
        for one in report.units
    ]
    return charts.bar_chart(bars, title="Test images on which a unit is active", percent=True, width=_PHONE)


def histograms(statistics: previews.Statistics) -> Mapping[str, Mapping[str, Drawing]]:
    """Histograms by split and feature."""
    return {
        split.name: {
            feature.name: charts.histogram(
                [(one.low, one.high, one.count) for one in feature.histogram], title=f"{feature.name} in {split.name}"
            )
            for feature in split.features
            if feature.histogram
        }
        for split in statistics.splits
    }


def layers(model: previews.Model) -> Drawing | None:
    """The layers of a model, one after another."""
    if not model.layers:
        return None
    first = model.layers[0]
    boxes = [charts.GraphNode("in", "input", f"{first.inputs:,} values", kind="artifact")]
    boxes += [
        charts.GraphNode(f"layer{number}", layer.name, f"{layer.inputs:,} → {layer.outputs:,}, {layer.activation}")
        for number, layer in enumerate(model.layers)
    ]
    names = [box.id for box in boxes]
    edges = [charts.GraphEdge(before, after) for before, after in itertools.pairwise(names)]
    return charts.dag(boxes, edges, title="Layers of the model", direction="right")
