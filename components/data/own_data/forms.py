"""Find out what is at a path: pictures, arrays, IDX files or a table."""

from __future__ import annotations

import pathlib

from components import errors
from components.data.own_data import arrays, idx, pictures, tables
from components.data.own_data.conversion import Conversion
from components.data.own_data.records import OptionError, Options, Source

FORMS = "a picture or a folder of them, a .npy, .npz, .csv or .parquet file, or IDX files"
_TABLES = (".csv", ".parquet")
_AS_CSV = "save the table as a .csv file with commas between its columns, or as .parquet"
_UNPACK = "unpack it, and give the folder or the file in it"
_CONVERSIONS = {
    **dict.fromkeys((".tsv", ".tab", ".xlsx", ".xls", ".ods"), _AS_CSV),
    **dict.fromkeys((".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".7z"), _UNPACK),
}


def open_source(path: pathlib.Path, options: Options, like: Conversion | None = None) -> Source:
    """Return the records at a path that exists.

    Args:
      path: a file or a folder.
      options: where the data and the labels are in it.
      like: how the records of a model's training data were made; of a table, its columns are read, by their names.

    Raises:
      errors.DataError: they cannot be used.
      OptionError: an option does not fit them.
    """
    path = path.resolve()
    suffix = path.suffix.lower()
    if options.array and suffix != ".npz":
        raise OptionError(f"--array names an array of an .npz file, which {path} is not")
    if options.leave_out and suffix not in _TABLES:
        raise OptionError(f"--leave-out names a column of a .csv or .parquet file, which {path} is not")
    if path.is_dir():
        return arrays.idx_folder(path, options) if arrays.is_idx_folder(path) else pictures.source(path, options)
    if not path.is_file():
        raise errors.DataError(f"{path} is neither a folder nor a file: give {FORMS}")
    if suffix == ".npy":
        return arrays.npy(path, options)
    if suffix == ".npz":
        return arrays.npz(path, options)
    if suffix in _TABLES:
        return tables.source(path, options, like or Conversion())
    if suffix in pictures.SUFFIXES:
        return pictures.source(path, options)
    if idx.is_idx(path):
        return arrays.idx_file(path, options)
    raise errors.DataError(f"{path} is of no known form: {_CONVERSIONS.get(suffix, f'give {FORMS}')}")
