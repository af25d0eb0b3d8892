"""The TFMA metric: means of the model's scalars, and which units were ever active."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import apache_beam as beam
import numpy as np
import numpy.typing as npt
from tensorflow_model_analysis.metrics import metric_types

from components.evaluation import image_metrics
from components.evaluation.thresholds import BCE_TO_MEAN_IMAGE
from components.model import saved_model

DEAD_UNITS = "dead_units"
NAMES = (*image_metrics.SCALARS, DEAD_UNITS, BCE_TO_MEAN_IMAGE)


class SparseAutoencoderMetrics(metric_types.Metric):
    """Everything measured on a slice, from one pass.

    One value per name in `NAMES`: the mean over the slice's images of each scalar of `measures.SCALARS`;
    `dead_units`, the number of code units active on none of them; and `bce_to_mean_image`, the mean loss over the
    mean loss of always predicting the mean training image (1 where the model learned nothing more).
    """

    def __init__(self, name: str = "sparse_autoencoder") -> None:
        super().__init__(_computations, name=name)


def _computations(
    name: str | None = None, model_names: list[str] | None = None, **_: Any
) -> list[metric_types.MetricComputation]:
    return [
        metric_types.MetricComputation(
            keys=[_key(key, model) for key in NAMES],
            preprocessors=None,
            combiner=SliceCombiner(model),
        )
        for model in model_names or [""]
    ]


# (images, sum of each scalar in float64, whether each unit was ever active); the memory of one code, not of the slice.
Accumulator = tuple[int, npt.NDArray[np.float64], npt.NDArray[np.bool_]]


class SliceCombiner(beam.CombineFn):
    """Adds up scalars and ORs the activity of units."""

    def __init__(self, model_name: str = "") -> None:
        self._model_name = model_name

    def create_accumulator(self) -> Accumulator:
        return 0, np.zeros(len(image_metrics.SCALARS)), np.zeros(0, np.bool_)

    def add_input(self, accumulator: Accumulator, element: Any) -> Accumulator:
        """Adds one image. `element.prediction`: a scalar per name, and the code of shape (units,)."""
        count, sums, ever_active = accumulator
        prediction = element.prediction
        scalars = np.fromiter((np.ravel(prediction[name])[0] for name in image_metrics.SCALARS), np.float64)
        active = np.ravel(prediction[saved_model.CODE]) > image_metrics.ACTIVE_ABOVE
        return count + 1, sums + scalars, (ever_active | active if ever_active.size else active)

    def merge_accumulators(self, accumulators: Iterable[Accumulator]) -> Accumulator:
        count, sums, ever_active = self.create_accumulator()
        for other_count, other_sums, other_active in accumulators:
            count, sums = count + other_count, sums + other_sums
            if other_active.size:
                ever_active = ever_active | other_active if ever_active.size else other_active
        return count, sums, ever_active

    def extract_output(self, accumulator: Accumulator) -> dict[metric_types.MetricKey, float]:
        count, sums, ever_active = accumulator
        means = dict(zip(image_metrics.SCALARS, (sums / max(count, 1)).tolist(), strict=True))
        values = {
            **means,
            DEAD_UNITS: float(ever_active.size - ever_active.sum()),
            BCE_TO_MEAN_IMAGE: means["bce"] / means["mean_image_bce"] if means["mean_image_bce"] else 0.0,
        }
        return {_key(key, self._model_name): value for key, value in values.items()}


def _key(name: str, model_name: str) -> metric_types.MetricKey:
    # example_weighted=None is what TFMA gives the keys of thresholds; with its default, False, it finds no metric.
    return metric_types.MetricKey(name=name, model_name=model_name, example_weighted=None)
