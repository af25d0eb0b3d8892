"""The table of codes: a row for each example. Free of TensorFlow.

Columns:

* `id`: text, unique: that of the record, if the data set was made by `sae data add` (the name of a file, the number of
  a row); else `<split>/<number>`, the number of the example in its split from 0, in the order of the data;
* `split`: text;
* `label`: int64, in a labelled data set only;
* `label_name`: text, of new data whose labels have other names than their numbers;
* `code_0`, `code_1`, ...: float32, the activation of each unit of the code.
"""

from __future__ import annotations

import pathlib
from collections.abc import Iterable, Iterator, Sequence
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

FILE = "codes.parquet"
ID, SPLIT, LABEL, LABEL_NAME = "id", "split", "label", "label_name"
ROW_GROUP = 10_000  # rows
Codes = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]


def code_columns(units: int) -> list[str]:
    """Return the names of the code's columns."""
    return [f"code_{unit}" for unit in range(units)]


def to_table(
    ids: Sequence[str],
    split: str,
    codes: Codes,
    labels: Labels | None = None,
    label_names: Sequence[str] | None = None,
) -> pa.Table:
    """Return rows as a table.

    Args:
      ids: n texts.
      split: of all rows; empty: no column `split`.
      codes: float32, shape (n, units).
      labels: int64, shape (n,); None: no column `label`.
      label_names: n texts; None: no column `label_name`.
    """
    columns: dict[str, Any] = {ID: pa.array(ids, pa.string())}
    if split:
        columns[SPLIT] = pa.repeat(split, len(ids))
    if labels is not None:
        columns[LABEL] = pa.array(labels, pa.int64())
    if label_names is not None:
        columns[LABEL_NAME] = pa.array(label_names, pa.string())
    for name, values in zip(code_columns(codes.shape[1]), np.ascontiguousarray(codes.T), strict=True):
        columns[name] = pa.array(values, pa.float32())
    return pa.table(columns)


class Writer:
    """Write tables into one Parquet file, in row groups of `ROW_GROUP` rows, so that equal rows give equal bytes.

    Memory does not grow with the number of rows. Without any rows no file is written.
    """

    def __init__(self, path: pathlib.Path) -> None:
        self._path = path
        self._file: Any = None
        self._waiting: list[pa.Table] = []
        self._count = 0

    def __enter__(self) -> Writer:
        return self

    def add(self, rows: pa.Table) -> None:
        """Append rows; all must have the columns of the first."""
        if self._file is None:
            # Values of float32 hardly repeat, so a dictionary would only cost.
            self._file = pq.ParquetWriter(
                self._path, rows.schema, compression="zstd", use_dictionary=[SPLIT], version="2.6"
            )
        self._waiting.append(rows)
        self._count += rows.num_rows
        while self._count >= ROW_GROUP:
            self._write(ROW_GROUP)

    def _write(self, count: int) -> None:
        rows = pa.concat_tables(self._waiting)
        self._file.write_table(rows.slice(0, count).combine_chunks(), row_group_size=ROW_GROUP)
        rest = rows.slice(count)
        self._waiting, self._count = [rest], rest.num_rows

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            if error is None and self._count:
                self._write(self._count)
            self._file.close()


def row_groups(path: pathlib.Path) -> Iterator[pa.Table]:
    """Yield the row groups of a table of codes in their order.

    Raises:
      OSError, pyarrow.ArrowException: it is not a readable Parquet file.
    """
    with pq.ParquetFile(path) as file:
        for number in range(file.num_row_groups):
            yield file.read_row_group(number)


def units_of(columns: Iterable[str]) -> int:
    """Return the number of units in a table with these columns."""
    return sum(name.startswith("code_") for name in columns)


def in_split(rows: pa.Table, split: str) -> npt.NDArray[np.bool_]:
    """Return which rows are of a split: bool, shape (n,)."""
    chosen: npt.NDArray[np.bool_] = pc.equal(rows[SPLIT], split).to_numpy()
    return chosen


def codes_of(rows: pa.Table) -> Codes:
    """Return the codes in rows: float32, shape (n, units)."""
    return np.stack([rows[name].to_numpy() for name in code_columns(units_of(rows.column_names))], axis=1)
