"""Grey pictures."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from components.report.png import grey_png

IMAGE = np.float32([[0, 1, 0.5], [0.25, -0.5, 1.5]])


def test_values_become_the_nearest_of_256_greys():
    with Image.open(io.BytesIO(grey_png(IMAGE))) as picture:
        assert (picture.format, picture.mode, picture.size) == ("PNG", "L", (3, 2))
        # 0.5 * 255 = 127.5 goes to the even number, 0.25 * 255 = 63.75; what is outside is cut off.
        assert np.asarray(picture).tolist() == [[0, 255, 128], [64, 0, 255]]


def test_the_same_pixels_give_the_same_bytes():
    assert grey_png(IMAGE) == grey_png(np.clip(IMAGE, 0, 1).copy())
