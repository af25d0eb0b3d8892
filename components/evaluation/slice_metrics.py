"""The metrics that are computed from all images of a slice at once, in NumPy. Free of TensorFlow."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from components.evaluation import metrics

Counts = npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True)
class UnitCounts:
    """How often the units of the code are active, as integers: their sum is the same in any order of the images.

    Attributes:
      units: int64, shape (units,): number of images on which a unit is active; shape (0,) without images.
      images: int64, shape (units + 1,): number of images with 0, 1, ..., all units active; shape (0,) without images.
    """

    units: Counts = dataclasses.field(default_factory=lambda: np.zeros(0, np.int64))
    images: Counts = dataclasses.field(default_factory=lambda: np.zeros(0, np.int64))

    @classmethod
    def of(cls, codes: npt.NDArray[np.float32]) -> UnitCounts:
        """Count in the codes of n images, shape (n, units)."""
        active = codes > metrics.ACTIVE_ABOVE
        return cls(
            np.count_nonzero(active, axis=0).astype(np.int64),
            np.bincount(np.count_nonzero(active, axis=1), minlength=codes.shape[1] + 1).astype(np.int64),
        )

    def __add__(self, other: UnitCounts) -> UnitCounts:
        if not (self.units.size and other.units.size):
            return self if self.units.size else other
        return UnitCounts(self.units + other.units, self.images + other.images)


def measure_slice(averages: Mapping[str, float], counts: UnitCounts, loss: str = "bce") -> dict[str, float]:
    """Compute the metrics whose source is `slice`; without images they are 0.

    Args:
      averages: mean over the images of the slice, by metric.
      counts: of the same images.
      loss: that the model was trained with.
    """
    terms = metrics.LOSSES[loss]
    baseline = averages[terms.mean_image.name]
    total = int(counts.images.sum())
    of_images = np.flatnonzero(counts.images)
    per_mille, tenths = 1000 * counts.units, 10 * counts.units  # integers, so that no rounding decides
    return {
        "dead_units": float(np.count_nonzero(counts.units == 0)),
        "near_dead_units": float(np.count_nonzero(per_mille < total)),
        "always_active_units": float(np.count_nonzero(tenths > 9 * total)),
        "active_units_min": float(of_images[0]) if total else 0.0,
        "active_units_median": median(counts.images),
        "active_units_max": float(of_images[-1]) if total else 0.0,
        "effective_units": effective_number(counts.units),
        terms.to_mean_image.name: averages[terms.metric.name] / baseline if baseline else 0.0,
    }


def median(histogram: Counts) -> float:
    """Return the median of the numbers 0, 1, ..., each as often as `histogram` says; without any, 0.

    Of an even number of them it is the mean of the two in the middle, as in NumPy.
    """
    total = int(histogram.sum())
    if not total:
        return 0.0
    until = np.cumsum(histogram)
    middle = [int(np.searchsorted(until, rank, side="right")) for rank in ((total - 1) // 2, total // 2)]
    return sum(middle) / 2


def effective_number(counts: Counts) -> float:
    """Return exp(-sum_j p_j ln p_j), with p_j the share of unit j in all counts; without any, 0.

    It is the number of units that, active equally often, would have the same entropy: the Hill number of order 1.

    Source: M. O. Hill, Diversity and evenness: a unifying notation and its consequences, Ecology 54 (1973).
    """
    shares = counts[counts > 0] / max(int(counts.sum()), 1)
    return float(np.exp(-np.sum(shares * np.log(shares)))) if shares.size else 0.0
