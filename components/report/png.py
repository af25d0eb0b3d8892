"""Small pictures of images and vectors as PNG files: the same values give the same bytes."""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from components.data import features

PLOT_HEIGHT, PLOT_MARGIN = 48, 2  # pixels
_PLOT_WIDTHS = (64, 256)  # smallest and largest width of a plot, pixels


def png_of(values: npt.NDArray[np.float32]) -> bytes:
    """Return a PNG file of values in [0, 1]; others are clipped.

    Args:
      values: shape (height, width) of a grey image, (height, width, 3) of a colour image, both rounded to 256 levels;
        or (n,) of a vector, drawn as a line, white on black.
    """
    if values.ndim == 1:
        return _png(plot(values))
    levels = np.rint(np.clip(values, 0, 1) * features.MAX_PIXEL).astype(np.uint8)
    return _png(Image.fromarray(levels))


def plot(values: npt.NDArray[np.float32]) -> Image.Image:
    """Draw a vector, shape (n,), values in [0, 1], as a line from left to right; 0 is at the bottom."""
    width = min(max(len(values), _PLOT_WIDTHS[0]), _PLOT_WIDTHS[1])
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
    if low >= 0 and high <= 1:
        return originals, others
    span = np.float32(high - low or 1)
    return (originals - np.float32(low)) / span, (others - np.float32(low)) / span


def _png(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, format="PNG")
    return file.getvalue()
