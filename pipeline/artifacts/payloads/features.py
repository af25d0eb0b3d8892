"""Named tensors of examples, transform graphs and signatures, as tables."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from pipeline.artifacts.sections import Table, TableColumn


@dataclasses.dataclass(frozen=True)
class Feature:
    """A named tensor. `shape`: `(784,)`, with `None` for any size; empty if unknown."""

    name: str
    type: str
    shape: str = ""


def table(title: str, features: Sequence[Feature]) -> Table:
    """Return a table with a row for each feature."""
    columns = (TableColumn("feature"), TableColumn("type"), TableColumn("shape"))
    return Table(title, columns, tuple((one.name, one.type, one.shape or None) for one in features))
