"""What the report shows of each unit of the code: pictures on sheets, and `units.json`, which has the numbers.

The decoder's answer is its output if this unit alone is active, by its mean activation. A traversal decodes the codes
of a few test images with one unit changed from 0 to its largest activation.
"""

from __future__ import annotations

import dataclasses
import json
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from components.report import png
from components.report.split_activity import Activity, Doubles, Floats, Numbers

FILE = "units.json"
FOLDER = "units"
MOST_LABELS = 12  # of a profile on a page, those with the largest means
MOST_NAMED = 16  # dead units
MOST_UNITS = 64  # shown in detail: the pictures of 64 units fit a page
TRAVERSED = 4  # images
STEPS = 7  # activations of a unit in a traversal, from 0 to the largest


@dataclasses.dataclass(frozen=True)
class Example:
    """A test image: its number in the split from 0, its label (empty: none), and the activation of the unit."""

    number: int
    label: str
    activation: float = 0.0


@dataclasses.dataclass(frozen=True)
class Unit:
    """A unit; files are relative to the folder of the report.

    Attributes:
      unit: its number.
      largest: its largest activation.
      top: the test images with the largest activations, the largest first.
      top_images: file with these images side by side.
      profile: mean activation over all test images of each label; empty without labels.
      answer: file with the decoder's answer; empty: the model has no signature `decode`.
      traversal: file with a row for each traversed image: its reconstruction, then one for each step; or empty.
    """

    unit: int
    largest: float
    top: tuple[Example, ...]
    top_images: str
    profile: tuple[float, ...]
    answer: str = ""
    traversal: str = ""

    @property
    def steps(self) -> tuple[float, ...]:
        """The activations of a traversal."""
        return tuple(float(one) for one in np.linspace(0, self.largest, STEPS))


@dataclasses.dataclass(frozen=True)
class UnitDetails:
    """The units shown in detail: the most active ones, by rising number.

    Attributes:
      kind: of the test examples: `image` or `vector`.
      labels: of the profiles.
      traversed: the images of the traversals.
      units: in detail.
    """

    kind: str
    labels: tuple[str, ...]
    traversed: tuple[Example, ...]
    units: tuple[Unit, ...]

    def captions(self, unit: Unit) -> dict[str, tuple[str, str]]:
        """Return title and further text for each file of a unit."""
        found = {}
        if unit.answer:
            found[unit.answer] = "Decoder's answer", ""
        labels = ", ".join(one.label for one in unit.top if one.label)
        found[unit.top_images] = f"Strongest test {self.kind}{'s' if len(unit.top) > 1 else ''}", labels
        if unit.traversal:
            found[unit.traversal] = "Traversal", f"0 to {unit.largest:.3f}"
        return found

    def explanation(self, frequency: Sequence[float] | Doubles) -> str:
        """Return what is to be said once of all units in detail.

        `frequency` is that of every unit of the code: the share of the test images on which it is active.
        """
        shown, units = len(self.units), len(frequency)
        dead = [str(unit) for unit, often in enumerate(frequency) if not often]
        parts = []
        if shown < units - len(dead):
            parts.append(f"The {shown:,} most active of {units:,} units.")
        if any(unit.answer for unit in self.units):
            parts.append("Decoder's answer: the output of the decoder for this unit alone, at its mean activation.")
        with_labels = ", with their labels" if self.labels else ""
        parts.append(f"Strongest test {self.kind}s: those that activate it most, the strongest first{with_labels}.")
        if self.labels:
            parts.append(f"Bars: mean activation over all test {self.kind}s of each label.")
        if any(unit.traversal for unit in self.units):
            names = ", ".join(one.label or str(one.number) for one in self.traversed)
            parts.append(
                f"Traversal: a row for each of the test {self.kind}s {names}, with its reconstruction, and then with "
                f"this unit alone changed, in {STEPS} equal steps from 0 to its largest activation."
            )
        if dead:
            named = f"Unit {dead[0]} is" if len(dead) == 1 else f"Units {', '.join(dead)} are"
            parts.append(f"{named if len(dead) <= MOST_NAMED else f'{len(dead):,} units are'} dead.")
        return " ".join(parts)

    def strongest_labels(self, unit: Unit) -> list[tuple[str, float]]:
        """Return labels and means of a profile in their order; at most `MOST_LABELS`, with the largest means."""
        kept = sorted(range(len(unit.profile)), key=lambda label: (-unit.profile[label], label))[:MOST_LABELS]
        return [(self.labels[label], unit.profile[label]) for label in sorted(kept)]


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
    traversed_images: Sequence[Example],
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
            Example(int(number), label_of(int(number)), float(activation))
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


def read(folder: pathlib.Path) -> UnitDetails | None:
    """Return what a report shows of each unit; None for a report of an earlier version.

    Raises:
      KeyError, TypeError, ValueError: the file is damaged.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return UnitDetails(
        str(values["kind"]),
        tuple(values["labels"]),
        tuple(Example(**one) for one in values["traversed"]),
        tuple(
            Unit(**{**one, "top": tuple(Example(**top) for top in one["top"]), "profile": tuple(one["profile"])})
            for one in values["units"]
        ),
    )
