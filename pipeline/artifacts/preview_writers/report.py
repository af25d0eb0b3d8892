"""Of Report: the test images with their reconstructions, and the activity of the units, as the report has them."""

from __future__ import annotations

import json
import struct
from typing import Any

from pipeline.artifacts.preview_writers import Artifact, Pictures
from pipeline.artifacts.previews import Picture, Reconstruction, Report, UnitActivity

_FILE = "summary.json"
_MOST_IMAGES = 100
_MOST_UNITS = 4_096


def make(artifact: Artifact) -> tuple[Report, Pictures] | None:
    """None where nothing of ours is in it; images and units are empty for the report of an older version."""
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

    images = tuple(
        Reconstruction(
            label=one["label"],
            original=picture(one["original"], f"test image, {one['label']}"),
            reconstruction=picture(one["reconstruction"], f"reconstruction, {one['label']}"),
        )
        for one in summary.get("images", [])[:_MOST_IMAGES]
    )
    units = tuple(
        UnitActivity(number, one["frequency"], one["mean"])
        for number, one in enumerate(summary.get("units", [])[:_MOST_UNITS])
    )
    return Report(images, units), pictures
