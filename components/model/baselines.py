"""Baselines of the reconstruction: the mean image and PCA, in NumPy."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]


@dataclasses.dataclass(frozen=True)
class Pca:
    """The principal components of a set of images.

    Attributes:
      mean: float32, shape (pixels,).
      components: float32, shape (units, pixels), orthonormal rows, the largest variance first.
    """

    mean: Array
    components: Array

    def reconstruct(self, images: Array) -> Array:
        """Project images onto the components: float32, shape (n, pixels) like `images`."""
        centred = images - self.mean
        projected: Array = self.mean + (centred @ self.components.T) @ self.components
        return projected


def fit_pca(batches: Iterable[Array], units: int) -> Pca:
    """Fit PCA by the eigenvectors of the covariance, in the memory of one batch and one covariance.

    Args:
      batches: float32 images, shape (n, pixels) each, at least one image in all.
      units: number of components, at most one per pixel.
    """
    count = 0
    total: Any = 0.0
    products: Any = 0.0
    for images in batches:
        count += len(images)
        # float64: rounding to float32 would swamp the covariance of nearly constant pixels.
        total = total + images.sum(axis=0, dtype=np.float64)
        products = products + (images.T @ images).astype(np.float64)
    mean = total / count
    _, vectors = np.linalg.eigh(products / count - np.outer(mean, mean))
    return Pca(mean.astype(np.float32), vectors[:, ::-1][:, :units].T.astype(np.float32))
