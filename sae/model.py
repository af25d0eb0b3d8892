"""Use the trained model of a run on NumPy arrays."""

from __future__ import annotations

import dataclasses
import math
import os
import pathlib
from typing import Any

import numpy as np
import numpy.typing as npt

from components.data import features
from pipeline.core.errors import NotFoundError, UsageError

_BATCH = 1_000  # images
_PIXELS = ("uint8", "uint16")


@dataclasses.dataclass(frozen=True)
class RawData:
    """The data set that a model was trained on, and how the model's transform graph scales it.

    Attributes:
      dtype: `uint8`, `uint16` or `float32`.
      scaling: the setting `data.scaling`: `auto`, `range` or `standard`.
      shape: height, width and channels of an image; empty for a vector, or if unknown.
    """

    dtype: str = "uint8"
    scaling: str = "auto"
    shape: tuple[int, ...] = ()

    @property
    def divides(self) -> bool:
        """Whether the graph only divides pixels by their largest value, so that any pixels can be scaled here."""
        return self.scaling == "auto" and self.dtype in _PIXELS

    @property
    def are_pictures(self) -> bool:
        """Whether examples contain PNG files, not numbers."""
        return self.dtype in _PIXELS and bool(self.shape)


class LoadedModel:
    """A SavedModel that reads images or vectors as the data set has them, and scales them as its training data.

    Images are n arrays with as many values as the model reads, such as (n, 784) or (n, 28, 28):

    * pixels that the model divides by their largest value: uint8, uint16, or floats in [0, 1];
    * pixels that are scaled otherwise: uint8 or uint16, as in the data set;
    * other data: finite numbers.

    Attributes:
      path: the folder of the SavedModel.
      raw: the data set that the model was trained on.
    """

    def __init__(self, path: pathlib.Path, raw: RawData | None = None) -> None:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # its errors become exceptions
        import tensorflow as tf

        self.path = path
        self.raw = raw or RawData()
        self._loaded = tf.saved_model.load(str(path))  # keeps the variables that the signatures use
        self._tf = tf

    def encode(self, images: npt.ArrayLike, *, scaled: bool = False) -> npt.NDArray[np.float32]:
        """Return the codes of images: float32, shape (n, code units).

        Args:
          images: as the data set has them.
          scaled: whether they are floats that were scaled already as the model does: in [0, 1], unless standardised.

        Raises:
          UsageError: the images have another size, another type or values out of range.
        """
        return self._call("encode", "evaluate", "code", images, scaled)

    def reconstruct(self, images: npt.ArrayLike, *, scaled: bool = False) -> npt.NDArray[np.float32]:
        """Return the reconstructions of images: float32, in the shape of the images, in the model's scale.

        Args:
          images, scaled: as for `encode`.

        Raises:
          UsageError: as for `encode`.
        """
        made = self._call("reconstruct", "serving_default", "reconstruction", images, scaled)
        return made.reshape(np.shape(images))

    def __repr__(self) -> str:
        return f"LoadedModel({str(self.path)!r})"

    def _call(
        self, of_scaled: str, of_examples: str, output: str, images: npt.ArrayLike, scaled: bool
    ) -> npt.NDArray[np.float32]:
        """Return an output of the signature that reads scaled images, or of the one that scales what it reads."""
        signature = self._signature(of_scaled)
        [(argument, spec)] = signature.structured_input_signature[1].items()
        checked = as_model_input(images, int(spec.shape[1]), self.raw, scaled)
        serialized = not (scaled or self.raw.divides)
        made: list[Any] = [np.zeros((0, int(signature.structured_outputs[output].shape[1])), np.float32)]
        for start in range(0, len(checked), _BATCH):
            some = checked[start : start + _BATCH]
            if serialized:
                found = self._signature(of_examples)(examples=self._tf.constant(self._examples(some)))
            else:
                found = signature(**{argument: self._tf.constant(some)})
            made.append(found[output].numpy())
        return np.concatenate(made)

    def _signature(self, name: str) -> Any:
        if name not in self._loaded.signatures:
            raise NotFoundError(
                f"the model {self.path} has no signature {name} (it has: {', '.join(sorted(self._loaded.signatures))})"
            )
        return self._loaded.signatures[name]

    def _examples(self, images: npt.NDArray[Any]) -> list[bytes]:
        """Return images, shape (n, size), as serialized tf.Examples."""
        train = self._tf.train
        if self.raw.are_pictures:
            pictures = images.reshape(len(images), *self.raw.shape)
            found = [
                (features.IMAGE, train.Feature(bytes_list=train.BytesList(value=[self._tf.io.encode_png(one).numpy()])))
                for one in pictures
            ]
        else:
            found = [(features.VALUES, train.Feature(float_list=train.FloatList(value=one))) for one in images]
        return [
            train.Example(features=train.Features(feature={name: value})).SerializeToString() for name, value in found
        ]


def as_model_input(
    images: npt.ArrayLike, size: int, raw: RawData | None = None, scaled: bool = False
) -> npt.NDArray[Any]:
    """Check images, and return them as a signature reads them or as examples contain them: shape (n, size).

    Args:
      images: shape (n, ...), `size` values for each of n >= 0 images.
      size: values of an image.
      raw: the data set that the model was trained on; by default 8-bit pixels.
      scaled: whether they are scaled already.

    Returns:
      float32: scaled images, or values that the model scales; uint8 or uint16: pixels that the model scales.

    Raises:
      UsageError: another shape or type, NaN, or values out of range.
    """
    raw = raw or RawData()
    try:
        array = np.asarray(images)
    except ValueError as error:  # lists of several lengths
        raise UsageError(
            f"these images are no array: {error}; give one of numbers, of shape (n, {size}) or (n, ...)"
        ) from error
    if array.ndim < 2 or math.prod(array.shape[1:]) != size:
        one = "; a single image needs images[None]" if array.size == size else ""
        raise UsageError(
            f"images of shape {array.shape} are not allowed: give (n, {size}), or any shape (n, ...) with {size} "
            f"values for each image{one}"
        )
    flat = array.reshape(len(array), size)
    if raw.divides and not scaled and array.dtype.name in _PIXELS:
        return flat.astype(np.float32) / np.float32(np.iinfo(array.dtype).max)
    if raw.are_pictures and not raw.divides and not scaled:
        if array.dtype.name != raw.dtype:
            raise UsageError(
                f"images of type {array.dtype} are not allowed: give {raw.dtype}, as the data set has, which the model "
                f"scales, or floats that are scaled already, with scaled=True"
            )
        return flat
    in_range = raw.divides or (scaled and raw.scaling != "standard")
    kinds = "f" if in_range or scaled else "fiub"
    if array.dtype.kind not in kinds:
        allowed = "floats" if scaled else "uint8, uint16, or floats in [0, 1]" if in_range else "numbers"
        raise UsageError(f"images of type {array.dtype} are not allowed: give {allowed}")
    with np.errstate(over="ignore"):  # becomes infinite, which is refused
        flat = flat.astype(np.float32)
    finite = np.isfinite(flat).all(axis=1)
    if not finite.all():
        raise UsageError(f"image {int(np.argmin(finite)):,} has values that are NaN or infinite: give finite numbers")
    if in_range and flat.size and not (flat.min() >= 0 and flat.max() <= 1):
        otherwise = f"floats in [0, 1], or {'raw data without scaled=True' if scaled else raw.dtype}"
        raise UsageError(f"images with values from {flat.min():g} to {flat.max():g} are not allowed: give {otherwise}")
    return flat
