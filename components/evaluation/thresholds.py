"""What nodes tell each other and people, free of TensorFlow: losses of an epoch, and how a model stood to a gate."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable


@dataclasses.dataclass(frozen=True)
class EpochLosses:
    """Mean losses of one epoch, nats per pixel, finite; the training losses are those seen while the weights moved.

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
    """One threshold that a model must reach to be blessed, and how it stood to it.

    Attributes:
      name: of the metric.
      slice: `overall` or `label 3`; empty: all test images.
      value, limit: passed when value <= limit; an infinite limit is no gate.
      passed: whether it did.
    """

    name: str
    slice: str
    value: float
    limit: float
    passed: bool


OVERALL = "overall"
BCE = "bce"
BCE_TO_MEAN_IMAGE = "bce_to_mean_image"


@dataclasses.dataclass(frozen=True)
class Gates:
    """What a model must reach. Losses in nats per pixel, without the penalty; inf is no gate.

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
    """The Evaluator's answer.

    Attributes:
      overall: value by metric name (`metrics.NAMES` and `example_count`).
      per_label: the same by the label's number, the numbers rising.
    """

    overall: dict[str, float]
    per_label: dict[int, dict[str, float]]


def judge(evaluation: Evaluation, gates: Gates) -> tuple[Gate, ...]:
    """How a model stood to its gates, for display (the blessing is TFMA's own): overall, then the worst labels."""
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
    """A sentence for each gate that was not passed."""
    return tuple(
        f"{gate.name} {gate.slice} is {gate.value:.4f}, allowed is at most {gate.limit:g}"
        for gate in judged
        if not gate.passed
    )
