"""Columns of texts beside the data: a CSV file, an .npy array or an IDX file of labels and groups."""

from __future__ import annotations

import csv
import pathlib
from collections.abc import Mapping, Sequence

import numpy as np

from components import errors
from components.data.own_data import idx
from components.data.own_data.records import Array, OptionError, label_text
from components.text import counted

LABELS = ("label", "labels", "class", "target", "y")  # the usual names of labels
_FILES = ("file", "filename", "file_name", "path", "image", "name", "id")
Columns = dict[str, list[str]]


def read(path: pathlib.Path) -> Columns:
    """Read the columns of a file: CSV with a line of names, or an array or IDX file of one dimension, named `label`.

    Raises:
      errors.DataError: it cannot be read.
    """
    try:
        if path.suffix == ".npy":
            return {LABELS[0]: texts(np.load(path, allow_pickle=False), str(path))}
        if idx.is_idx(path):
            return {LABELS[0]: texts(idx.read(path), str(path))}
        # Names of files may be any bytes, as Python gives them.
        with open(path, encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            rows = [row for row in csv.reader(file) if row]
    except (OSError, ValueError, EOFError, csv.Error) as error:
        raise errors.DataError(f"{path} cannot be read as labels: {error}; give a CSV, .npy or IDX file") from error
    if not rows:
        raise errors.DataError(f"{path} is empty: give a CSV file with a line of names and a line for each record")
    for number, row in enumerate(rows, start=1):
        if len(row) != len(rows[0]):
            raise errors.DataError(
                f"{path} line {number} has {counted(len(row), 'value')}, the first line has {len(rows[0])}; "
                "give all lines as many"
            )
    return {name.strip(): [row[place] for row in rows[1:]] for place, name in enumerate(rows[0])}


def texts(array: Array, where: str) -> list[str]:
    """Return an array of one dimension, or of one column, as texts.

    Raises:
      errors.DataError: it has another shape.
    """
    flat = array.reshape(-1) if array.ndim == 2 and array.shape[1] == 1 else array
    if flat.ndim != 1:
        raise errors.DataError(f"{where} has the shape {array.shape}; labels and groups have one dimension")
    return [label_text(value, f"row {row} of {where}") for row, value in enumerate(flat)]


def label_column(columns: Mapping[str, Sequence[str]], asked: str, where: str) -> str:
    """Return the name of the column of labels.

    Raises:
      OptionError: there is none of the name that was asked for, or of a usual one.
    """
    if asked:
        return wanted(columns, asked, "--label", where)
    found = [name for name in columns if name.lower() in LABELS]
    if len(found) == 1:
        return found[0]
    raise OptionError(f"{where} has the columns {', '.join(columns)}: name that of the labels with --label COLUMN")


def file_column(columns: Mapping[str, Sequence[str]]) -> str:
    """Return the name of the column of file names: a usual one, else the first."""
    return next((name for name in columns if name.lower() in _FILES), next(iter(columns)))


def wanted(columns: Mapping[str, object], name: str, option: str, where: str) -> str:
    """Return `name` if it is a column. Raises `OptionError` else."""
    if name not in columns:
        raise OptionError(f"{option} {name!r}: {where} has no such column; there are: {', '.join(columns) or 'none'}")
    return name


def check_rows(count: int, rows: int, where: str) -> None:
    """Raise `errors.DataError` unless there are as many labels or groups as records."""
    if count != rows:
        raise errors.DataError(
            f"{where} does not fit: it has {counted(count, 'row')}, the data has {counted(rows, 'record')}"
        )
