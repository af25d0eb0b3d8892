"""tf.Examples with the features of `components.data.features`, as protobuf writes them with sorted features.

protobuf takes five times as long for an example, half of it for features that all examples of a data set have. The
functions below write [its format](https://protobuf.dev/programming-guides/encoding) of these messages:

    message Example { Features features = 1; }
    message Features { map<string, Feature> feature = 1; }  // an entry is a message: key = 1, value = 2
    message Feature { oneof kind { BytesList bytes_list = 1; FloatList float_list = 2; Int64List int64_list = 3; } }

and of the three lists, which have `repeated value = 1`; numbers are packed.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from components.data import features

_BYTES, _FLOATS, _INTEGERS = 1, 2, 3  # kinds of features, by the number of their list
_CACHED = 4096  # more than the lengths that small images of a data set have


def serialized(
    data: bytes | npt.NDArray[np.float32], numbers: Mapping[str, int] | None = None, record_id: str = ""
) -> bytes:
    """Return a serialized tf.Example.

    Args:
      data: a PNG file, or the numbers of a vector or of an image of floats, row by row.
      numbers: further features of one integer each, such as `height`, by name.
      record_id: the feature `id`; empty: none.
    """
    if isinstance(data, bytes):
        found = {features.IMAGE: _feature(features.IMAGE, _BYTES, data)}
    else:
        found = {features.VALUES: _feature(features.VALUES, _FLOATS, data.astype("<f4").tobytes())}
    for name, number in (numbers or {}).items():
        found[name] = _integer_feature(name, number)
    if record_id:
        found[features.ID] = _feature(features.ID, _BYTES, record_id.encode())
    content = b"".join([found[name] for name in sorted(found)])
    return _start(1, len(content)) + content


@functools.lru_cache(maxsize=_CACHED)
def _integer_feature(name: str, number: int) -> bytes:
    return _feature(name, _INTEGERS, _varint(number))


def _feature(name: str, kind: int, value: bytes) -> bytes:
    """Return an entry of the map of features: a name, and a list of one value or of packed numbers."""
    return _before(name, kind, len(value)) + value


@functools.lru_cache(maxsize=_CACHED)
def _before(name: str, kind: int, length: int) -> bytes:
    """Return what is before the value of `length` bytes in an entry."""
    found = b""
    for field in (1, kind, 2):  # the value in its list, the list in its feature, the feature in its entry
        found = _start(field, len(found) + length) + found
    key = name.encode()
    found = _start(1, len(key)) + key + found
    return _start(1, len(found) + length) + found


def _start(field: int, length: int) -> bytes:
    """Return the number, type and length of a field of bytes, text or a message."""
    return _varint(field << 3 | 2) + _varint(length)


@functools.lru_cache(maxsize=_CACHED)
def _varint(number: int) -> bytes:
    """Return an integer in groups of seven bits, the lowest first; a negative one as its complement in 64 bits."""
    rest = number % (1 << 64)
    groups = bytearray()
    while rest > 0x7F:
        groups.append(rest & 0x7F | 0x80)
        rest >>= 7
    groups.append(rest)
    return bytes(groups)


def png_file(image: npt.NDArray[Any]) -> bytes:
    """Return an image of uint8 or uint16, shape (height, width, 1 or 3), as a PNG file."""
    import tensorflow as tf

    png: bytes = tf.io.encode_png(image).numpy()
    return png
