"""Report: test images with their reconstructions, and the activity of the units of the code."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from components.report import unit_file
from components.report.unit_file import Unit, UnitDetails
from pipeline.artifacts.sections import (
    BarChart,
    BarValue,
    Card,
    Cards,
    Picture,
    Pictures,
    Preview,
    Section,
    Table,
    Text,
    Tile,
    Value,
    columns,
    picture_of,
)
from pipeline.artifacts.types import PNGs, StoredArtifact
from pipeline.core.text import number_text

_FILE, _PAGE = "summary.json", "report.html"
_MOST_IMAGES = 100
_MOST_UNITS = 4_096


def make(artifact: StoredArtifact) -> tuple[Preview, PNGs] | None:
    """Return the preview; None without a summary. Reports of older versions lack images, units, or details of these."""
    path = artifact.folder / _FILE
    if not path.is_file():
        return None
    summary: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    pictures: dict[str, bytes] = {}

    def picture(name: str, label: str) -> Picture:
        png = (artifact.folder / name).read_bytes()
        file = name.rpartition("/")[2]
        pictures[file] = png
        return picture_of(png, file, label)

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
    found = preview(tiles, units)
    details = unit_file.read(artifact.folder)
    if details is not None and details.units:
        found = dataclasses.replace(found, sections=(*found.sections, *_details(details, units, picture)))
    return found, pictures


def _details(
    details: UnitDetails, units: Sequence[Mapping[str, Any]], picture: Callable[[str, str], Picture]
) -> tuple[Section, ...]:
    """Return the table of all units, and a card for each unit shown in detail."""
    titles = columns("unit:card", "active:share", "mean when active:number", "largest:number", "state")
    if details.labels:
        titles += columns("strongest label")
    shown = {one.unit: one for one in details.units}
    rows: list[tuple[Value, ...]] = []
    for number, one in enumerate(units):
        unit = shown.get(number)
        state = "active" if one["frequency"] else "dead"
        strongest = details.labels[unit.profile.index(max(unit.profile))] if unit and unit.profile else None
        row = f"unit {number}", one["frequency"], one["mean"], unit.largest if unit else None, state, strongest
        rows.append(row[: len(titles)])
    cards = tuple(_card(details, shown[number], one, picture) for number, one in enumerate(units) if number in shown)
    text = details.explanation([one["frequency"] for one in units])
    return Table("units of the code", titles, tuple(rows), folded=True), Cards("each unit", cards, text)


def _card(
    details: UnitDetails, unit: Unit, activity: Mapping[str, Any], picture: Callable[[str, str], Picture]
) -> Card:
    label = f"unit {unit.unit}"
    tiles = tuple(
        Tile(title, (picture(name, f"{label}: {title}"),), text)
        for name, (title, text) in details.captions(unit).items()
    )
    bars = tuple(BarValue(name, value) for name, value in details.strongest_labels(unit))
    often, mean, most = f"{activity['frequency']:.1%}", number_text(activity["mean"]), number_text(unit.largest)
    text = f"active on {often} of the test {details.kind}s; mean activation then {mean}, largest {most}"
    return Card(label, text, tiles, BarChart("mean activation by label", bars) if bars else None)


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
