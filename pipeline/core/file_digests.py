"""Digests of files and folders, and the first difference between a folder and what was recorded of it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import pathlib
from collections.abc import Mapping

from components import json_text
from pipeline.core.text import counted

_BLOCK = 1 << 16  # bytes per read; memory for more is taken anew each time, which takes longer than a small file


@dataclasses.dataclass(frozen=True)
class FileState:
    """A file at the time when its artifact was published.

    Attributes:
      size: bytes.
      mtime: modification time, nanoseconds since the epoch.
      digest: SHA-256 of its bytes, in hex.
    """

    size: int
    mtime: int
    digest: str


Files = dict[str, FileState]


def of_file(path: str | pathlib.Path) -> str:
    """Return the SHA-256 of a file's bytes, in hex."""
    digest = hashlib.sha256()
    with open(path, "rb", buffering=0) as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def of_mapping(values: Mapping[str, object]) -> str:
    """Return the SHA-256, in hex, of a mapping as JSON with sorted keys."""
    text = json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def scan(folder: pathlib.Path) -> Files:
    """Return the state of every file in a folder, at any depth, by relative path. Links are followed."""
    states = {}
    for name, path in _files(folder):
        before = os.stat(path)
        states[name] = FileState(before.st_size, before.st_mtime_ns, of_file(path))
    return states


def of_files(files: Files) -> str:
    """Return the SHA-256 over the sorted names and digests of files (Merkle digest); times do not count."""
    return of_mapping({name: state.digest for name, state in files.items()})


def of_folder(folder: pathlib.Path) -> dict[str, str]:
    """Return the SHA-256 of every file in a folder, at any depth, by relative path."""
    return {name: of_file(path) for name, path in _files(folder)}


def _files(folder: pathlib.Path) -> list[tuple[str, str]]:
    """Return the relative path and the path of every file in a folder, sorted; faster than `pathlib`."""
    start = os.path.join(folder, "")
    paths = (os.path.join(place, name) for place, _, names in os.walk(folder, onerror=_check) for name in names)
    return sorted((path.removeprefix(start), path) for path in paths if os.path.isfile(path))


def _check(error: OSError) -> None:
    """Raise why a folder cannot be listed: a digest would lack its files. A missing or closed one counts as empty."""
    if not isinstance(error, (FileNotFoundError, NotADirectoryError, PermissionError)):
        raise error


def damage(folder: pathlib.Path, files: Files, all_bytes: bool = False) -> str:
    """Describe the first difference between an artifact and what was recorded of it; empty if there is none.

    Args:
      folder: the artifact.
      files: recorded when it was published.
      all_bytes: True hashes every file; False only those with another modification time than recorded.
    """
    for name, recorded in sorted(files.items()):
        path = folder / name
        if not path.is_file():
            return f"{path} is missing"
        found = path.stat()
        if found.st_size != recorded.size:
            return f"{path} has {counted(found.st_size, 'byte')}, it was published with {recorded.size:,}"
        if (all_bytes or found.st_mtime_ns != recorded.mtime) and of_file(path) != recorded.digest:
            return f"{path} holds other bytes than it was published with"
    added = next((path for name, path in _files(folder) if name not in files), "")
    if added:
        return f"{added} was not there when the artifact was published"
    return "" if folder.is_dir() else f"{folder} is missing"


def to_text(files: Files) -> str:
    """Return the files as JSON for a custom property."""
    return json.dumps(
        {name: [state.size, state.mtime, state.digest] for name, state in sorted(files.items())}, separators=(",", ":")
    )


def from_text(text: str) -> Files:
    """Return the files that `to_text` wrote. Raises `ValueError` for any other text."""
    try:
        return {str(name): FileState(int(size), int(mtime), str(digest)) for name, (size, mtime, digest)
                in json_text.parse(text).items()}  # fmt: skip
    except (AttributeError, OverflowError, TypeError) as error:
        raise ValueError(f"no list of files: {text[:60]!r}") from error
