"""Reading TFRecord files, compressed with gzip or not."""

from __future__ import annotations

import gzip
import pathlib
import zlib
from collections.abc import Iterator

import tensorflow as tf

_BATCH = 1024  # records handed over by TensorFlow at once: one by one they take five times as long
_BLOCK = 1 << 20  # bytes read at once
_GZIP = b"\x1f\x8b\x08"
_FRAME = 16  # bytes around each record: its length, and two checksums


def read(path: pathlib.Path) -> Iterator[bytes]:
    """The records of a file in order; a file with this content is told from its first bytes, not from its name.

    TensorFlow checks every record, but takes a file that is cut off within the next record's length, or within
    compressed data, for one that ends there. So the bytes of all records must add up to those of the file.

    Raises:
      ValueError: the file is damaged or holds no TFRecords. What was read before the damage was yielded.
    """
    with open(path, "rb") as file:
        packed = file.read(len(_GZIP)) == _GZIP
    dataset = tf.data.TFRecordDataset([str(path)], compression_type="GZIP" if packed else "")
    size = 0
    try:
        for batch in dataset.batch(_BATCH).as_numpy_iterator():
            records: list[bytes] = batch.tolist()
            size += sum(map(len, records)) + _FRAME * len(records)
            yield from records
        whole = _unpacked_size(path) if packed else path.stat().st_size
    except (tf.errors.OpError, OSError, EOFError, zlib.error) as error:
        raise ValueError(f"{path} holds no TFRecords or is damaged: {error}") from error
    if size != whole:
        raise ValueError(f"{path} is damaged: its records end after {size:,} of {whole:,} bytes")


def _unpacked_size(path: pathlib.Path) -> int:
    """Bytes in a gzip file, unpacked; reading it to its end checks it."""
    size = 0
    with gzip.open(path) as file:
        while block := file.read(_BLOCK):
            size += len(block)
    return size
