"""The TFMA metric: means over images, and metrics of all images of a slice."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any

import apache_beam as beam
import numpy as np
import numpy.typing as npt
from tensorflow_model_analysis.metrics import metric_types

from components.evaluation import metrics, slice_metrics
from components.model import saved_model


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


# Number of images, sum of each metric in float64, how often units are active.
Accumulator = tuple[int, npt.NDArray[np.float64], slice_metrics.UnitCounts]


class SliceCombiner(beam.CombineFn):
    """Sum the metrics of images, and count the active units; memory does not grow with the slice."""

    def __init__(self, model_name: str = "", loss: str = "bce", noise: bool = False) -> None:
        self._model_name = model_name
        self._loss = loss
        self._means = means(loss, noise)

    def create_accumulator(self) -> Accumulator:
        return 0, np.zeros(len(self._means)), slice_metrics.UnitCounts()

    def add_input(self, accumulator: Accumulator, element: Any) -> Accumulator:
        """Add one image. `element.prediction`: one number per name in `means`, and the code of shape (units,)."""
        count, sums, counts = accumulator
        prediction = element.prediction
        values = np.fromiter((np.ravel(prediction[name])[0] for name in self._means), np.float64)
        code = np.ravel(prediction[saved_model.CODE])
        return count + 1, sums + values, counts + slice_metrics.UnitCounts.of(code[np.newaxis])

    def merge_accumulators(self, accumulators: Iterable[Accumulator]) -> Accumulator:
        count, sums, counts = self.create_accumulator()
        for other_count, other_sums, other_counts in accumulators:
            count, sums, counts = count + other_count, sums + other_sums, counts + other_counts
        return count, sums, counts

    def extract_output(self, accumulator: Accumulator) -> dict[metric_types.MetricKey, float]:
        count, sums, counts = accumulator
        averages = dict(zip(self._means, (sums / max(count, 1)).tolist(), strict=True))
        values = {**averages, **slice_metrics.measure_slice(averages, counts, self._loss)}
        return {_key(key, self._model_name): value for key, value in values.items()}


def _key(name: str, model_name: str) -> metric_types.MetricKey:
    # TFMA's keys of thresholds have example_weighted=None; with the default, False, it would find no metric.
    return metric_types.MetricKey(name=name, model_name=model_name, example_weighted=None)
