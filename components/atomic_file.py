"""Write a file or folder so that it is there whole or not at all, also after a power cut.

In `components`, which may not import `pipeline`, because nodes write such files as well.
"""

from __future__ import annotations

import os
import pathlib


def write(path: pathlib.Path, content: str | bytes) -> None:
    """Write a file, text as UTF-8, in place of an older one.

    Raises:
      OSError: the file cannot be written; what was there before is still there.
    """
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.unfinished")
    try:
        unfinished.write_bytes(content.encode() if isinstance(content, str) else content)
        replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def replace(unfinished: pathlib.Path, path: pathlib.Path) -> None:
    """Give a complete file or folder its name, once all of it is on the disk.

    Args:
      unfinished: in the same file system as `path`.
      path: taken over when it is a file or an empty folder.

    Raises:
      OSError: it cannot be written; `path` is what it was before.
    """
    if unfinished.is_dir():
        for folder, _, files in os.walk(unfinished):
            for name in files:
                _sync(os.path.join(folder, name))
            _sync(folder)
    else:
        _sync(unfinished)  # else a crash of the machine could leave the new name with nothing behind it
    os.replace(unfinished, path)
    _sync(path.parent)  # else the new name itself could be lost


def _sync(path: str | pathlib.Path) -> None:
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
