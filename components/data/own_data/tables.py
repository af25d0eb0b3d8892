"""CSV and Parquet files of numbers: each row is a vector."""

from __future__ import annotations

import pathlib

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from components import errors
from components.data.own_data import columns
from components.data.own_data.records import VECTOR, OptionError, Options, Source, of_rows


def source(path: pathlib.Path, options: Options) -> Source:
    """Read the columns of numbers, and those of label and group.

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
        reason = errors.first_line(error)
        raise errors.DataError(f"{path} cannot be read as a {'CSV' if is_csv else 'Parquet'} file: {reason}") from error
    known = dict.fromkeys(table.column_names)
    if len(known) < len(table.column_names):
        raise errors.DataError(f"{path} has two columns of one name; there are: {', '.join(table.column_names)}")
    if is_csv and len(known) == 1 and (other := next((mark for mark in ";\t|" if mark in next(iter(known))), "")):
        raise errors.DataError(f"{path} separates its columns with {other!r}: save it with commas between them")
    for option, name in (("--label", options.label), ("--group", options.group)):
        if name:
            columns.wanted(known, name, option, str(path))
    data = [name for name in known if name not in (options.label, options.group)]
    texts = [name for name in data if not _is_number(table.schema.field(name).type)]
    if texts:
        raise errors.DataError(
            f"{path}: the columns {', '.join(texts)} are not of numbers; name those of labels and groups with --label "
            "and --group, and remove the others from the file (no option leaves columns out)"
        )
    if not data:
        raise errors.DataError(f"{path} has no column of numbers beside label and group")
    # Missing values become NaN, which is refused where the rows are read.
    values = np.stack([table[name].cast(pa.float64()).to_numpy() for name in data], axis=1).astype(np.float32)

    def words(name: str) -> list[str] | None:
        return columns.texts(np.array(table[name].to_pylist(), object), f"{name} of {path}") if name else None

    labels, groups = None if options.no_labels else words(options.label), words(options.group)
    return Source("CSV file" if is_csv else "Parquet file", VECTOR, lambda: of_rows(values, labels, groups))


def _csv(path: pathlib.Path) -> pa.Table:
    """Read a CSV file; if its first line is numbers as well, it has no line of names."""
    table = pyarrow.csv.read_csv(path)
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
