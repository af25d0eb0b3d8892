"""What the report shows of each unit of the code: pictures on sheets, and `units.json`, which has the numbers.

The decoder's answer is its output if this unit alone is active, by its mean activation. A traversal decodes the codes
of a few test images with one unit changed from 0 to its largest activation.
"""

from __future__ import annotations

import dataclasses
import json
import pathlib
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from components.report import png
from components.report.split_activity import Activity, Floats, Numbers
from components.report.unit_file import FILE, STEPS, Unit, UnitDetails, UnitExample

FOLDER = "units"
MOST_UNITS = 64  # shown in detail: the pictures of 64 units fit a page
TRAVERSED = 4  # images


def in_detail(activity: Activity) -> list[int]:
    """Return the units to show in detail: the most active ones, without dead ones, by rising number."""
    order = np.argsort(-activity.frequency, kind="stable")[:MOST_UNITS]
    return sorted(int(unit) for unit in order if activity.frequency[unit] > 0)


def traversed(chosen: Numbers) -> list[int]:
    """Return the images to traverse of those that the report shows: evenly spaced, so that labels differ."""
    places = np.linspace(0, len(chosen) - 1, min(TRAVERSED, len(chosen))).round().astype(int)
    return [int(number) for number in chosen[places]]


def write(
    folder: pathlib.Path,
    kind: str,
    activity: Activity,
    thumbnails: Mapping[int, png.Levels],
    codes: Floats,
    traversed_images: Sequence[UnitExample],
    label_of: Callable[[int], str],
    labels: Sequence[str],
    draw: Callable[[Floats], Sequence[png.Levels]] | None,
) -> UnitDetails:
    """Write the pictures of the units into `units/` of the existing folder, and `units.json`; return what was written.

    Args:
      folder: of the report.
      kind: of the test examples: `image` or `vector`.
      activity: of all units on the test split.
      thumbnails: of the images in `activity.top` of the units shown in detail, by number.
      codes: of the traversed images: float32, shape (n, units).
      traversed_images: n images.
      label_of: returns the label of the image with a number; empty: none.
      labels: of the profiles.
      draw: returns the thumbnails of what is decoded from codes, float32, shape (m, units); None: no decoder.
    """
    (folder / FOLDER).mkdir()
    units = []
    for unit in in_detail(activity):
        numbers, activations = activity.top[:, unit], activity.top_activations[:, unit]
        top = [
            UnitExample(int(number), label_of(int(number)), float(activation))
            for number, activation in zip(numbers, activations, strict=True)
            if number >= 0
        ]
        made = Unit(
            unit,
            top[0].activation,
            tuple(top),
            _write(folder, unit, "images", [[thumbnails[one.number] for one in top]]),
            tuple(activity.profile[:, unit].tolist()),
        )
        if draw is not None:
            alone = np.zeros((1, codes.shape[1]), np.float32)
            alone[0, unit] = activity.mean[unit]
            changed = np.repeat(codes, 1 + STEPS, axis=0).reshape(len(codes), 1 + STEPS, -1)
            changed[:, 1:, unit] = made.steps
            answer, *drawn = draw(np.concatenate([alone, changed.reshape(-1, codes.shape[1])]))
            rows = [drawn[first : first + 1 + STEPS] for first in range(0, len(drawn), 1 + STEPS)]
            made = dataclasses.replace(
                made,
                answer=_write(folder, unit, "answer", [[answer]]),
                traversal=_write(folder, unit, "traversal", rows),
            )
        units.append(made)
    details = UnitDetails(kind, tuple(labels) if activity.profile.size else (), tuple(traversed_images), tuple(units))
    (folder / FILE).write_text(json.dumps(dataclasses.asdict(details), indent=1), encoding="utf-8")
    return details


def _write(folder: pathlib.Path, unit: int, kind: str, rows: Sequence[Sequence[png.Levels]]) -> str:
    name = f"{FOLDER}/{unit:04}-{kind}.png"
    (folder / name).write_bytes(png.sheet(rows))
    return name
