"""Fingerprint `codes-1` of Codes: names and types of the columns of `codes.parquet`, and the values of each.

An entry is a column of one row group, so that memory does not grow with the file; row groups have a fixed size.

Left out: Parquet's compression and metadata; properties, which repeat the table.
"""

from __future__ import annotations

import pathlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from components.codes import table
from pipeline.artifacts.fingerprints.entries import ContentEntry
from pipeline.artifacts.fingerprints.files import Files
from pipeline.artifacts.types import StoredArtifact

FORM = "codes-1"


def entries(artifact: StoredArtifact, files: Files) -> Iterator[ContentEntry]:
    """Yield the columns of each row group; a damaged file also counts by its bytes, after those before the damage."""
    for name in files.take(table.FILE):
        try:
            yield from _parse(files.path(name), name)
        except Exception:  # pyarrow raises several kinds of error on damage
            yield files.raw(name)


def _parse(path: pathlib.Path, name: str) -> Iterator[ContentEntry]:
    schema = pq.read_schema(path)
    yield ContentEntry(f"columns of {name}", ", ".join(f"{field.name} {field.type}" for field in schema))
    start = 0
    for rows in table.row_groups(path):
        for column in rows.column_names:
            values: Any = rows[column].to_numpy()
            if values.dtype.hasobject and any(value is None for value in values):
                raise ValueError(f"{column} has missing values")
            yield ContentEntry(f"{column} of rows {start:,} to {start + len(values) - 1:,}", np.asarray(values))
        start += rows.num_rows
