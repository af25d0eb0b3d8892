"""The TFMA metric: means over images, and the units of the code that are active on any image."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from typing import Any

import apache_beam as beam
import numpy as np
import numpy.typing as npt
from tensorflow_model_analysis.metrics import metric_types

from components.evaluation import metrics
from components.model import saved_model


def means(loss: str = "bce") -> tuple[str, ...]:
    """Return the names of the metrics that are means over images, for a model of a loss of `metrics.LOSSES`."""
    return tuple(one.name for one in metrics.evaluated(loss) if one.source == "image")


def names(loss: str = "bce") -> tuple[str, ...]:
    """Return the names of all metrics that are computed here."""
    return (*means(loss), *(one.name for one in metrics.evaluated(loss) if one.source == "slice"))


class SparseAutoencoderMetrics(metric_types.Metric):
    """Compute every metric in `names(loss)` on a slice, in one pass."""

    def __init__(self, name: str = "sparse_autoencoder", loss: str = "bce") -> None:
        super().__init__(functools.partial(_computations, loss=loss), name=name)
        self._loss = loss

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        return {"name": self.name, "loss": self._loss}


def measure_slice(
    averages: Mapping[str, float], ever_active: npt.NDArray[np.bool_], loss: str = "bce"
) -> dict[str, float]:
    """Compute the metrics whose source is `slice`.

    Args:
      averages: mean over the images of the slice, by metric.
      ever_active: bool, shape (units,): whether a unit of the code is active on any of them.
      loss: that the model was trained with.

    Returns:
      `dead_units`, and the mean loss over that of always predicting the mean training image.
    """
    terms = metrics.LOSSES[loss]
    baseline = averages[terms.mean_image.name]
    return {
        "dead_units": float(ever_active.size - ever_active.sum()),
        terms.to_mean_image.name: averages[terms.metric.name] / baseline if baseline else 0.0,
    }


def _computations(
    name: str | None = None, model_names: list[str] | None = None, loss: str = "bce", **_: Any
) -> list[metric_types.MetricComputation]:
    return [
        metric_types.MetricComputation(
            keys=[_key(key, model) for key in names(loss)], preprocessors=None, combiner=SliceCombiner(model, loss)
        )
        for model in model_names or [""]
    ]


# Number of images, sum of each metric in float64, whether each unit was ever active.
Accumulator = tuple[int, npt.NDArray[np.float64], npt.NDArray[np.bool_]]


class SliceCombiner(beam.CombineFn):
    """Sum the metrics of images, and record which units are active on any; memory does not grow with the slice."""

    def __init__(self, model_name: str = "", loss: str = "bce") -> None:
        self._model_name = model_name
        self._loss = loss
        self._means = means(loss)

    def create_accumulator(self) -> Accumulator:
        return 0, np.zeros(len(self._means)), np.zeros(0, np.bool_)

    def add_input(self, accumulator: Accumulator, element: Any) -> Accumulator:
        """Add one image. `element.prediction`: one number per name in `means`, and the code of shape (units,)."""
        count, sums, ever_active = accumulator
        prediction = element.prediction
        values = np.fromiter((np.ravel(prediction[name])[0] for name in self._means), np.float64)
        active = np.ravel(prediction[saved_model.CODE]) > metrics.ACTIVE_ABOVE
        return count + 1, sums + values, (ever_active | active if ever_active.size else active)

    def merge_accumulators(self, accumulators: Iterable[Accumulator]) -> Accumulator:
        count, sums, ever_active = self.create_accumulator()
        for other_count, other_sums, other_active in accumulators:
            count, sums = count + other_count, sums + other_sums
            if other_active.size:
                ever_active = ever_active | other_active if ever_active.size else other_active
        return count, sums, ever_active

    def extract_output(self, accumulator: Accumulator) -> dict[metric_types.MetricKey, float]:
        count, sums, ever_active = accumulator
        averages = dict(zip(self._means, (sums / max(count, 1)).tolist(), strict=True))
        values = {**averages, **measure_slice(averages, ever_active, self._loss)}
        return {_key(key, self._model_name): value for key, value in values.items()}


def _key(name: str, model_name: str) -> metric_types.MetricKey:
    # TFMA's keys of thresholds have example_weighted=None; with the default, False, it would find no metric.
    return metric_types.MetricKey(name=name, model_name=model_name, example_weighted=None)
