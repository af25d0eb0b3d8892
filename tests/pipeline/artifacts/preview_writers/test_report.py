"""The units of a report: a table of all, and a card for each that the report shows in detail. Free of TensorFlow."""

from __future__ import annotations

import json
import pathlib

import numpy as np
import pytest

from components.report import split_activity, unit_details, unit_file
from pipeline.artifacts.preview_writers import report
from pipeline.artifacts.sections import BarChart, BarValue, Cards, Table
from pipeline.artifacts.types import StoredArtifact


def stored(folder: pathlib.Path, labels: tuple[str, ...]) -> StoredArtifact:
    """Write a report of three units, the last one dead, of three test images."""
    sums = split_activity.ActivitySums(len(labels))
    sums.add(np.float32([[1, 0, 0], [3, 0, 0], [0, 2, 0]]), np.array([0, 1, 1]) if labels else None)
    activity = sums.activity()
    picture = np.zeros((20, 20), np.uint8)
    unit_details.write(
        folder,
        "image",
        activity,
        dict.fromkeys(range(3), picture),
        codes=np.ones((1, 3), np.float32),
        traversed_images=[unit_file.UnitExample(2, labels[1] if labels else "")],
        label_of=lambda number: labels[min(number, 1)] if labels else "",
        labels=labels,
        draw=lambda codes: [picture] * len(codes),
    )
    units = [
        {"frequency": often, "mean": mean}
        for often, mean in zip(activity.frequency.tolist(), activity.mean.tolist(), strict=True)
    ]
    (folder / "summary.json").write_text(json.dumps({"units": units}), encoding="utf-8")
    return StoredArtifact("Report", folder, {})


def test_a_unit_in_detail_has_a_card_with_its_pictures_and_its_profile(tmp_path: pathlib.Path) -> None:
    found = report.make(stored(tmp_path, ("cat", "dog")))
    assert found is not None
    made, pictures = found
    cards = made.section("each unit")
    assert isinstance(cards, Cards)
    assert [card.label for card in cards.cards] == ["unit 0", "unit 1"]
    first = cards.cards[0]
    assert "66.7%" in first.text
    assert [tile.pictures[0].file for tile in first.tiles] == [
        "0000-answer.png",
        "0000-images.png",
        "0000-traversal.png",
    ]
    assert [tile.note for tile in first.tiles] == ["", "dog, cat", "0 to 3.000"]
    assert first.bars == BarChart("mean activation by label", (BarValue("cat", 1.0), BarValue("dog", 1.5)))
    assert pictures == {path.name: path.read_bytes() for path in (tmp_path / "units").iterdir()}
    assert "Unit 2 is dead" in cards.text


@pytest.mark.parametrize("labels", [("cat", "dog"), ()])
def test_all_units_have_a_row_and_dead_ones_are_marked(tmp_path: pathlib.Path, labels: tuple[str, ...]) -> None:
    found = report.make(stored(tmp_path, labels))
    assert found is not None
    table = found[0].section("units of the code")
    assert isinstance(table, Table)
    assert table.columns[0].form == "card"
    expected = [("unit 0", 2 / 3, 2.0, 3.0, "active", "dog"), ("unit 1", 1 / 3, 2.0, 2.0, "active", "dog"),
                ("unit 2", 0.0, 0.0, None, "dead", None)]  # fmt: skip
    assert list(table.rows) == [row if labels else row[:5] for row in expected]
