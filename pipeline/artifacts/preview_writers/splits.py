"""The records of Examples."""

from __future__ import annotations

import itertools
import pathlib
import sys
from collections.abc import Iterator
from typing import Any

import tensorflow as tf

from pipeline.artifacts.payloads import tfrecords


def first(folder: pathlib.Path, limit: int) -> list[Any]:
    """Return the first tf.Examples of a split, in the order of its files.

    Raises:
      Exception: the files are not TFRecords of tf.Examples.
    """
    return [tf.train.Example.FromString(record) for record in itertools.islice(_read(folder), limit)]


def count(folder: pathlib.Path) -> int:
    """Return the number of records of a split; reads all of them."""
    return sum(1 for _ in _read(folder))


def _read(folder: pathlib.Path) -> Iterator[bytes]:
    """Yield the records of a split without verifying checksums: content digests detect damage.

    Creating a tf.data pipeline takes longer than reading a few records.
    """
    for path in sorted(path for path in folder.iterdir() if path.is_file()):
        yield from tfrecords.read(path, sys.maxsize, check=False)
