"""Small pictures of images and vectors as PNG files: the same values give the same bytes."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from components.data import features

PLOT_HEIGHT, PLOT_MARGIN = 48, 2  # pixels
THUMBNAIL = 40  # pixels, at most, of the longest side of a thumbnail; small images are enlarged by a whole number
_PLOT_WIDTHS = (64, 256)  # smallest and largest width of a plot, pixels; the smallest is that of a thumbnail
GAP = 2  # pixels between the pictures of a sheet

Levels = npt.NDArray[np.uint8]


def picture_shape(shape: Sequence[int]) -> tuple[int, ...]:
    """Return the shape of an image or vector as `png_of` takes it, without the channel of a grey image."""
    return tuple(shape[:2] if len(shape) == 3 and shape[2] == 1 else shape)


def png_of(values: npt.NDArray[np.float32]) -> bytes:
    """Return a PNG file of values in [0, 1]; others are clipped.

    Args:
      values: shape (height, width) of a grey image, (height, width, 3) of a colour image, both rounded to 256 levels;
        or (n,) of a vector, drawn as a line, white on black.
    """
    if values.ndim == 1:
        return _png(plot(values))
    return _png(Image.fromarray(_levels(values)))


def thumbnail(values: npt.NDArray[np.float32]) -> Levels:
    """Return a small picture of values as those of `png_of`: uint8, shape (height, width) or (height, width, 3)."""
    if values.ndim == 1:
        return np.asarray(plot(values, _PLOT_WIDTHS[0]))
    picture = Image.fromarray(_levels(values))
    shrink = max(picture.size) / THUMBNAIL
    if shrink > 1:
        width, height = (max(1, round(side / shrink)) for side in picture.size)
        return np.asarray(picture.resize((width, height), Image.Resampling.BOX))
    times = max(1, THUMBNAIL // max(picture.size))
    return np.asarray(picture).repeat(times, axis=0).repeat(times, axis=1)


def sheet(rows: Sequence[Sequence[Levels]]) -> bytes:
    """Return a PNG file of small pictures of one size in rows and columns; what is between them is transparent."""
    [(height, width, *colours)] = {one.shape for row in rows for one in row}
    columns = max(map(len, rows))
    size = len(rows) * (height + GAP) - GAP, columns * (width + GAP) - GAP
    drawn = np.zeros((*size, (colours or [1])[0] + 1), np.uint8)
    for number, row in enumerate(rows):
        for column, one in enumerate(row):
            top, left = number * (height + GAP), column * (width + GAP)
            place = drawn[top : top + height, left : left + width]
            place[..., :-1] = one if colours else one[..., np.newaxis]
            place[..., -1] = features.MAX_PIXEL
    return _png(Image.fromarray(drawn))


def _levels(values: npt.NDArray[np.float32]) -> Levels:
    levels: Levels = np.rint(np.clip(values, 0, 1) * features.MAX_PIXEL).astype(np.uint8)
    return levels


def plot(values: npt.NDArray[np.float32], width: int = 0) -> Image.Image:
    """Draw a vector, shape (n,), values in [0, 1], as a line from left to right; 0 is at the bottom.

    `width` in pixels is by default the length of the vector, within limits.
    """
    width = width or min(max(len(values), _PLOT_WIDTHS[0]), _PLOT_WIDTHS[1])
    picture = Image.new("L", (width, PLOT_HEIGHT))
    across = np.linspace(0, width - 1, max(len(values), 2))
    up = np.resize(np.clip(values, 0, 1), len(across))
    down = PLOT_HEIGHT - 1 - PLOT_MARGIN - up * (PLOT_HEIGHT - 1 - 2 * PLOT_MARGIN)
    points = [(int(x), int(y)) for x, y in zip(np.rint(across), np.rint(down), strict=True)]
    ImageDraw.Draw(picture).line(points, fill=features.MAX_PIXEL)
    return picture


def to_display(
    originals: npt.NDArray[np.float32], others: npt.NDArray[np.float32]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Scale values that are not in [0, 1] by the minimum and maximum of the originals; others as the originals."""
    low, high = float(originals.min()), float(originals.max())
    return by_range(originals, low, high), by_range(others, low, high)


def by_range(values: npt.NDArray[np.float32], low: float, high: float) -> npt.NDArray[np.float32]:
    """Scale values so that the range from `low` to `high` becomes [0, 1], unless it is within [0, 1]."""
    if low >= 0 and high <= 1:
        return values
    return (values - np.float32(low)) / np.float32(high - low or 1)


def _png(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, format="PNG")
    return file.getvalue()
