"""Report: test images with their reconstructions, and the activity of the units of the code."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.artifacts.sections import BarChart, BarValue, Picture, Pictures, Preview, Section, Text, Tile
from pipeline.artifacts.types import PNGs, StoredArtifact
from pipeline.core.text import number_text

_FILE, _PAGE = "summary.json", "report.html"
_MOST_IMAGES = 100
_MOST_UNITS = 4_096


def make(artifact: StoredArtifact) -> tuple[Preview, PNGs] | None:
    """Return the preview; None without a summary. Reports of older versions have neither images nor units."""
    path = artifact.folder / _FILE
    if not path.is_file():
        return None
    summary: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    pictures: dict[str, bytes] = {}

    def picture(name: str, label: str) -> Picture:
        png = (artifact.folder / name).read_bytes()
        width, height = struct.unpack(">II", png[16:24])  # the header of a PNG file
        file = name.rpartition("/")[2]
        pictures[file] = png
        return Picture(file, width, height, label)

    tiles = tuple(
        Tile(
            one["label"],
            (
                picture(one["original"], f"test image, {one['label']}"),
                picture(one["reconstruction"], f"reconstruction, {one['label']}"),
            ),
        )
        for one in summary.get("images", [])[:_MOST_IMAGES]
    )
    units = [{"unit": number, **one} for number, one in enumerate(summary.get("units", [])[:_MOST_UNITS])]
    return preview(tiles, units), pictures


def preview(tiles: tuple[Tile, ...], units: Sequence[Mapping[str, Any]]) -> Preview:
    """Return the link to the page, the test images, and the `frequency` and `mean` activation of each unit."""
    sections: list[Section] = [Text("open the report", file=_PAGE, title="report")]
    if tiles:
        sections.append(Pictures("test images and their reconstructions", tiles))
    if units:
        bars = tuple(
            BarValue(f"unit {one['unit']}", one["frequency"], f"mean activation then {number_text(one['mean'])}")
            for one in units
        )
        sections.append(BarChart("activity of the units of the code", bars, share=True))
    return Preview("report", tuple(sections))
