"""The thresholds that a model must meet to be blessed, and results that nodes write. Free of TensorFlow."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from components.evaluation import metrics


@dataclasses.dataclass(frozen=True)
class EpochLosses:
    """Mean losses of one epoch, nats per pixel, finite; training losses are measured while the weights change.

    Attributes:
      epoch: from 1.
      loss: reconstruction and L1 penalty, train split.
      reconstruction: binary cross-entropy alone, train split.
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
      slice: `overall` or `label 3`; empty: all test images.
      value, limit: passed if value <= limit; inf: no limit.
      passed: whether the value is within the limit.
    """

    name: str
    slice: str
    value: float
    limit: float
    passed: bool


OVERALL = "overall"
BCE, BCE_TO_MEAN_IMAGE = metrics.BCE.name, metrics.BCE_TO_MEAN_IMAGE.name


@dataclasses.dataclass(frozen=True)
class Gates:
    """The limits of the thresholds. Losses in nats per pixel, without the penalty; inf: no limit.

    Attributes:
      max_bce: largest mean loss over the test split.
      max_bce_worst_label: largest mean loss over the test images of any one label.
      max_bce_to_mean_image: largest ratio of the loss to that of the mean training image, overall and for any label.
    """

    max_bce: float
    max_bce_worst_label: float
    max_bce_to_mean_image: float


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """The metrics in a ModelEvaluation.

    Attributes:
      overall: value by name, one for each of `metrics.evaluated()`.
      per_label: the same by label, the labels rising.
    """

    overall: dict[str, float]
    per_label: dict[int, dict[str, float]]


def judge(evaluation: Evaluation, gates: Gates) -> tuple[Gate, ...]:
    """Compare a model with the thresholds, for display: overall, then the worst labels. The blessing is TFMA's own."""
    overall, per_label = evaluation.overall, evaluation.per_label
    judged = []
    for name, limit in ((BCE, gates.max_bce), (BCE_TO_MEAN_IMAGE, gates.max_bce_to_mean_image)):
        judged.append(Gate(name, OVERALL, overall[name], limit, overall[name] <= limit))
    for name, limit in ((BCE, gates.max_bce_worst_label), (BCE_TO_MEAN_IMAGE, gates.max_bce_to_mean_image)):
        if per_label:
            worst = max(per_label, key=lambda label: per_label[label][name])
            value = per_label[worst][name]
            judged.append(Gate(name, f"label {worst}", value, limit, value <= limit))
    return tuple(judged)


def reasons(judged: Iterable[Gate]) -> tuple[str, ...]:
    """Return a sentence for each threshold that was not met."""
    return tuple(
        f"{gate.name} {gate.slice} is {gate.value:.4f}, allowed is at most {gate.limit:g}"
        for gate in judged
        if not gate.passed
    )
