"""Mean and variance of values in batches, which are merged only when they are asked for.

Importing this module imports TFDV.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from tensorflow_data_validation.utils import variance_util

_Accumulator = variance_util.MeanVarAccumulator
_Moments = tuple[int, float, float]  # number of values, mean, variance


class MeanAndVariance:
    """Replaces TFDV's `MeanVarAccumulator`, which rounds at each merge, so that (a + b) + (c + d) is not a + b + c + d.

    This one keeps the moments of each batch: sums of files merge to the same bits as one sum over all batches.
    """

    def __init__(self) -> None:
        self._batches: list[_Moments] = []

    def update(self, array: npt.NDArray[np.float64]) -> None:
        """Add the values of a batch."""
        batch = _Accumulator()
        batch.update(array)
        if batch.count:
            self._batches.append((batch.count, batch.mean, batch.variance))

    def merge(self, other: MeanAndVariance) -> None:
        """Add the batches of the other one after those of this one."""
        self._batches += other._batches

    @property
    def count(self) -> int:
        """The number of values."""
        return sum(count for count, _, _ in self._batches)

    @property
    def mean(self) -> float:
        """Their mean; 0 without any."""
        return self._moments()[1]

    @property
    def variance(self) -> float:
        """Their variance; 0 without any."""
        return self._moments()[2]

    def _moments(self) -> _Moments:
        merged = _Accumulator()
        for batch in self._batches:
            merged._combine(*batch)
        return merged.count, merged.mean, merged.variance


def replace_accumulator() -> None:
    """Let TFDV use `MeanAndVariance` in this process: it looks the class up whenever it needs one."""
    variance_util.MeanVarAccumulator = MeanAndVariance
