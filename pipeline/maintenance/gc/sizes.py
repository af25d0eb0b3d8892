"""Bytes on the disk: of a folder, and of a root by its directories."""

from __future__ import annotations

import os
import pathlib
import stat

FILES = "files of the root"  # what is in it directly: ML Metadata, above all


def of_folder(folder: pathlib.Path) -> int:
    """Bytes of all files in it, at any depth, or of the file itself; 0 where nothing is. Links are not followed."""
    try:
        found = os.lstat(folder)
    except (FileNotFoundError, NotADirectoryError):
        return 0
    if not stat.S_ISDIR(found.st_mode):
        return found.st_size
    with os.scandir(folder) as entries:
        return sum(of_folder(pathlib.Path(entry.path)) for entry in entries)


def by_directory(root: pathlib.Path) -> dict[str, int]:
    """Bytes of each directory in a root, by its name in order, and of the files beside them."""
    found = {}
    beside = 0
    with os.scandir(root) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            size = of_folder(pathlib.Path(entry.path))
            if entry.is_dir(follow_symlinks=False):
                found[entry.name] = size
            else:
                beside += size
    return {**found, FILES: beside}
