"""Convert records to what is stored: channels, size and type."""

from __future__ import annotations

import numpy as np
from PIL import Image

from components.data.own_data.records import IMAGE, Array, Options, UnreadableRecordError
from components.text import counted

# ITU-R BT.601, as Pillow's mode L.
_LUMA = np.array([0.299, 0.587, 0.114])
RESAMPLING = tuple(one.name.lower() for one in Image.Resampling)


def convert(values: Array, kind: str, options: Options) -> Array:
    """Return a record as it is stored.

    Args:
      values: an image (height, width, 1 or 3) or a vector (n,).
      kind: `image` or `vector`.
      options: the wanted colour, size and resampling of images.

    Returns:
      uint8 or uint16 for images of these types, uint8 of 0 and 255 for those of booleans, else float32.

    Raises:
      UnreadableRecordError: a value is not finite, or has no place in float32.
    """
    if kind == IMAGE and values.dtype == np.bool_:  # as Pillow reads pictures of one bit
        values = np.where(values, np.uint8(255), np.uint8(0))
    if kind != IMAGE or values.dtype not in (np.uint8, np.uint16):
        with np.errstate(over="ignore"):
            values = values.astype(np.float32)
        if not np.isfinite(values).all():
            wrong = "NaN" if np.isnan(values).any() else "infinite or beyond float32"
            count = int(np.count_nonzero(~np.isfinite(values)))
            raise UnreadableRecordError(f"{counted(count, 'of its values is', 'of its values are')} {wrong}")
    if kind != IMAGE:
        return values
    if options.colour is False and values.shape[2] == 3:
        values = _typed((values @ _LUMA)[..., np.newaxis], values.dtype)
    elif options.colour is True and values.shape[2] == 1:
        values = np.repeat(values, 3, axis=2)
    if options.size is not None and values.shape[:2] != options.size:
        height, width = options.size
        method = Image.Resampling[options.resampling.upper()]
        # Each channel in float32, so that all types are resized by the same rule.
        planes = [
            np.asarray(Image.fromarray(plane.astype(np.float32)).resize((width, height), method))
            for plane in np.moveaxis(values, 2, 0)
        ]
        values = _typed(np.stack(planes, axis=2), values.dtype)
    return values


def _typed(values: Array, dtype: np.dtype[np.generic]) -> Array:
    """Round and clip to the range of whole numbers."""
    if np.issubdtype(dtype, np.integer):
        limits = np.iinfo(dtype)  # type: ignore[type-var]
        values = np.clip(np.rint(values), limits.min, limits.max)
    return values.astype(dtype)
