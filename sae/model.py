"""Use the trained model of a run on NumPy arrays."""

from __future__ import annotations

import dataclasses
import math
import os
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from components.data import tf_example
from components.model.signature_call import on_rows
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

    def __init__(self, path: pathlib.Path, raw: RawData = RawData()) -> None:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # its errors become exceptions
        import tensorflow as tf

        self.path = path
        self.raw = raw
        self._loaded = tf.saved_model.load(str(path))  # keeps the variables that the signatures use

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

    def decode(self, codes: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """Return what the decoder makes of codes: float32, shape (n, values of an image), in the model's scale.

        Args:
          codes: finite numbers, shape (n, code units), n >= 0; they need not be codes of images.

        Raises:
          UsageError: the codes have another shape, or are not finite numbers.
          NotFoundError: the model was trained before models had a signature `decode`.
        """
        signature = self._signature("decode")
        return self._in_batches(signature, "reconstruction", as_codes(codes, _size(signature)))

    def __repr__(self) -> str:
        return f"LoadedModel({str(self.path)!r})"

    def _call(
        self, of_scaled: str, of_examples: str, output: str, images: npt.ArrayLike, scaled: bool
    ) -> npt.NDArray[np.float32]:
        """Return an output of the signature that reads scaled images, or of the one that scales what it reads."""
        signature = self._signature(of_scaled)
        checked = as_model_input(images, _size(signature), self.raw, scaled)
        if scaled or self.raw.divides:
            return self._in_batches(signature, output, checked)
        return self._in_batches(self._signature(of_examples), output, checked, self._examples)

    def _in_batches(
        self,
        signature: Any,
        output: str,
        rows: npt.NDArray[Any],
        prepared: Callable[[npt.NDArray[Any]], Any] = lambda rows: rows,
    ) -> npt.NDArray[np.float32]:
        """Return an output, shape (n, ...), of a signature for n >= 0 rows; `prepared` makes its input of a batch."""
        [argument] = signature.structured_input_signature[1]
        made: list[Any] = [np.zeros((0, int(signature.structured_outputs[output].shape[1])), np.float32)]
        for start in range(0, len(rows), _BATCH):
            found = on_rows(signature, argument, prepared(rows[start : start + _BATCH]))
            made.append(found[output].numpy())
        return np.concatenate(made)

    def _signature(self, name: str) -> Any:
        if name not in self._loaded.signatures:
            known = ", ".join(sorted(self._loaded.signatures))
            raise NotFoundError(
                f"the model {self.path} has no signature {name} (it has: {known}); models trained from now on have it"
            )
        return self._loaded.signatures[name]

    def _examples(self, images: npt.NDArray[Any]) -> list[bytes]:
        """Return images, shape (n, size), as serialized tf.Examples."""
        if not self.raw.are_pictures:
            return [tf_example.serialized(one) for one in images]
        pictures = images.reshape(len(images), *self.raw.shape)
        return [tf_example.serialized(tf_example.png_file(one)) for one in pictures]


def _size(signature: Any) -> int:
    """Return how many numbers a signature reads for each row."""
    [spec] = signature.structured_input_signature[1].values()
    return int(spec.shape[1])


def as_codes(codes: npt.ArrayLike, units: int) -> npt.NDArray[np.float32]:
    """Return codes as the decoder reads them: float32, shape (n, units).

    Raises:
      UsageError: another shape or type, or numbers that are not finite.
    """
    array = _array(codes, f"(n, {units})")
    if array.ndim != 2 or array.shape[1] != units:
        one = "; a single code needs codes[None]" if array.shape == (units,) else ""
        raise UsageError(f"codes of shape {array.shape} are not allowed: give (n, {units}){one}")
    if array.dtype.kind not in "fiub":
        raise UsageError(f"codes of type {array.dtype} are not allowed: give numbers")
    return _finite(array, "code")


def as_model_input(
    images: npt.ArrayLike, size: int, raw: RawData = RawData(), scaled: bool = False
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
    array = _array(images, f"(n, {size}) or (n, ...)")
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
    flat = _finite(flat, "image")
    if in_range and flat.size and not (flat.min() >= 0 and flat.max() <= 1):
        otherwise = f"floats in [0, 1], or {'raw data without scaled=True' if scaled else raw.dtype}"
        raise UsageError(f"images with values from {flat.min():g} to {flat.max():g} are not allowed: give {otherwise}")
    return flat


def _array(given: npt.ArrayLike, shape: str) -> npt.NDArray[Any]:
    try:
        return np.asarray(given)
    except ValueError as error:  # lists of several lengths
        raise UsageError(f"what is given is no array: {error}; give one of numbers, of shape {shape}") from error


def _finite(rows: npt.NDArray[Any], one: str) -> npt.NDArray[np.float32]:
    """Return rows as float32. Raises `UsageError` with the first row, called `one`, that is not finite then."""
    with np.errstate(over="ignore"):  # becomes infinite, which is refused
        exact = rows.astype(np.float32)
    finite = np.isfinite(exact).all(axis=1)
    if not finite.all():
        raise UsageError(f"{one} {int(np.argmin(finite)):,} has values that are NaN or infinite: give finite numbers")
    return exact
