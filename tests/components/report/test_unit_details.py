"""What is shown of each unit: which units, which images, the codes that are decoded, and what is said of them."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from components.report import png, split_activity, unit_details, unit_file

LABELS = ("a", "b")


def activity_of(codes: Any, labels: Any = None) -> split_activity.Activity:
    sums = split_activity.ActivitySums(0 if labels is None else len(LABELS))
    sums.add(np.float32(codes), labels)
    return sums.activity()


def levels(value: float) -> png.Levels:
    return np.full((20, 20), value, np.uint8)


class Decoder:
    """Draws a picture of a constant level for each code, and keeps the codes."""

    def __init__(self) -> None:
        self.codes: list[Any] = []

    def __call__(self, codes: Any) -> Sequence[png.Levels]:
        self.codes.append(codes)
        return [levels(number) for number in range(len(codes))]


def write(folder: pathlib.Path, activity: split_activity.Activity, draw: Any, labelled: bool = True) -> Any:
    return unit_details.write(
        folder,
        "image",
        activity,
        {number: levels(number) for number in range(100)},
        codes=np.float32([[0.5] * len(activity.frequency), [7] * len(activity.frequency)]),
        traversed_images=[
            unit_file.UnitExample(number, LABELS[place] * labelled) for place, number in enumerate((3, 5))
        ],
        label_of=lambda number: LABELS[number % 2] if labelled else "",
        labels=LABELS if labelled else (),
        draw=draw,
    )


CODES = [[0, 1, 0], [0, 4, 0], [0, 3, 6], [0, 0, 0]]


def test_a_unit_is_decoded_alone_at_its_mean_and_in_the_codes_of_images_from_0_to_its_largest(
    tmp_path: pathlib.Path,
) -> None:
    draw = Decoder()
    made = write(tmp_path, activity_of(CODES, np.array([0, 1, 0, 1])), draw)
    first, second = draw.codes
    assert first[0].tolist() == [0, np.float32(8 / 3), 0]
    assert second[0].tolist() == [0, 0, 6]
    assert first.shape == (1 + 2 * 8, 3)
    for row, code in ((0, 0.5), (1, 7)):
        changed = first[1 + row * 8 : 9 + row * 8]
        assert changed[:, [0, 2]].tolist() == [[code, code]] * 8
        assert changed[0, 1] == code  # the reconstruction
        np.testing.assert_allclose(changed[1:, 1], [0, 4 / 6, 8 / 6, 2, 16 / 6, 20 / 6, 4], rtol=1e-6)
    assert [one.unit for one in made.units] == [1, 2]
    assert made.units[0].top == (
        unit_file.UnitExample(1, "b", 4.0),
        unit_file.UnitExample(2, "a", 3.0),
        unit_file.UnitExample(0, "a", 1.0),
    )
    assert [one.profile for one in made.units] == [(2.0, 2.0), (3.0, 0.0)]
    assert len(list((tmp_path / "units").iterdir())) == 2 * 3


def test_what_is_written_is_read_back(tmp_path: pathlib.Path) -> None:
    made = write(tmp_path, activity_of(CODES, np.array([0, 1, 0, 1])), Decoder())
    assert unit_file.read(tmp_path) == made
    assert unit_file.read(tmp_path / "units") is None


def test_without_a_decoder_and_without_labels_the_strongest_images_are_left(tmp_path: pathlib.Path) -> None:
    made = write(tmp_path, activity_of(CODES), None, labelled=False)
    assert made.labels == ()
    assert [(one.answer, one.traversal, one.profile) for one in made.units] == [("", "", ())] * 2
    assert [path.name for path in sorted((tmp_path / "units").iterdir())] == ["0001-images.png", "0002-images.png"]
    assert [made.strongest_labels(one) for one in made.units] == [[], []]
    assert unit_file.read(tmp_path) == made


@pytest.mark.parametrize(
    ("units", "dead", "shown"), [(3, 1, 2), (64, 0, 64), (70, 0, 64), (70, 10, 60), (1_024, 0, 64)]
)
def test_the_most_active_units_are_shown_and_no_dead_ones(units: int, dead: int, shown: int) -> None:
    codes = np.ones((2 * units, units), np.float32)
    for unit in range(units):
        codes[: unit + 1, unit] = 0  # a unit is active on more images than the next
    codes[:, units - dead :] = 0
    assert unit_details.in_detail(activity_of(codes)) == list(range(shown))


@pytest.mark.parametrize(
    ("chosen", "expected"), [([9], [9]), ([4, 2, 8], [4, 2, 8]), (list(range(10, 20)), [10, 13, 16, 19])]
)
def test_a_few_of_the_images_that_are_shown_are_traversed(chosen: list[int], expected: list[int]) -> None:
    assert unit_details.traversed(np.array(chosen)) == expected


def test_of_many_labels_those_with_the_largest_means_are_shown_in_their_order() -> None:
    labels = tuple(f"label {number}" for number in range(30))
    unit = unit_file.Unit(0, 1.0, (), "", tuple(float(number % 10) for number in range(30)))
    found = unit_file.UnitDetails("image", labels, (), (unit,)).strongest_labels(unit)
    numbers = [6, 7, 8, 9, 16, 17, 18, 19, 26, 27, 28, 29]
    assert found == [(labels[number], float(number % 10)) for number in numbers]


def test_dead_units_and_units_that_are_left_out_are_named(tmp_path: pathlib.Path) -> None:
    made = write(tmp_path, activity_of(CODES, np.array([0, 1, 0, 1])), Decoder())
    assert "Unit 0 is dead" in made.explanation([0, 0.75, 0.25])
    assert "most active" not in made.explanation([0, 0.75, 0.25])
    assert "2 most active of 1,024" in made.explanation([0.5] * 1_024)
    assert "1,022 units are dead" in made.explanation([0.5] * 2 + [0] * 1_022)
