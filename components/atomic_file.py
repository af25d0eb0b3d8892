"""Write a file or folder atomically: completely or not at all, also after a power cut. Nodes and `pipeline` use it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pathlib
from collections.abc import Iterator
from typing import BinaryIO

_SUFFIX = ".unfinished"


def write(path: pathlib.Path, content: str | bytes) -> None:
    """Write a file, text as UTF-8, in place of an older one; see `opened`."""
    with opened(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)


@contextlib.contextmanager
def opened(path: pathlib.Path) -> Iterator[BinaryIO]:
    """Open a file to write and read; it takes the place of an older one when the context ends without an exception.

    A process that is killed leaves `.NAME.PID.unfinished`, which is locked as long as it lives.

    Raises:
      OSError: the file cannot be written; the older one is unchanged.
    """
    unfinished = path.with_name(f".{path.name}.{os.getpid()}{_SUFFIX}")
    with named_in_errors(path):
        try:
            with open(unfinished, "w+b") as file:
                with contextlib.suppress(OSError):  # a file system without locks
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                yield file
                file.flush()
                replace(unfinished, path)
        finally:
            unfinished.unlink(missing_ok=True)


@contextlib.contextmanager
def named_in_errors(path: str | pathlib.Path) -> Iterator[None]:
    """Name a file in the errors of writing it: Python names none on a full disk, else the unfinished file."""
    try:
        yield
    except OSError as error:
        if error.errno and (error.filename is None or str(error.filename).endswith(_SUFFIX)) and not error.filename2:
            error.filename = str(path)
        raise


def replace(unfinished: pathlib.Path, path: pathlib.Path) -> None:
    """Rename a complete file or folder after all of it is on the disk.

    Args:
      unfinished: in the same file system as `path`.
      path: replaced if it is a file or an empty folder.

    Raises:
      OSError: it cannot be written; `path` is unchanged.
    """
    if unfinished.is_dir():
        for folder, _, files in os.walk(unfinished):
            for name in files:
                _sync(os.path.join(folder, name))
            _sync(folder)
    else:
        _sync(unfinished)  # otherwise a crash of the machine could leave the new name with an empty file
    os.replace(unfinished, path)
    _sync(path.parent)  # otherwise the new name could be lost


def _sync(path: str | pathlib.Path) -> None:
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
