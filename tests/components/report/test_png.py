"""Small pictures: grey, colour, and vectors as lines."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from components.report.png import (
    GAP,
    PLOT_HEIGHT,
    PLOT_MARGIN,
    THUMBNAIL,
    picture_shape,
    png_of,
    sheet,
    thumbnail,
    to_display,
)

IMAGE = np.float32([[0, 1, 0.5], [0.25, -0.5, 1.5]])


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((28, 28, 1), (28, 28)), ((5, 1, 1), (5, 1)), ((8, 6, 3), (8, 6, 3)), ((5,), (5,)), ((1,), (1,))],
)
def test_only_a_grey_image_loses_its_last_dimension(shape: tuple[int, ...], expected: tuple[int, ...]) -> None:
    assert picture_shape(shape) == expected
    assert thumbnail(np.zeros(expected, np.float32)).ndim == (3 if expected == (8, 6, 3) else 2)


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


def test_a_thumbnail_of_a_large_image_is_the_mean_of_its_pixels():
    image = np.kron(np.float32([[0, 1], [0.2, 0.6]]), np.ones((60, 30), np.float32))  # 120 x 60
    found = thumbnail(image)
    assert (found.shape, found.dtype) == ((THUMBNAIL, THUMBNAIL // 2), np.uint8)
    assert found[0].tolist() == [0] * 10 + [255] * 10
    assert found[-1].tolist() == [51] * 10 + [153] * 10


def test_a_thumbnail_of_a_small_image_is_enlarged_by_a_whole_number():
    assert thumbnail(IMAGE).shape == (2 * 13, 3 * 13)
    assert thumbnail(IMAGE)[::13, ::13].tolist() == [[0, 255, 128], [64, 0, 255]]
    assert thumbnail(np.zeros((28, 28, 3), np.float32)).shape == (28, 28, 3)


def test_a_thumbnail_of_a_vector_is_a_plot_of_one_size():
    assert {thumbnail(np.zeros(length, np.float32)).shape for length in (1, 64, 1_000)} == {(PLOT_HEIGHT, 64)}


def test_a_sheet_has_its_pictures_in_rows_and_is_transparent_elsewhere():
    grey = [np.full((2, 3), level, np.uint8) for level in (1, 2, 3)]
    with Image.open(io.BytesIO(sheet([grey[:2], grey[2:]]))) as picture:
        assert (picture.mode, picture.size) == ("LA", (2 * 3 + GAP, 2 * 2 + GAP))
        levels, alpha = np.moveaxis(np.asarray(picture), 2, 0)
    assert levels[:2, :3].tolist() == [[1] * 3] * 2
    assert levels[:2, 3 + GAP :].tolist() == [[2] * 3] * 2
    assert levels[2 + GAP :, :3].tolist() == [[3] * 3] * 2
    assert np.unique(alpha).tolist() == [0, 255]
    assert (alpha == 255).sum() == 3 * 6
    with Image.open(io.BytesIO(sheet([[np.full((1, 1, 3), 9, np.uint8)]]))) as picture:
        assert (picture.mode, picture.getpixel((0, 0))) == ("RGBA", (9, 9, 9, 255))
