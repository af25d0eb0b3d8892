"""The thresholds that a model must meet to be blessed, and results that nodes write. Free of TensorFlow."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Sequence

from components.evaluation import metrics


@dataclasses.dataclass(frozen=True)
class EpochLosses:
    """Mean losses of one epoch, finite; training losses are measured while the weights change.

    Attributes:
      epoch: from 1.
      loss: reconstruction and penalty on the code, train split.
      reconstruction: the reconstruction loss alone (`bce`, nats per pixel, or `mse`), train split.
      val_loss, val_reconstruction: the same on the validation split, after the epoch.
    """

    epoch: int
    loss: float
    reconstruction: float
    val_loss: float
    val_reconstruction: float


@dataclasses.dataclass(frozen=True)
class Gate:
    """A threshold that a model must meet to be blessed, and the measured value.

    Attributes:
      name: of the metric, one of `metrics.METRICS`.
      slice: `overall`, `label 3` or `label cat`; empty: all test images.
      value, limit: passed if value <= limit; inf: no limit.
      passed: whether the value is within the limit.
    """

    name: str
    slice: str
    value: float
    limit: float
    passed: bool


OVERALL = "overall"


@dataclasses.dataclass(frozen=True)
class Gates:
    """The limits of the thresholds. Losses are without the penalty; inf: no limit.

    Attributes:
      max_loss: largest mean loss over the test split.
      max_loss_worst_label: largest mean loss over the test images of any one label.
      max_loss_to_mean_image: largest ratio of the loss to that of the mean training image, overall and for any label.
      loss: that the model is trained with, a key of `metrics.LOSSES`.
      max_dead_units: most units of the code that are active on none of the test images.
      max_active_units: largest mean number of active units of a test image.
      noise: whether the model is trained with noise on the images, and so has metrics of noisy images.
    """

    max_loss: float
    max_loss_worst_label: float
    max_loss_to_mean_image: float
    loss: str = "bce"
    max_dead_units: float = math.inf
    max_active_units: float = math.inf
    noise: bool = False

    @property
    def of_units(self) -> dict[str, float]:
        """The limits of the units of the code by the name of their metric, without those that limit nothing."""
        limits = {"dead_units": self.max_dead_units, "active_units": self.max_active_units}
        return {name: limit for name, limit in limits.items() if math.isfinite(limit)}


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """The metrics in a ModelEvaluation.

    Attributes:
      overall: value by name, one for each of `metrics.evaluated`.
      per_label: the same by label, the labels rising; empty without labels.
    """

    overall: dict[str, float]
    per_label: dict[int, dict[str, float]]


def judge(evaluation: Evaluation, gates: Gates, label_names: Sequence[str] = ()) -> tuple[Gate, ...]:
    """Compare a model with the thresholds, for display: overall, then the worst labels. The blessing is TFMA's own.

    Thresholds without a limit are shown for losses only.

    Args:
      evaluation: of the model.
      gates: the limits.
      label_names: by the label's number, for the slices; empty: the numbers themselves.
    """
    overall, per_label = evaluation.overall, evaluation.per_label
    terms = metrics.LOSSES[gates.loss]
    loss, ratio = terms.metric.name, terms.to_mean_image.name
    judged = []
    for name, limit in ((loss, gates.max_loss), (ratio, gates.max_loss_to_mean_image), *gates.of_units.items()):
        judged.append(Gate(name, OVERALL, overall[name], limit, overall[name] <= limit))
    for name, limit in ((loss, gates.max_loss_worst_label), (ratio, gates.max_loss_to_mean_image)):
        if per_label:
            worst = max(per_label, key=lambda label: per_label[label][name])
            value = per_label[worst][name]
            judged.append(
                Gate(name, f"label {label_names[worst] if label_names else worst}", value, limit, value <= limit)
            )
    return tuple(judged)


def reasons(judged: Iterable[Gate]) -> tuple[str, ...]:
    """Return a sentence for each threshold that was not met."""
    return tuple(
        f"{gate.name} {gate.slice} is {_text(gate)}, allowed is at most {gate.limit:g}"
        for gate in judged
        if not gate.passed
    )


def _text(gate: Gate) -> str:
    """Return the value of a gate: a count without decimals, others with four, which show what exceeds the limit."""
    metric = metrics.find(gate.name)
    return metric.text(gate.value) if metric and not metric.decimals else f"{gate.value:.4f}"
