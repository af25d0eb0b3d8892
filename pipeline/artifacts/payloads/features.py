"""Named tensors of examples, transform graphs and signatures, as tables."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from pipeline.artifacts.sections import Table, columns


@dataclasses.dataclass(frozen=True)
class Feature:
    """A named tensor. `shape`: `(784,)`, with `None` for any size; empty if unknown."""

    name: str
    type: str
    shape: str = ""


def table(title: str, features: Sequence[Feature]) -> Table:
    """Return a table with a row for each feature."""
    rows = tuple((one.name, one.type, one.shape or None) for one in features)
    return Table(title, columns("feature", "type", "shape"), rows)


def tables(splits: Mapping[tuple[Feature, ...], Sequence[str]]) -> list[Table]:
    """Return a table for each set of features, with the names of its splits in the title if there are several."""
    return [
        table("features" if len(splits) == 1 else f"features of {', '.join(names)}", features)
        for features, names in splits.items()
    ]
