"""Digests of files: of one, of a folder, and whether a folder still holds what was noted of it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import pathlib
from collections.abc import Iterable, Mapping

_BLOCK = 1 << 20  # bytes read at once


@dataclasses.dataclass(frozen=True)
class FileState:
    """A file as it was when its artifact was published.

    Attributes:
      size: bytes.
      mtime: modification time, nanoseconds since the epoch.
      digest: SHA-256 of its bytes, in hex.
    """

    size: int
    mtime: int
    digest: str


Files = dict[str, FileState]


def of_file(path: pathlib.Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def of_mapping(values: Mapping[str, object]) -> str:
    """SHA-256, in hex, of a mapping that JSON can hold; the order of its keys does not count."""
    text = json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def scan(folder: pathlib.Path) -> Files:
    """Every file in a folder, at any depth, by its name relative to it. A link counts as what it names."""
    states = {}
    for path in _files(folder):
        before = path.stat()
        states[path.relative_to(folder).as_posix()] = FileState(before.st_size, before.st_mtime_ns, of_file(path))
    return states


def of_files(files: Files) -> str:
    """Merkle digest: SHA-256 over the sorted names and digests of files; times do not count."""
    return of_mapping({name: state.digest for name, state in files.items()})


def of_folder(folder: pathlib.Path) -> dict[str, str]:
    """SHA-256 of every file in a folder, at any depth, by its name relative to it."""
    return {path.relative_to(folder).as_posix(): of_file(path) for path in _files(folder)}


def is_as(folder: pathlib.Path, files: Files) -> bool:
    """Whether a folder holds these files, by names and bytes, and no others."""
    return of_folder(folder) == {name: state.digest for name, state in files.items()}


def _files(folder: pathlib.Path) -> Iterable[pathlib.Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def damage(folder: pathlib.Path, files: Files, all_bytes: bool = False) -> str:
    """What is wrong with the files of an artifact: the first one, in words; empty when all are as noted.

    Args:
      folder: where the artifact lies.
      files: what was noted when it was published.
      all_bytes: True reads every file; False only those whose time is another one than noted.
    """
    for name, noted in sorted(files.items()):
        path = folder / name
        if not path.is_file():
            return f"{path} is missing"
        found = path.stat()
        if found.st_size != noted.size:
            return f"{path} has {found.st_size:,} bytes, it was published with {noted.size:,}"
        if (all_bytes or found.st_mtime_ns != noted.mtime) and of_file(path) != noted.digest:
            return f"{path} holds other bytes than it was published with"
    strangers = sorted({path.relative_to(folder).as_posix() for path in _files(folder)} - set(files))
    if strangers:
        return f"{folder / strangers[0]} was not there when the artifact was published"
    return "" if folder.is_dir() else f"{folder} is missing"


def to_text(files: Files) -> str:
    """The files as JSON, to be kept as a custom property."""
    return json.dumps(
        {name: [state.size, state.mtime, state.digest] for name, state in sorted(files.items())}, separators=(",", ":")
    )


def from_text(text: str) -> Files:
    """What `to_text` wrote. Raises `ValueError` when it is something else."""
    try:
        return {str(name): FileState(int(size), int(mtime), str(digest)) for name, (size, mtime, digest)
                in json.loads(text).items()}  # fmt: skip
    except (AttributeError, TypeError) as error:
        raise ValueError(f"no list of files: {text[:60]!r}") from error
