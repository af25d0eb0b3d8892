"""A PNG picture as an array of its pixels, whatever the compression.

Shape (height, width) for grey, with one more dimension for colours; uint8, or what the picture has. Pixels from a
palette and pictures with a transparent colour are spelt out as red, green, blue and alpha. What a PNG holds besides
(the program that wrote it, resolution, colour profile) is left out.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image


def pixels(png: bytes) -> npt.NDArray[Any]:
    """Decodes a PNG file.

    Raises:
      ValueError: it is none, it is damaged, or it is animated.
    """
    try:
        with Image.open(io.BytesIO(png), formats=["PNG"]) as picture:
            if getattr(picture, "n_frames", 1) != 1:
                raise ValueError("a picture that moves")
            spelt_out = picture.mode == "P" or "transparency" in picture.info
            return np.asarray(picture.convert("RGBA") if spelt_out else picture)
    except Exception as error:  # Pillow raises SyntaxError, OSError, zlib's and others on damage
        raise ValueError(f"no PNG picture: {error}") from error
