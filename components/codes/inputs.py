"""Read images to encode, from an array or a folder of pictures. Free of TensorFlow."""

from __future__ import annotations

import dataclasses
import io
import os
import pathlib
import zipfile
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from components.errors import DataError, first_line

IMAGES, LABELS = "images", "labels"  # arrays of an .npz file
ARRAY_SUFFIXES = (".npy", ".npz")
PICTURE_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
_BATCH = 1_000  # images


@dataclasses.dataclass(frozen=True)
class Batch:
    """Images to encode.

    Attributes:
      ids: n texts.
      pngs: n PNG files; empty if the examples are floats.
      floats: float32, shape (n, values); None if the examples are PNG files.
      labels: int64, shape (n,); None without labels.
      split: of all of them; empty if there are no splits.
    """

    ids: list[str]
    pngs: list[bytes] = dataclasses.field(default_factory=list)
    floats: npt.NDArray[np.float32] | None = None
    labels: npt.NDArray[np.int64] | None = None
    split: str = ""


def read_array(path: pathlib.Path, pixels: int, any_range: bool = False) -> Iterator[Batch]:
    """Yield the images of an .npy file, or of an .npz file with `images` and, if there are any, `labels`.

    Args:
      path: images of shape (n, height, width[, channels]), uint8; or floats, also of shape (n, pixels).
      pixels: numbers in an image that the model encodes.
      any_range: whether floats may be outside [0, 1].

    Raises:
      DataError: it cannot be read, or is no array of such images; says what it is.
    """
    images, labels = _load(path)
    shape = " x ".join(map(str, images.shape))
    wanted = f"{path} has shape {shape} and dtype {images.dtype}"
    if images.ndim < 2 or int(np.prod(images.shape[1:])) != pixels:
        raise DataError(f"{wanted}: the model encodes images of {pixels:,} numbers, as an array of n x height x width")
    if not len(images):
        raise DataError(f"{wanted}: it contains no images")
    if labels is not None and (labels.shape != (len(images),) or labels.dtype.kind not in "iu"):
        raise DataError(f"{path}: {LABELS} must be {len(images):,} integers, one for each image")
    if images.dtype == np.uint8:
        if images.ndim == 4 and images.shape[3] == 1:
            images = images[..., 0]
        if images.ndim != 3 and images.shape[3:] != (3,):
            raise DataError(f"{wanted}: uint8 images need their height and width, as an array of n x height x width")
    elif images.dtype.kind != "f":
        raise DataError(f"{wanted}: convert it to uint8, or to floats in [0, 1]")
    for start in range(0, len(images), _BATCH):
        part = images[start : start + _BATCH]
        some = None if labels is None else labels[start : start + _BATCH].astype(np.int64)
        ids = [str(number) for number in range(start, start + len(part))]
        if part.dtype == np.uint8:
            yield Batch(ids, pngs=[_png(image) for image in part], labels=some)
        else:
            flat = part.reshape(len(part), -1).astype(np.float32)
            inside = np.isfinite(flat) if any_range else (flat >= 0) & (flat <= 1)  # false for NaN
            if not inside.all():
                bad = start + int(np.argmin(inside.all(axis=1)))
                allowed = "must be finite" if any_range else "must be in [0, 1]"
                raise DataError(f"{path}: row {bad:,} has a value that is not allowed: floats {allowed}")
            yield Batch(ids, floats=flat, labels=some)


def _load(path: pathlib.Path) -> tuple[Any, Any]:
    """Return images and labels, None for none; an .npy file is mapped, not read."""
    try:
        loaded = np.load(path, mmap_mode="r", allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return loaded, None
        with loaded as arrays:
            names = list(arrays)
            if IMAGES not in names and len(names) != 1:
                known = ", ".join(names) or "none"
                raise DataError(f"{path} has the arrays {known}: name the images {IMAGES!r}, labels {LABELS!r}")
            return (
                arrays[IMAGES if IMAGES in names else names[0]],
                arrays[LABELS] if LABELS in names and IMAGES in names else None,
            )
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, MemoryError) as error:
        reason = first_line(error)
        raise DataError(f"{path} cannot be read as an array of NumPy: {reason}") from error


def read_folder(folder: pathlib.Path) -> Iterator[Batch]:
    """Yield the 8-bit pictures, grey or colour, in a folder and below it, sorted by their relative names, the ids.

    Raises:
      DataError: there is none, or a picture cannot be read, or is neither.
    """
    found = sorted(path for path in _files(folder) if path.suffix.lower() in PICTURE_SUFFIXES)
    if not found:
        raise DataError(f"{folder} contains no pictures: expected files ending in {', '.join(PICTURE_SUFFIXES)}")
    for start in range(0, len(found), _BATCH):
        part = found[start : start + _BATCH]
        names = [os.fsencode(path.relative_to(folder)).decode("utf-8", "backslashreplace") for path in part]
        yield Batch(names, pngs=[_read_picture(path) for path in part])


def _files(folder: pathlib.Path) -> Iterable[pathlib.Path]:
    for place, _, names in os.walk(folder):
        yield from (pathlib.Path(place, name) for name in names)


def _read_picture(path: pathlib.Path) -> bytes:
    try:
        with Image.open(path) as picture:
            if picture.mode not in ("L", "RGB"):
                raise DataError(f"{path} is a picture of mode {picture.mode}: convert it to 8-bit grey (L) or RGB")
            return _png(np.asarray(picture))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"{path} cannot be read as a picture: {error}") from error


def _png(image: npt.NDArray[np.uint8]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image)).save(file, format="PNG", compress_level=1)
    return file.getvalue()
