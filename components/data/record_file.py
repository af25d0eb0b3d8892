"""Read one TFRecord file."""

from __future__ import annotations

import os

import tensorflow as tf

_BUFFER = 1 << 18  # bytes, as `tf.data.TFRecordDataset` has


def records(path: str | os.PathLike[str], compression: str = "") -> tf.data.Dataset:
    """Return the records of a file: string, shape ().

    `tf.data.TFRecordDataset` traces a function that reads any file of a list. For one file of thousands of records this
    takes as long as reading it.

    Args:
      path: of the file.
      compression: `GZIP`, `ZLIB` or empty.
    """
    opened = tf.raw_ops.TFRecordDataset(filenames=[os.fspath(path)], compression_type=compression, buffer_size=_BUFFER)
    return tf.data.experimental.from_variant(opened, tf.TensorSpec((), tf.string))
