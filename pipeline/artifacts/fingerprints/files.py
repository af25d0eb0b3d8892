"""The files of an artifact; those that no fingerprint takes count by name and bytes."""

from __future__ import annotations

import fnmatch
import os
import pathlib
from collections.abc import Callable, Iterable, Iterator

from pipeline.artifacts.fingerprints import differences
from pipeline.artifacts.fingerprints.entries import ContentEntry
from pipeline.core import file_digests

_BLOCK = 1 << 20  # bytes read at once


class Files:
    """All files of an artifact by relative name: those not yet taken by a fingerprint, in the end the rest.

    Args:
      root: the artifact's folder, or its only file, which is then named `.`.

    Raises:
      FileNotFoundError: `root` does not exist.
    """

    def __init__(self, root: pathlib.Path) -> None:
        self.root = root
        self._names = sorted(_names(root))

    def __contains__(self, name: str) -> bool:
        return name in self._names

    def path(self, name: str) -> pathlib.Path:
        """Return the path of the file with this relative name."""
        return self.root / name

    def take(self, pattern: str) -> list[str]:
        """Take the names that match a shell pattern, in which `*` matches `/` too; return them sorted."""
        taken = [name for name in self._names if fnmatch.fnmatchcase(name, pattern)]
        self.leave_out(taken)
        return taken

    def take_named(self, file_name: str) -> list[str]:
        """Take every file of this name or pattern: the one in the folder itself first, then those below, sorted."""
        return [*self.take(file_name), *self.take(f"*/{file_name}")]

    def take_folder(self, folder: str) -> list[str]:
        """Take the names of the files in a folder, at any depth; return them sorted."""
        taken = [name for name in self._names if name.startswith(f"{folder}/")]
        self.leave_out(taken)
        return taken

    def leave_out(self, names: Iterable[str]) -> None:
        """Remove these names from the rest."""
        gone = set(names)
        self._names = [name for name in self._names if name not in gone]

    def all_parsed(
        self, file_name: str, parse: Callable[[pathlib.Path, str], Iterable[ContentEntry]]
    ) -> Iterator[ContentEntry]:
        """Take the files of this name as `take_named` does, and parse them."""
        for name in self.take_named(file_name):
            yield from self.parsed(name, parse)

    def rest(self) -> Iterator[ContentEntry]:
        """Yield the files that were not taken, by name and bytes."""
        yield from map(self.raw, self._names)

    def raw(self, name: str) -> ContentEntry:
        """Return the entry of a file: relative name and SHA-256 of its bytes; for a link to a folder, its target."""
        path = self.path(name)
        if path.is_dir():
            return ContentEntry(f"link {name}", os.readlink(path))
        return ContentEntry(f"file {name}", bytes.fromhex(file_digests.of_file(path)), _explain_files, path)

    def parsed(self, name: str, parse: Callable[[pathlib.Path, str], Iterable[ContentEntry]]) -> Iterator[ContentEntry]:
        """Yield the entries that `parse` returns for a file's path and name, or its bytes if it cannot be read."""
        try:
            yield from list(parse(self.path(name), name))
        except Exception:  # parsers raise anything on damage; the bytes count then, so no difference is hidden
            yield self.raw(name)


def _names(root: pathlib.Path) -> Iterator[str]:
    if root.is_file():
        yield "."
    elif not root.is_dir():
        raise FileNotFoundError(f"there is no artifact at {root}")
    for folder, inner, names in os.walk(root):
        links = [name for name in inner if os.path.islink(os.path.join(folder, name))]
        for name in [*names, *links]:
            yield pathlib.Path(folder, name).relative_to(root).as_posix()


def _explain_files(one: ContentEntry, other: ContentEntry) -> str:
    """Read both files again, block by block."""
    position = 0
    with open(one.detail, "rb") as first, open(other.detail, "rb") as second:
        while (blocks := (first.read(_BLOCK), second.read(_BLOCK)))[0] == blocks[1] and blocks[0]:
            position += len(blocks[0])
    position += differences.common_length(*blocks)
    return differences.sizes(one.detail.stat().st_size, other.detail.stat().st_size, position)
