"""The named values of a content digest, their encoding, and the comparison of two lists of them.

The digest is SHA-256 over the entries in order. An entry is encoded as

    length of the name, name, tag, length of the value, value

where lengths are 8 bytes, texts are UTF-8, and numbers of fixed size are little-endian. The tag is one byte:

* `b` bytes;
* `t` text;
* `i` integer, in decimal digits;
* `f` float: the 8 bytes of a double, so NaN and -0.0 count by their bits;
* `o` Boolean: one byte, 1 or 0;
* `n` None: no bytes;
* `a` array: the length and text of its dtype (NumPy's, such as `<f4`), 8 bytes for the number of dimensions and for
  each dimension, then its values in C order, little-endian. A value of any length (dtype `|O`) is its length and bytes.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, Union

import numpy as np
import numpy.typing as npt

from pipeline.artifacts.fingerprints import differences

Value = Union[bytes, str, int, float, bool, None, "npt.NDArray[Any]"]


class ContentEntry(NamedTuple):
    """One named value that counts as content.

    Attributes:
      name: counts; shown with a difference.
      value: counts.
      explain: describes the difference of two entries of this name: `3 against 5`.
      detail: further input of `explain`; does not count.
    """

    name: str
    value: Value
    explain: Callable[[Any, Any], str] | None = None
    detail: Any = None


def digest(entries: Iterable[ContentEntry]) -> bytes:
    """Return the SHA-256 of entries in their order, 32 bytes."""
    sha = hashlib.sha256()
    update, pack = sha.update, _LENGTH.pack
    for entry in entries:
        name = entry.name.encode()
        value = entry.value
        if isinstance(value, bytes):  # by far the most frequent case: the records of a data set
            update(b"".join((pack(len(name)), name, b"b", pack(len(value)), value)))
        else:
            tag, encoded = encode(value)
            update(b"".join((pack(len(name)), name, tag, pack(len(encoded)))))
            update(encoded)
    return sha.digest()


_LINE = 480  # characters of an explanation; a longer one is cut in the middle
_LENGTH = struct.Struct("<Q")
_DOUBLE = struct.Struct("<d")


def encode(value: Value) -> tuple[bytes, bytes]:
    """Return the tag and the bytes of a value.

    Raises:
      TypeError: the value is of another type.
    """
    if isinstance(value, bytes):
        return b"b", value
    if isinstance(value, str):
        return b"t", value.encode("utf-8", "surrogatepass")
    if value is None:
        return b"n", b""
    if isinstance(value, bool):
        return b"o", bytes([value])
    if isinstance(value, int):
        return b"i", str(value).encode()
    if isinstance(value, float):
        return b"f", _DOUBLE.pack(value)
    if isinstance(value, np.ndarray):
        return b"a", _encode_array(value)
    raise TypeError(f"a fingerprint has entries of bytes, text, numbers and arrays, not {type(value).__name__}")


def _encode_array(array: npt.NDArray[Any]) -> bytes:
    little = array.astype(array.dtype.newbyteorder("<"), order="C", copy=False)
    dtype = little.dtype.str.encode() if little.dtype.names is None else repr(little.dtype.descr).encode()
    if little.dtype.kind == "V" and little.dtype.names is None:
        dtype = little.dtype.name.encode()  # bfloat16 and the like are all called |V2 otherwise
    shape = b"".join(_LENGTH.pack(size) for size in (little.ndim, *little.shape))
    if little.dtype.hasobject:
        texts = [text.encode() if isinstance(text, str) else bytes(text) for text in little.ravel()]
        content = b"".join(part for text in texts for part in (_LENGTH.pack(len(text)), text))
    else:
        content = little.tobytes()
    return b"".join((_LENGTH.pack(len(dtype)), dtype, shape, content))


def first_difference(one: Callable[[], Iterator[ContentEntry]], other: Callable[[], Iterator[ContentEntry]]) -> str:
    """Return one line on the first entry that differs, or "". Calls each function up to twice."""
    left, right = one(), other()
    while True:
        first, second = next(left, None), next(right, None)
        if first is None and second is None:
            return ""
        if first is None or second is None or first.name != second.name:
            return _missing(first, second, one, other)
        if encode(first.value) != encode(second.value):
            return f"{first.name} differs: {_explain(first, second)}"


def _explain(one: ContentEntry, other: ContentEntry) -> str:
    same = one.explain is not None and one.explain is other.explain
    text = one.explain(one, other) if one.explain and same else differences.values(one.value, other.value)
    text = " ".join(text.split())
    return text if len(text) <= _LINE else f"{text[: _LINE // 2]} ... {text[-_LINE // 2 :]}"


def _missing(
    first: ContentEntry | None,
    second: ContentEntry | None,
    one: Callable[[], Iterator[ContentEntry]],
    other: Callable[[], Iterator[ContentEntry]],
) -> str:
    """Describe the difference if the next entries have different names."""
    # Search from the start: an iterator no longer has the entries that it passed.
    if first is not None and all(entry.name != first.name for entry in other()):
        return f"only the first has {first.name}"
    if second is not None and all(entry.name != second.name for entry in one()):
        return f"only the second has {second.name}"
    names = [entry.name if entry is not None else "the end" for entry in (first, second)]
    return f"the order differs: {names[0]} against {names[1]}"
