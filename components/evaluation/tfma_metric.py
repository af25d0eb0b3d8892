"""The TFMA metric: means over images, and metrics of all images of a slice."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable, Mapping
from typing import Any

import apache_beam as beam
import numpy as np
import numpy.typing as npt
from tensorflow_model_analysis.metrics import metric_types

from components.evaluation import metrics, slice_metrics
from components.model import saved_model

_IMAGES = 500  # added at once


def means(loss: str = "bce", noise: bool = False) -> tuple[str, ...]:
    """Return the names of the metrics that are means over images; arguments as for `metrics.evaluated`."""
    return tuple(one.name for one in metrics.evaluated(loss, noise) if one.source == "image")


def names(loss: str = "bce", noise: bool = False) -> tuple[str, ...]:
    """Return the names of all metrics that are computed here."""
    return (*means(loss, noise), *(one.name for one in metrics.evaluated(loss, noise) if one.source == "slice"))


class SparseAutoencoderMetrics(metric_types.Metric):
    """Compute every metric in `names(loss, noise)` on a slice, in one pass."""

    def __init__(self, name: str = "sparse_autoencoder", loss: str = "bce", noise: bool = False) -> None:
        super().__init__(functools.partial(_computations, loss=loss, noise=noise), name=name)
        self._loss, self._noise = loss, noise

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        return {"name": self.name, "loss": self._loss, "noise": self._noise}


def _computations(
    name: str | None = None, model_names: list[str] | None = None, loss: str = "bce", noise: bool = False, **_: Any
) -> list[metric_types.MetricComputation]:
    return [
        metric_types.MetricComputation(
            keys=[_key(key, model) for key in names(loss, noise)],
            preprocessors=None,
            combiner=SliceCombiner(model, loss, noise),
        )
        for model in model_names or [""]
    ]


@dataclasses.dataclass(frozen=True)
class Accumulator:
    """What is known of the images of a slice so far.

    Attributes:
      images: their number.
      sums: float64, shape (metrics,): sum of each metric in `means`.
      counts: how often units are active.
      waiting: predictions of further images, which are not in the others yet.
    """

    images: int
    sums: npt.NDArray[np.float64]
    counts: slice_metrics.UnitCounts
    waiting: list[Mapping[str, Any]] = dataclasses.field(default_factory=list)


class SliceCombiner(beam.CombineFn):
    """Sum the metrics of images, and count the active units; memory does not grow with the slice.

    Images are added many at once, because NumPy takes as long for the numbers of one image as for those of hundreds.
    """

    def __init__(self, model_name: str = "", loss: str = "bce", noise: bool = False) -> None:
        self._model_name = model_name
        self._loss = loss
        self._means = means(loss, noise)

    def create_accumulator(self) -> Accumulator:
        return Accumulator(0, np.zeros(len(self._means)), slice_metrics.UnitCounts())

    def add_input(self, accumulator: Accumulator, element: Any) -> Accumulator:
        """Add one image. `element.prediction`: one number per name in `means`, and the code of shape (units,)."""
        accumulator.waiting.append(element.prediction)
        return accumulator if len(accumulator.waiting) < _IMAGES else self.compact(accumulator)

    def compact(self, accumulator: Accumulator) -> Accumulator:
        """Return the same images, with none of them waiting."""
        waiting = accumulator.waiting
        if not waiting:
            return accumulator
        columns = [np.array([one[name] for one in waiting], np.float64).reshape(-1) for name in self._means]
        codes = np.array([one[saved_model.CODE] for one in waiting]).reshape(len(waiting), -1)
        return Accumulator(
            accumulator.images + len(waiting),
            # In one sum with those before, row by row, so that it changes no bit how many images are added at once.
            np.vstack([accumulator.sums, np.stack(columns, axis=1)]).sum(axis=0),
            accumulator.counts + slice_metrics.UnitCounts.of(codes),
        )

    def merge_accumulators(self, accumulators: Iterable[Accumulator]) -> Accumulator:
        merged = self.create_accumulator()
        for other in map(self.compact, accumulators):
            merged = Accumulator(merged.images + other.images, merged.sums + other.sums, merged.counts + other.counts)
        return merged

    def extract_output(self, accumulator: Accumulator) -> dict[metric_types.MetricKey, float]:
        found = self.compact(accumulator)
        averages = dict(zip(self._means, (found.sums / max(found.images, 1)).tolist(), strict=True))
        values = {**averages, **slice_metrics.measure_slice(averages, found.counts, self._loss)}
        return {_key(key, self._model_name): value for key, value in values.items()}


def _key(name: str, model_name: str) -> metric_types.MetricKey:
    # TFMA's keys of thresholds have example_weighted=None; with the default, False, it would find no metric.
    return metric_types.MetricKey(name=name, model_name=model_name, example_weighted=None)
