"""`units.json` of the report: what it shows of each unit of the code. Free of NumPy, because pages read it."""

from __future__ import annotations

import dataclasses
import json
import pathlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from components.text import counted

if TYPE_CHECKING:
    from components.report.split_activity import Doubles

FILE = "units.json"
MOST_LABELS = 12  # of a profile on a page, those with the largest means
MOST_NAMED = 16  # dead units
STEPS = 7  # activations of a unit in a traversal, from 0 to the largest


@dataclasses.dataclass(frozen=True)
class UnitExample:
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
    top: tuple[UnitExample, ...]
    top_images: str
    profile: tuple[float, ...]
    answer: str = ""
    traversal: str = ""

    @property
    def steps(self) -> tuple[float, ...]:
        """The activations of a traversal."""
        return (*(step * (self.largest / (STEPS - 1)) for step in range(STEPS - 1)), self.largest)


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
    traversed: tuple[UnitExample, ...]
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
            parts.append(f"The {shown:,} most active of {counted(units, 'unit')}.")
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
        tuple(UnitExample(**one) for one in values["traversed"]),
        tuple(
            Unit(**{**one, "top": tuple(UnitExample(**top) for top in one["top"]), "profile": tuple(one["profile"])})
            for one in values["units"]
        ),
    )
