"""Mean and 95 % interval of a metric over the seeds of a combination of settings."""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Sequence

_PROBABILITY = 0.975  # below the upper end; as much is above the lower end


@dataclasses.dataclass(frozen=True)
class Estimate:
    """The mean of a metric over several runs.

    Attributes:
      mean: of the values.
      low, high: ends of the 95 % interval of the mean, by Student's t distribution; None for one value, or where SciPy
        is not installed.
      count: number of values.
    """

    mean: float
    low: float | None
    high: float | None
    count: int

    @property
    def half_width(self) -> float | None:
        """Return half the width of the interval."""
        return None if self.high is None else self.high - self.mean


def estimate(values: Sequence[float]) -> Estimate:
    """Return mean and interval of at least one value: mean ± t * s / sqrt(n), with n - 1 degrees of freedom."""
    mean = statistics.fmean(values)
    if len(values) < 2:
        return Estimate(mean, None, None, len(values))
    quantile = _t_quantile(len(values) - 1)
    if quantile is None:
        return Estimate(mean, None, None, len(values))
    half = quantile * statistics.stdev(values, mean) / math.sqrt(len(values))
    return Estimate(mean, mean - half, mean + half, len(values))


def _t_quantile(degrees: int) -> float | None:
    """Return the quantile of Student's t distribution; None where SciPy is not installed."""
    try:
        from scipy.special import stdtrit  # 0.1 s; `scipy.stats` takes 1 s
    except ModuleNotFoundError:  # an installation that only reads
        return None
    return float(stdtrit(degrees, _PROBABILITY))
