"""Compare files on the disk with what was recorded of them; all bytes are read."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import stat
from collections.abc import Iterator, Mapping

from pipeline.core import file_digests
from pipeline.maintenance.fsck.findings import Checked, Finding, FindingKind
from pipeline.metadata.properties import FILES


@dataclasses.dataclass(frozen=True)
class Words:
    """How to speak of files that are unlike those they are held against."""

    other: str
    stranger: str


def noted(properties: Mapping[str, str | int | float]) -> file_digests.Files:
    """The files of an artifact as they were published. Raises `ValueError` when that cannot be read."""
    if FILES not in properties:
        raise ValueError("the list of its files is not there")
    try:
        files = file_digests.from_text(str(properties[FILES]))
    except (OverflowError, RecursionError) as error:  # numbers and depths that JSON allows
        raise ValueError(str(error)) from error
    outside = [name for name in files if pathlib.PurePosixPath(name).is_absolute() or ".." in name.split("/")]
    if outside:
        raise ValueError(f"it names a file outside the artifact, {outside[0]}")
    return files


def compare(folder: pathlib.Path, files: file_digests.Files, words: Words, checked: Checked) -> Iterator[Finding]:
    """How a folder differs from what is recorded of its files."""
    try:
        found = stat_of(folder)
    except OSError as error:
        yield unreadable(folder, error)
        return
    if found is None or not stat.S_ISDIR(found.st_mode):
        yield Finding(FindingKind.MISSING, f"{folder} is {'no folder' if found else 'missing'}", str(folder))
        return
    for name, state in sorted(files.items()):
        path = folder / name
        checked.files += 1
        try:
            yield from _compare_file(path, state, words, checked)
        except OSError as error:
            yield unreadable(path, error)
    yield from _strangers(folder, files, words)


def _compare_file(
    path: pathlib.Path, state: file_digests.FileState, words: Words, checked: Checked
) -> Iterator[Finding]:
    found = stat_of(path)
    if found is None:
        yield missing(path)
    elif not stat.S_ISREG(found.st_mode):  # reading a pipe would wait for ever
        yield Finding(FindingKind.ALTERED, f"{path} is no file", str(path))
    elif found.st_size != state.size:
        yield Finding(FindingKind.ALTERED, f"{path} has {found.st_size:,} bytes instead of {state.size:,}", str(path))
    else:
        checked.bytes += found.st_size
        if file_digests.of_file(path) != state.digest:
            yield Finding(FindingKind.ALTERED, f"{path} {words.other}", str(path))


def _strangers(folder: pathlib.Path, files: file_digests.Files, words: Words) -> Iterator[Finding]:
    """Files that are not recorded; what is neither file nor folder was not recorded at publication either."""
    closed: list[OSError] = []
    for place, folders, names in os.walk(folder, onerror=closed.append):
        folders.sort()
        for name in sorted(names):
            path = pathlib.Path(place, name)
            try:
                if path.relative_to(folder).as_posix() not in files and path.is_file():
                    yield Finding(FindingKind.ALTERED, f"{path} {words.stranger}", str(path))
            except OSError as error:
                yield unreadable(path, error)
    for reason in closed:
        yield unreadable(pathlib.Path(str(reason.filename)), reason)


def stat_of(path: pathlib.Path) -> os.stat_result | None:
    """What is known of a file or folder; None where there is none, or there can be none of this name."""
    try:
        return os.stat(path)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None


def missing(path: pathlib.Path) -> Finding:
    """That a file or folder is not there."""
    return Finding(FindingKind.MISSING, f"{path} is missing", str(path))


def unreadable(path: pathlib.Path, error: OSError) -> Finding:
    """That a file or folder cannot be read."""
    return Finding(FindingKind.UNREADABLE, f"{path} cannot be read: {error.strerror or error}", str(path))
