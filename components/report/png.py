"""Grey pictures as PNG files: the same pixels give the same bytes."""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
from PIL import Image

from components.data import features


def grey_png(image: npt.NDArray[np.float32]) -> bytes:
    """Return an 8-bit grey PNG file of an image: shape (height, width), values in [0, 1], rounded to 256 greys."""
    greys = np.rint(np.clip(image, 0, 1) * features.MAX_PIXEL).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(greys).save(file, format="PNG")
    return file.getvalue()
