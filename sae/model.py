"""Use the trained model of a run on NumPy arrays."""

from __future__ import annotations

import math
import os
import pathlib
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.core.errors import NotFoundError, UsageError

_BATCH = 1_000  # images


class LoadedModel:
    """A SavedModel whose signatures read images.

    Images are n arrays with as many values as the model reads, such as (n, 784) or (n, 28, 28): uint8 or uint16, which
    are divided by 255 or 65,535, or floats in [0, 1]. If Transform scales the data otherwise, such as data of floats,
    images are floats that are scaled already.

    Attributes:
      path: the folder of the SavedModel.
      pixels: whether its training images were pixels, divided by their largest value.
    """

    def __init__(self, path: pathlib.Path, pixels: bool = True) -> None:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # its errors become exceptions
        import tensorflow as tf

        self.path = path
        self.pixels = pixels
        self._loaded = tf.saved_model.load(str(path))  # keeps the variables that the signatures use
        self._constant = tf.constant

    def encode(self, images: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """Return the codes of images: float32, shape (n, code units).

        Raises:
          UsageError: the images have another size, another type or values out of range.
        """
        return self._call("encode", images)

    def reconstruct(self, images: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """Return the reconstructions of images: float32, in the shape of the images, in the model's scale.

        Raises:
          UsageError: as for `encode`.
        """
        return self._call("reconstruct", images).reshape(np.shape(images))

    def __repr__(self) -> str:
        return f"LoadedModel({str(self.path)!r})"

    def _call(self, name: str, images: npt.ArrayLike) -> npt.NDArray[np.float32]:
        if name not in self._loaded.signatures:
            raise NotFoundError(
                f"the model {self.path} has no signature {name} (it has: {', '.join(sorted(self._loaded.signatures))})"
            )
        signature = self._loaded.signatures[name]
        [(argument, spec)] = signature.structured_input_signature[1].items()
        scaled = as_model_input(images, int(spec.shape[1]), self.pixels)
        [output] = signature.structured_outputs
        starts = range(0, max(len(scaled), 1), _BATCH)
        made: list[Any] = [
            signature(**{argument: self._constant(scaled[start : start + _BATCH])})[output].numpy() for start in starts
        ]
        return np.concatenate(made)


def as_model_input(images: npt.ArrayLike, size: int, pixels: bool = True) -> npt.NDArray[np.float32]:
    """Return images as a model reads them: float32, shape (n, size).

    Args:
      images: shape (n, ...), `size` values for each of n >= 0 images: uint8, uint16 or floats in [0, 1], or, if not
        `pixels`, floats as Transform scales them.
      size: values of an image.
      pixels: whether the model's training images were pixels, divided by their largest value.

    Raises:
      UsageError: another shape or type, NaN, or values out of range.
    """
    array = np.asarray(images)
    allowed = f"give (n, {size}), or any shape (n, ...) with {size} values for each image"
    if array.ndim < 2 or math.prod(array.shape[1:]) != size:
        one = "; a single image needs images[None]" if array.size == size else ""
        raise UsageError(f"images of shape {array.shape} are not allowed: {allowed}{one}")
    flat = array.reshape(len(array), size)
    if not pixels:
        if array.dtype.kind != "f" or not np.isfinite(flat).all():
            raise UsageError(
                f"images of type {array.dtype} are not allowed: the data of this model is scaled by its range or "
                "deviation, so give finite floats that are scaled as Transform does"
            )
        return flat.astype(np.float32)
    if array.dtype in (np.uint8, np.uint16):
        return flat.astype(np.float32) / np.float32(np.iinfo(array.dtype).max)
    if array.dtype.kind != "f":
        raise UsageError(f"images of type {array.dtype} are not allowed: give uint8, uint16, or floats in [0, 1]")
    if flat.size and not (flat.min() >= 0 and flat.max() <= 1):  # NaN is neither
        raise UsageError(
            f"images with values from {flat.min():g} to {flat.max():g} are not allowed: give floats in [0, 1], or uint8"
        )
    return flat.astype(np.float32)
