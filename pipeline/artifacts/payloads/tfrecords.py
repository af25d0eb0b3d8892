"""Read TFRecord files, compressed with gzip or not, and check their checksums."""

from __future__ import annotations

import gzip
import pathlib
import struct
import zlib
from collections.abc import Iterator
from typing import IO, cast

from components.errors import cause_text
from pipeline.artifacts.payloads.files import UnreadableFileError
from pipeline.core import regular_file
from pipeline.core.text import bytes_text

_GZIP = b"\x1f\x8b"
_HEAD = struct.Struct("<QI")  # the length of a record, and a checksum of these 8 bytes
_CHECKSUM = struct.Struct("<I")  # of the record, after it
_POLYNOMIAL = 0x82F63B78  # of CRC-32C, reflected; zlib has another
_MASK = 0xA282EAD8  # TensorFlow rotates a checksum by 15 bits and adds this


def _row(number: int) -> int:
    for _ in range(8):
        number = number >> 1 ^ (_POLYNOMIAL if number & 1 else 0)
    return number


_TABLE = tuple(map(_row, range(256)))


def checksum(content: bytes) -> int:
    """Return the masked CRC-32C of bytes, as TFRecord files contain it."""
    crc = 0xFFFFFFFF
    for byte in content:
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + _MASK) & 0xFFFFFFFF


def _is_packed(head: bytes) -> bool:
    """Return whether a file begins as those of gzip do, and not with the length 35,615, whose bytes are the same."""
    return head.startswith(_GZIP) and head[8:] != _CHECKSUM.pack(checksum(head[:8]))


def read(path: pathlib.Path, most: int, check: bool = True) -> Iterator[bytes]:
    """Yield the records of a file. The first bytes decide whether it is compressed, not the name.

    Args:
      path: of the file.
      most: bytes of all records that are read, with their checksums; compressed ones count unpacked.
      check: whether to verify checksums, which takes 0.1 s or more for each MB.

    Raises:
      UnreadableFileError: it is damaged, no TFRecord file, larger, or cannot be read. Records before that were yielded.
    """
    name = f"{path.parent.name}/{path.name}"
    try:
        with regular_file.opened(path) as raw:
            packed = _is_packed(raw.peek(_HEAD.size)[: _HEAD.size])
            file = cast(IO[bytes], gzip.GzipFile(fileobj=raw)) if packed else raw
            while head := file.read(_HEAD.size):
                length, of_length = _HEAD.unpack(head)
                if check and of_length != checksum(head[:8]):
                    raise UnreadableFileError(f"{name} is damaged, or is not a TFRecord file")
                most -= _HEAD.size + length + _CHECKSUM.size
                if most < 0:
                    raise UnreadableFileError(f"{name} has more records than are read, one of {bytes_text(length)}")
                record = file.read(length)
                of_record = file.read(_CHECKSUM.size)
                if check and of_record != _CHECKSUM.pack(checksum(record)):
                    raise UnreadableFileError(f"{name} is damaged")
                yield record
    except (EOFError, gzip.BadGzipFile, zlib.error, struct.error) as error:
        raise UnreadableFileError(f"{name} is damaged, or is not a TFRecord file") from error
    except OSError as error:
        raise UnreadableFileError(f"{name} cannot be read: {cause_text(error)}") from error
