"""The thresholds that a model must meet to be blessed, and results that nodes write. Free of TensorFlow."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

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
LARGEST_RATIO = 0.99  # that `evaluation.max_bce_to_mean_image` may be
_LITTLE_ROOM = 0.05  # between the ratios to the mean image of the least possible loss and of the gate


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

    def slices(self, label_names: Sequence[str] = ()) -> dict[str, dict[str, float]]:
        """Return the metrics by `Gate.slice`, with names of labels in place of their numbers if they are given."""
        labels = {f"label {label_names[label] if label_names else label}": of for label, of in self.per_label.items()}
        return {OVERALL: self.overall, **labels}


def judge(evaluation: Evaluation, gates: Gates, label_names: Sequence[str] = ()) -> tuple[Gate, ...]:
    """Compare a model with the thresholds, for display: overall, then the worst labels. The blessing is TFMA's own.

    Thresholds without a limit are shown for losses only.

    Args:
      evaluation: of the model.
      gates: the limits.
      label_names: by the label's number, for the slices; empty: the numbers themselves.
    """
    overall, slices = evaluation.overall, evaluation.slices(label_names)
    labels = [slice_ for slice_ in slices if slice_ != OVERALL]
    terms = metrics.LOSSES[gates.loss]
    loss, ratio = terms.metric.name, terms.to_mean_image.name
    judged = []
    for name, limit in ((loss, gates.max_loss), (ratio, gates.max_loss_to_mean_image), *gates.of_units.items()):
        judged.append(Gate(name, OVERALL, overall[name], limit, overall[name] <= limit))
    for name, limit in ((loss, gates.max_loss_worst_label), (ratio, gates.max_loss_to_mean_image)):
        if labels:
            worst = max(labels, key=lambda label: slices[label][name])
            value = slices[worst][name]
            judged.append(Gate(name, worst, value, limit, value <= limit))
    return tuple(judged)


# Metrics by `Gate.slice`; None for a number that is not finite, as in JSON.
Slices = Mapping[str, Mapping[str, Any]]
_KEYS = {"metric", "slice", "value", "limit", "passed"}


def shown(
    rows: Iterable[Mapping[str, Any]], overall: Mapping[str, Any], slices: Slices, titles: Mapping[str, str]
) -> tuple[tuple[Gate, ...], Slices]:
    """Return gates and metrics from those of a run that is shown, as `sae show --json` has them.

    Args:
      rows: its thresholds; those without value or limit, or of another form, are left out.
      overall: its metrics.
      slices: its metrics by slice.
      titles: what people see in place of names of slices.
    """
    gates = (
        Gate(one["metric"], titles.get(one["slice"], one["slice"]), one["value"], one["limit"], one["passed"])
        for one in rows
        if one.keys() >= _KEYS and isinstance(one["value"], (int, float)) and isinstance(one["limit"], (int, float))
    )
    return tuple(gates), {OVERALL: overall, **{titles.get(name, name): values for name, values in slices.items()}}


def reasons(judged: Sequence[Gate], slices: Slices | None = None) -> tuple[str, ...]:
    """Return a sentence for each threshold that was not met, and those of `of_floors`.

    Args:
      judged: the gates.
      slices: metrics by `Gate.slice`; None: the second is left out.
    """
    missed = (
        f"{gate.name} {gate.slice} is {_text(gate)}, allowed is at most {gate.limit:g}"
        for gate in judged
        if not gate.passed
    )
    return *missed, *of_floors(judged, slices or {})


def of_floors(judged: Sequence[Gate], slices: Slices) -> tuple[str, ...]:
    """Return a sentence if a ratio to the mean image is missed that the least possible loss misses, or almost."""
    no_floor = next(name for name, terms in metrics.LOSSES.items() if terms.floor is None)
    sentences = []
    for found in _floors(judged, slices):
        if found.ratio > found.limit - _LITTLE_ROOM:
            where = "the test split" if found.slice == OVERALL else found.slice
            higher = f"raise evaluation.max_{found.gate} or " if found.ratio < LARGEST_RATIO else ""
            sentences.append(
                f"{'no model can' if found.missed else 'little room to'} pass: the {found.floor} of {where} is "
                f"{found.ratio:.4f} of the loss of always predicting the mean, so {higher}use model.loss={no_floor}"
            )
    return tuple(sentences)


def attainable(judged: Sequence[Gate], slices: Slices) -> bool:
    """Return whether the least possible loss meets every ratio to the mean image, or the model does."""
    return not any(found.missed for found in _floors(judged, slices))


@dataclasses.dataclass(frozen=True)
class _Floor:
    """The least loss of any model as a share of that of the mean image, in the slice where it is largest.

    The model itself may be worst in another slice.
    """

    gate: str
    limit: float
    floor: str
    slice: str
    ratio: float

    @property
    def missed(self) -> bool:
        return self.ratio > self.limit


def _floors(judged: Sequence[Gate], slices: Slices) -> Iterator[_Floor]:
    """Yield the floor of each ratio to the mean image that the model missed."""
    for terms in metrics.LOSSES.values():
        name = terms.to_mean_image.name
        limits = [gate.limit for gate in judged if gate.name == name and not gate.passed]
        if limits and slices and terms.floor:
            ratios = {slice_: _floor_ratio(terms, values) for slice_, values in slices.items()}
            worst = max(ratios, key=lambda slice_: ratios[slice_])
            yield _Floor(name, min(limits), terms.floor.label, worst, ratios[worst])


def _floor_ratio(terms: metrics.Loss, values: Mapping[str, Any]) -> float:
    """Return the least loss of any model as a share of that of the mean image; 0 if one of them is not known."""
    mean = values.get(terms.mean_image.name) or math.nan
    floor = (values.get(terms.floor.name) if terms.floor else None) or math.nan
    return float(floor / mean) if math.isfinite(floor / mean) else 0.0


def _text(gate: Gate) -> str:
    """Return the value of a gate: a count without decimals, others with four, which show what exceeds the limit."""
    metric = metrics.find(gate.name)
    return metric.text(gate.value) if metric and not metric.decimals else f"{gate.value:.4f}"
