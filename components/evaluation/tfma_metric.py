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
    """

    images: int
    sums: npt.NDArray[np.float64]
    counts: slice_metrics.UnitCounts


class SliceCombiner(beam.CombineFn):
    """Sum the metrics of images, and count the active units; memory does not grow with the slice.

    The Beam engine adds images with `add_batch`, TFMA's own steps one by one.
    """

    def __init__(self, model_name: str = "", loss: str = "bce", noise: bool = False) -> None:
        self._model_name = model_name
        self._loss = loss
        self._means = means(loss, noise)

    def create_accumulator(self) -> Accumulator:
        return Accumulator(0, np.zeros(len(self._means)), slice_metrics.UnitCounts())

    def add_batch(self, accumulator: Accumulator, predictions: Mapping[str, npt.NDArray[np.float32]]) -> Accumulator:
        """Add n images. `predictions`: shape (n,) for each name in `means`, and the code of shape (n, units)."""
        columns = [np.asarray(predictions[name], np.float64) for name in self._means]
        codes = predictions[saved_model.CODE]
        return Accumulator(
            accumulator.images + len(codes),
            # In one sum with those before, row by row, so that it changes no bit how many images are added at once.
            np.vstack([accumulator.sums, np.stack(columns, axis=1)]).sum(axis=0),
            accumulator.counts + slice_metrics.UnitCounts.of(codes),
        )

    def add_input(self, accumulator: Accumulator, element: Any) -> Accumulator:
        """Add one image. `element.prediction`: one number per name in `means`, and the code of shape (units,)."""
        image = {name: np.reshape(element.prediction[name], 1) for name in self._means}
        image[saved_model.CODE] = np.reshape(element.prediction[saved_model.CODE], (1, -1))
        return self.add_batch(accumulator, image)

    def merge_accumulators(self, accumulators: Iterable[Accumulator]) -> Accumulator:
        merged = self.create_accumulator()
        for other in accumulators:
            merged = Accumulator(merged.images + other.images, merged.sums + other.sums, merged.counts + other.counts)
        return merged

    def extract_output(self, accumulator: Accumulator) -> dict[metric_types.MetricKey, float]:
        averages = dict(zip(self._means, (accumulator.sums / max(accumulator.images, 1)).tolist(), strict=True))
        values = {**averages, **slice_metrics.measure_slice(averages, accumulator.counts, self._loss)}
        return {_key(key, self._model_name): value for key, value in values.items()}


def _key(name: str, model_name: str) -> metric_types.MetricKey:
    # TFMA's keys of thresholds have example_weighted=None; with the default, False, it would find no metric.
    return metric_types.MetricKey(name=name, model_name=model_name, example_weighted=None)
