"""Open and read small files of a root, but only regular ones: a pipe would block the reader, a device never end."""

from __future__ import annotations

import errno
import io
import os
import pathlib
import stat
from typing import BinaryIO, cast


def opened(path: pathlib.Path, follow: bool = True) -> io.BufferedReader:
    """Open a file to read it.

    Args:
      path: of the file.
      follow: whether a link to a file may be followed.

    Raises:
      OSError: there is none, it cannot be read, or it is a pipe, a socket, a device or a folder.
    """
    return cast(io.BufferedReader, _checked(path, os.O_RDONLY | (0 if follow else os.O_NOFOLLOW), "rb"))


def opened_to_append(path: pathlib.Path) -> BinaryIO:
    """Open a file, created if missing, to append to it, unbuffered. Raises as `opened` does."""
    return _checked(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, "ab")


def text(path: pathlib.Path, errors: str = "strict", most: int = -1) -> str:
    """Return the text of a file, in UTF-8.

    Args:
      path: of the file.
      errors: how to treat bytes that are not UTF-8, as in `bytes.decode`.
      most: maximum number of bytes read; the rest is left out. Negative: all.

    Raises:
      OSError: as `opened` does.
      UnicodeDecodeError: it is not UTF-8, and `errors` is `strict`.
    """
    with opened(path) as file:
        return file.read(most).decode("utf-8", errors)


def _checked(path: pathlib.Path, flags: int, mode: str) -> BinaryIO:
    # O_NONBLOCK: do not wait for the other end of a pipe. Regular files ignore it.
    number = os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC, 0o666)
    if not stat.S_ISREG(os.fstat(number).st_mode):
        os.close(number)
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    return cast(BinaryIO, os.fdopen(number, mode, buffering=0 if mode == "ab" else -1))
