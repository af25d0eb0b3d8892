"""IDX files, the form in which MNIST was published, also compressed with gzip."""

from __future__ import annotations

import gzip
import math
import pathlib
import struct
import zlib
from typing import BinaryIO, cast

import numpy as np

from components import errors
from components.data.own_data.records import Array
from components.text import counted

# By the third byte of the file; all values are big-endian.
_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_GZIP = b"\x1f\x8b"
_MOST_DIMENSIONS = 4


def is_idx(path: pathlib.Path) -> bool:
    """Return whether a file begins as an IDX file does."""
    try:
        with _open(path) as file:
            head = file.read(4)
    except (OSError, EOFError, zlib.error):
        return False
    return len(head) == 4 and head[:2] == b"\0\0" and head[2] in _TYPES and 1 <= head[3] <= _MOST_DIMENSIONS


def read(path: pathlib.Path) -> Array:
    """Return the array of a file.

    Raises:
      errors.DataError: the file is damaged or is no IDX file.
    """
    try:
        with _open(path) as file:
            head = file.read(4)
            kind = np.dtype(_TYPES[head[2]])
            shape = struct.unpack(f">{head[3]}I", file.read(4 * head[3]))
            size = math.prod(shape) * kind.itemsize
            content = file.read(size)
            longer = bool(file.read(1))
    except (OSError, EOFError, zlib.error, struct.error, KeyError, IndexError, OverflowError, MemoryError) as error:
        raise errors.DataError(f"{path} is damaged or is not an IDX file: {error or type(error).__name__}") from error
    if len(content) != size or longer:
        raise errors.DataError(
            f"{path} is damaged: its header says {counted(size, 'byte')} of shape {shape}, it holds "
            f"{'more' if longer else f'{len(content):,}'}; get the file again"
        )
    return np.frombuffer(content, kind).reshape(shape).astype(kind.newbyteorder("="))


def _open(path: pathlib.Path) -> BinaryIO:
    with open(path, "rb") as file:
        packed = file.read(len(_GZIP)) == _GZIP
    return cast(BinaryIO, gzip.open(path, "rb") if packed else open(path, "rb"))
