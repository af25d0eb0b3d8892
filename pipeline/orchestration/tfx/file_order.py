"""Let Beam read the files of a folder in the order of their names.

Beam reads them in the order in which the file system lists them, often the one in which they were written, which
depends on the number of workers. Sums of floats depend on it: a standard deviation of
StatisticsGen differed in its last digit.

Importing this module imports Beam.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from apache_beam.io.localfilesystem import LocalFileSystem


def sort_files() -> None:
    """Sort the files of folders that Beam lists in this process."""
    LocalFileSystem._list = _list_sorted


_list_unsorted = LocalFileSystem._list


def _list_sorted(self: Any, dir_or_prefix: str) -> Iterator[Any]:
    """Beam's `_list`, in the order of the paths."""
    yield from sorted(_list_unsorted(self, dir_or_prefix), key=lambda found: found.path)
