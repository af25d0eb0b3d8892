"""Baselines of the reconstruction: the mean image and PCA, in NumPy."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from components.model.pca_memory import EXACT_INPUTS, OVERSAMPLING

Array = npt.NDArray[np.float32]
Batches = Callable[[], Iterable[Array]]

FILE = "pca.npz"  # in a ModelRun

# On MNIST the squared error is 1.002 times the exact one; each power iteration reads all images once more.
_POWER_ITERATIONS = 2
_ROWS = 256  # images centred at once


@dataclasses.dataclass(frozen=True)
class Pca:
    """The principal components of a set of images.

    Attributes:
      mean: float32, shape (pixels,).
      components: float32, shape (units, pixels), orthonormal rows, the largest variance first.
    """

    mean: Array
    components: Array

    def encode(self, images: Array) -> Array:
        """Return the coordinates of images along the components: float32, shape (n, units)."""
        coordinates: Array = (images - self.mean) @ self.components.T
        return coordinates

    def reconstruct(self, images: Array) -> Array:
        """Project images onto the components: float32, shape (n, pixels) like `images`."""
        projected: Array = self.mean + self.encode(images) @ self.components
        return projected

    def save(self, folder: pathlib.Path) -> None:
        """Write `FILE` into a folder."""
        np.savez(folder / FILE, mean=self.mean, components=self.components)

    @classmethod
    def load(cls, folder: pathlib.Path) -> Pca:
        """Read `FILE` in a folder."""
        with np.load(folder / FILE) as arrays:
            return cls(arrays["mean"], arrays["components"])


def fit(batches: Batches, pixels: int, units: int, seed: int = 0) -> Pca:
    """Fit PCA: exactly up to `EXACT_INPUTS` pixels, else by `fit_randomised`.

    Args:
      batches: returns the images from the first on: float32, shape (n, pixels) each, at least one image in all.
      pixels: size of an image.
      units: number of components; no more than there are pixels are returned.
      seed: of the randomised fit.
    """
    return fit_pca(batches(), units) if pixels <= EXACT_INPUTS else fit_randomised(batches, pixels, units, seed)


def fit_randomised(batches: Batches, pixels: int, units: int, seed: int) -> Pca:
    """Fit PCA by a randomised singular value decomposition of the centred images, read in three passes.

    Takes memory for one batch and a few arrays of shape (pixels, units + 32), in float64. The same batches and seed
    give the same result.

    Source: N. Halko, P. G. Martinsson, J. A. Tropp, Finding structure with randomness: probabilistic algorithms for
    constructing approximate matrix decompositions, SIAM Review 53 (2011), algorithms 4.4 and 5.1.
    """
    size = min(units + OVERSAMPLING, pixels)
    basis = np.linalg.qr(np.random.default_rng(seed).standard_normal((pixels, size)))[0]
    mean: Any = None
    for _ in range(_POWER_ITERATIONS):
        count, mean, across, _ = _pass(batches, mean, basis)
        basis = np.linalg.qr(across)[0]
    # The covariance within the basis, whose eigenvectors are those of the images.
    count, mean, _, within = _pass(batches, mean, basis)
    _, vectors = np.linalg.eigh(within / count)
    components = (basis @ vectors[:, ::-1][:, :units]).T
    # The sign of an eigenvector is arbitrary.
    largest = np.take_along_axis(components, np.abs(components).argmax(axis=1)[:, np.newaxis], axis=1)
    return Pca(mean.astype(np.float32), (components * np.where(largest < 0, -1.0, 1.0)).astype(np.float32))


def mean_image(batches: Iterable[Array]) -> Array:
    """Return the mean of images, shape (n, pixels) each, at least one in all: float32, shape (pixels,)."""
    count: int = 0
    total: Any = 0.0
    for images in batches:
        count += len(images)
        total = total + images.sum(axis=0, dtype=np.float64)
    mean: Array = (total / count).astype(np.float32)
    return mean


def _pass(batches: Batches, mean: Any, basis: Any) -> tuple[int, Any, Any, Any]:
    """Read all images once and return their number, their mean, and of the centred images X: X'XB and B'X'XB.

    Args:
      batches: as for `fit`.
      mean: float64, shape (pixels,); None in the first pass, which computes it.
      basis: B, float64, shape (pixels, size).

    Returns:
      The products are float64, of shape (pixels, size) and (size, size).
    """
    count, total = 0, np.zeros(len(basis))
    across, within = np.zeros_like(basis), np.zeros((basis.shape[1], basis.shape[1]))
    # float32 for the large products, which takes half the time; their sums are in float64.
    directions = basis.astype(np.float32)
    origin: Any = None if mean is None else mean.astype(np.float32)
    for images in batches():
        if origin is None:
            origin = images.mean(axis=0, dtype=np.float64).astype(np.float32)  # near the mean, so that little cancels
        for start in range(0, len(images), _ROWS):
            centred = images[start : start + _ROWS] - origin
            projected = centred @ directions
            across += centred.T @ projected
            within += projected.T @ projected
            if mean is None:
                total += centred.sum(axis=0, dtype=np.float64)
        count += len(images)
    if mean is None:
        # The images were centred at `origin`, which is off the mean by `shift`.
        shift = total / count
        mean, along = origin + shift, shift @ basis
        across -= count * np.outer(shift, along)
        within -= count * np.outer(along, along)
    return count, mean, across, within


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
