"""What the report needs of the test split, from its batches: sums, the strongest examples, and few images.

Memory does not grow with the number of images, but for 8 bytes for the label of each.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from components.evaluation import metrics
from components.model.baselines import Pca

TOP = 8  # examples listed for each unit

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True)
class Activity:
    """What the units of the code do on a split.

    Attributes:
      frequency: float64, shape (units,): share of the images on which each unit is active; 0: dead.
      mean: float64, shape (units,): mean activation over these images; 0 for a dead unit.
      top: int64, shape (TOP, units): numbers of the images with the largest activations, the largest first and of
        equal ones the earlier first; -1 where the unit is active on fewer images.
      top_activations: float32, shape (TOP, units): these activations; 0 where there is none.
      profile: float64, shape (labels, units): mean activation over all images of each label; empty without labels.
    """

    frequency: Doubles
    mean: Doubles
    top: Numbers
    top_activations: Floats
    profile: Doubles


class ActivitySums:
    """Add up the activity of the units over batches of codes, in their order."""

    def __init__(self, labels: int = 0) -> None:
        """Begin; `labels` is how many there are, 0 of data without labels."""
        self._labels = labels
        self._images = 0
        self._active: Any = 0
        self._sums: Any = None
        self._top: Any = None  # numbers and activations
        self._label_sums: Any = None
        self._label_images = np.zeros(labels, np.int64)

    def add(self, codes: Floats, labels: Numbers | None) -> None:
        """Add a batch: float32 codes, shape (n, units), >= 0, and int64 labels, shape (n,), if there are any."""
        if self._sums is None:
            units = codes.shape[1]
            self._sums = np.zeros(units)
            self._top = np.full((TOP, units), -1, np.int64), np.zeros((TOP, units), np.float32)
            self._label_sums = np.zeros((self._labels, units))
        self._active = self._active + (codes > metrics.ACTIVE_ABOVE).sum(axis=0)
        # In one sum with those before it, so that the size of a batch changes no bit.
        self._sums = np.vstack([self._sums, codes]).sum(axis=0)
        numbers, activations = self._top
        self._top = _largest(numbers, activations, codes, self._images)
        if labels is not None and self._labels:
            for label in np.unique(labels):
                self._label_sums[label] = np.vstack([self._label_sums[label], codes[labels == label]]).sum(axis=0)
            self._label_images += np.bincount(labels, minlength=self._labels)
        self._images += len(codes)

    def activity(self) -> Activity:
        """Return the activity on all images so far, at least one."""
        profile = self._label_sums / np.maximum(self._label_images, 1)[:, np.newaxis]
        means = self._sums / np.maximum(self._active, 1)
        numbers, activations = self._top
        return Activity(self._active / self._images, means, numbers, activations, profile)


def _largest(top: Numbers, activations: Floats, codes: Floats, first: int) -> tuple[Numbers, Floats]:
    """Return numbers and activations of the strongest images, of those before and of `codes`, numbered from `first`."""
    numbers = np.where(codes > metrics.ACTIVE_ABOVE, first + np.arange(len(codes))[:, np.newaxis], -1)
    every_number, every = np.vstack([top, numbers]), np.vstack([activations, codes])
    # Stable, so that of equal activations the earlier image comes first; places without an image are 0.
    order = np.argsort(-every, axis=0, kind="stable")[:TOP]
    kept = np.take_along_axis(every_number, order, axis=0)
    return kept, np.where(kept < 0, np.float32(0), np.take_along_axis(every, order, axis=0))


@dataclasses.dataclass(frozen=True)
class Measured:
    """A split after one pass.

    Attributes:
      images: their number.
      labels: int64, shape (images,); None without labels.
      activity: of the units.
      pca_mse: mean squared error per value of the PCA.
      low, high: the smallest and the largest value of all images.
    """

    images: int
    labels: Numbers | None
    activity: Activity
    pca_mse: float
    low: float
    high: float


def measure(batches: Iterable[tuple[Floats, Floats, Numbers | None]], pca: Pca, labels: int) -> Measured:
    """Measure a split.

    Args:
      batches: images, float32, shape (n, values), their codes, and int64 labels or None; at least one image in all.
      pca: fitted on train.
      labels: number of labels; 0: none.
    """
    sums = ActivitySums(labels)
    images, error, values = 0, 0.0, 0
    found: list[Numbers] = []
    low, high = np.inf, -np.inf
    for batch, codes, of_batch in batches:
        sums.add(codes, of_batch)
        error += float(np.square(batch - pca.reconstruct(batch)).sum(dtype=np.float64))
        images, values = images + len(batch), values + batch.size
        low, high = min(low, float(batch.min())), max(high, float(batch.max()))
        if of_batch is not None:
            found.append(of_batch)
    every_label = np.concatenate(found) if found else None
    return Measured(images, every_label, sums.activity(), error / values, low, high)
