"""Small pictures: grey, colour, and vectors as lines."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from components.report.png import PLOT_HEIGHT, PLOT_MARGIN, png_of, to_display

IMAGE = np.float32([[0, 1, 0.5], [0.25, -0.5, 1.5]])


def test_values_become_the_nearest_of_256_greys():
    with Image.open(io.BytesIO(png_of(IMAGE))) as picture:
        assert (picture.format, picture.mode, picture.size) == ("PNG", "L", (3, 2))
        # 0.5 * 255 = 127.5 goes to the even number, 0.25 * 255 = 63.75; what is outside is cut off.
        assert np.asarray(picture).tolist() == [[0, 255, 128], [64, 0, 255]]


def test_the_same_pixels_give_the_same_bytes():
    assert png_of(IMAGE) == png_of(np.clip(IMAGE, 0, 1).copy())


def test_three_channels_become_a_colour_picture():
    with Image.open(io.BytesIO(png_of(np.float32([[[0, 1, 0.2]]])))) as picture:
        assert (picture.mode, picture.getpixel((0, 0))) == ("RGB", (0, 255, 51))


def test_a_vector_becomes_a_line_from_its_first_value_to_its_last():
    with Image.open(io.BytesIO(png_of(np.float32([0, 0.5, 1])))) as picture:
        assert (picture.mode, picture.size) == ("L", (64, PLOT_HEIGHT))
        bottom, top = PLOT_HEIGHT - 1 - PLOT_MARGIN, PLOT_MARGIN
        ends, corners = ((0, bottom), (63, top)), ((0, top), (63, bottom))
        assert [picture.getpixel(place) for place in (*ends, *corners)] == [255, 255, 0, 0]


def test_values_outside_of_0_and_1_are_shown_by_the_range_of_the_originals():
    originals, others = to_display(np.float32([[-2, 2]]), np.float32([[0, 4]]))
    assert (originals.tolist(), others.tolist()) == ([[0, 1]], [[0.5, 1.5]])
    same = np.float32([[0, 0.5]])
    assert to_display(same, IMAGE)[0] is same
