"""CSV and Parquet files of numbers: each row is a vector."""

from __future__ import annotations

import csv
import dataclasses
import functools
import pathlib
import shlex
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from components import errors
from components.data.own_data import columns
from components.data.own_data.conversion import Conversion
from components.data.own_data.records import (
    VECTOR,
    Array,
    OptionError,
    Options,
    Record,
    Source,
    UnreadableRecordError,
    label_text,
    listed,
    of_rows,
)

# What pyarrow's errors do not say: most files that fail come from a spreadsheet of another language.
_CSV_NEEDS = "save it as UTF-8 with commas between columns, points in decimals, and as many values in each line"


def source(path: pathlib.Path, options: Options, like: Conversion) -> Source:
    """Read the columns of numbers, and those of label and group.

    Names of columns decide which values of a record they are, not their places in the file: where the training data had
    names, its columns are read in its order, and others are left out.

    Args:
      path: the file.
      options: name the columns that are no data.
      like: how the records of the training data were made; `Conversion()`: this is the training data.

    Raises:
      errors.DataError: the file cannot be read, or another column is not of numbers.
      OptionError: an option names no column.
    """
    if options.labels:
        raise OptionError("--labels gives a file; the labels of a table are a column of it: --label COLUMN")
    is_csv = path.suffix != ".parquet"
    try:
        table = _csv(path) if is_csv else pyarrow.parquet.read_table(path)
    except (OSError, ValueError, pa.ArrowException) as error:
        form, needed = ("CSV", f"; {_CSV_NEEDS}") if is_csv else ("Parquet", "")
        reason = errors.first_line(error)
        raise errors.DataError(f"{path} cannot be read as a {form} file: {reason}{needed}") from error
    known = dict.fromkeys(table.column_names)
    if len(known) < len(table.column_names):
        raise errors.DataError(f"{path} has two columns of one name; there are: {', '.join(table.column_names)}")
    if is_csv and len(known) == 1 and (other := next((mark for mark in ";\t|" if mark in next(iter(known))), "")):
        raise errors.DataError(f"{path} separates its columns with {other!r}: save it with commas between them")
    named = [
        ("--label", options.label),
        ("--group", options.group),
        *(("--leave-out", one) for one in options.leave_out),
    ]
    for option, name in named:
        if name:
            columns.wanted(known, name, option, str(path))
    data = _data_columns(path, list(known), options, like)
    texts = [name for name in data if not _is_number(table.schema.field(name).type)]
    cells = _CsvCells(path, table) if is_csv else _Cells(path, table)
    if texts:
        wrong = ", ".join(f"{cells.place(row)}: {cells.value(row, name)!r}" for name, row in _first_texts(table, texts))
        left_out = " ".join(f"--leave-out {shlex.quote(name)}" for name in texts)
        noun, verb = ("column", "is") if len(texts) == 1 else ("columns", "are")
        raise errors.DataError(
            f"{path}: the {noun} {', '.join(texts)} {verb} not of numbers ({wrong}); name those of labels and groups "
            f"with --label and --group, leave out others with {left_out}, or mend their values"
        )
    if not data:
        raise errors.DataError(f"{path} has no column of numbers beside those of label, group and --leave-out")
    with np.errstate(over="ignore"):  # missing values become NaN
        values = np.stack([table[name].cast(pa.float64()).to_numpy() for name in data], axis=1).astype(np.float32)
    faults = {row: _fault(values[row], data, row, cells) for row in np.flatnonzero(~np.isfinite(values).all(axis=1))}

    def words(name: str) -> list[str] | None:
        if not name:
            return None
        found = table[name].to_pylist()
        try:
            return [label_text(value, "") for value in found]
        except OptionError:  # again with places, for which a CSV file is read again
            return [label_text(one, f"{cells.place(row)}, column {name} of {path}") for row, one in enumerate(found)]

    labels, groups = None if options.no_labels else words(options.label), words(options.group)
    form = "CSV file" if is_csv else "Parquet file"
    return Source(form, VECTOR, lambda: _records(values, labels, groups, faults), columns=tuple(data))


def _data_columns(path: pathlib.Path, known: Sequence[str], options: Options, like: Conversion) -> list[str]:
    """Return the names of the columns with the data, in the order of the values of a record.

    Raises:
      errors.DataError: some columns of the training data are missing.
    """
    no_data = ("", options.label, options.group, *options.leave_out, *like.left_out)  # no name: pandas' numbers of rows
    data = [name for name in known if name not in no_data]
    missing = [name for name in like.columns if name not in data]
    if len(missing) == len(like.columns):  # other names, or none: by their places
        return data
    if missing:
        noun = "column" if len(missing) == 1 else "columns"
        raise errors.DataError(
            f"{path} lacks the {noun} {listed(missing)} of the training data; there are: {', '.join(data)}; add what "
            "is missing, or give the columns the names of the training data"
        )
    return list(like.columns)


def _records(
    values: Array, labels: Sequence[str] | None, groups: Sequence[str] | None, faults: Mapping[int, str]
) -> Iterator[Record]:
    for row, record in enumerate(of_rows(values, labels, groups)):
        yield dataclasses.replace(record, load=functools.partial(_refuse, faults[row])) if row in faults else record


def _refuse(fault: str) -> Array:
    raise UnreadableRecordError(fault)


def _fault(values: Array, names: Sequence[str], row: int, cells: _Cells) -> str:
    """Describe the first value of a row that is not finite, and count the others."""
    first, *others = np.flatnonzero(~np.isfinite(values))
    more = f", and {len(others):,} more of its values" if others else ""
    name = names[first]
    return f"{cells.place(row)}, column {name}: {cells.value(row, name)!r} is not a finite number (float32){more}"


def _first_texts(table: pa.Table, names: Sequence[str]) -> Iterator[tuple[str, int]]:
    """Yield each column with the row of its first value that is not a number, at most three."""
    for name in names[:3]:
        values = enumerate(table[name].to_pylist())
        yield name, next((row for row, value in values if value is not None and not _reads_as_number(str(value))), 0)


class _Cells:
    """Where a row is, and what is in it, for messages."""

    def __init__(self, path: pathlib.Path, table: pa.Table) -> None:
        self._path, self._table = path, table

    def place(self, row: int) -> str:
        return f"row {row}"

    def value(self, row: int, name: str) -> object:
        return self._table[name][row].as_py()


class _CsvCells(_Cells):
    """The same of a CSV file, which is read again for the numbers of its lines."""

    def place(self, row: int) -> str:
        return f"line {self._rows[row][0]}"

    def value(self, row: int, name: str) -> object:
        return self._rows[row][1][self._table.column_names.index(name)]

    @functools.cached_property
    def _rows(self) -> list[tuple[int, list[str]]]:
        with open(self._path, encoding="utf-8-sig", errors="replace", newline="") as file:
            reader = csv.reader(file)
            rows = [(reader.line_num, row) for row in reader if row]
        return rows[len(rows) - self._table.num_rows :]  # without the line of names


def _csv(path: pathlib.Path) -> pa.Table:
    """Read a CSV file; if its first line is numbers as well, it has no line of names."""
    try:
        table = pyarrow.csv.read_csv(path)
    except pa.ArrowInvalid:  # in one thread, pyarrow's error names the row
        table = pyarrow.csv.read_csv(path, read_options=pyarrow.csv.ReadOptions(use_threads=False))
    if not all(map(_reads_as_number, table.column_names)):
        return table
    return pyarrow.csv.read_csv(path, read_options=pyarrow.csv.ReadOptions(autogenerate_column_names=True))


def _reads_as_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _is_number(kind: pa.DataType) -> bool:
    types = pa.types
    return bool(
        types.is_integer(kind)
        or types.is_floating(kind)
        or types.is_boolean(kind)
        or types.is_decimal(kind)
        or types.is_null(kind)
    )
