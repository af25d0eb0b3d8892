"""Find the files of artifacts of a store that was copied here, or that other machines wrote.

Only a store without a pipeline root needs this. A root knows where it was, and is moved as a whole.
"""

from __future__ import annotations

import functools
import itertools
import os
import pathlib
import re
from collections.abc import Iterator, Sequence

from pipeline.core.errors import UsageError

_PARENTS = 2  # folders above that of the store that are searched: TFX's templates have `metadata/NAME/metadata.db`
_DEPTH = 2  # levels of folders below that of the store in which an artifact's path may begin
_MOST_FOLDERS = 200
_FEWEST_PARTS = 3  # of a path that are compared: node, key and execution; fewer would match by chance
_WINDOWS = re.compile(r"[A-Za-z]:[\\/]|\\\\")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")

Map = tuple[str, str]


def parse_map(given: str) -> Map:
    """Return both sides of `OLD=NEW`. Raises `UsageError` if one is missing, or NEW is no folder."""
    old, _, new = given.partition("=")
    if not old or not new:
        raise UsageError(f"--map {given} is not allowed: give OLD=NEW, such as /home/other/pipelines=./pipelines")
    if not os.path.isdir(new):
        raise UsageError(f"--map {given}: there is no folder {new}; NEW is the folder on this machine")
    return old, os.path.abspath(new)


def is_remote(uri: str) -> bool:
    """Return whether a URI names a place that is no path, such as `gs://bucket/model`."""
    return bool(_SCHEME.match(uri))


class FilePlaces:
    """Finds files by the URIs that a store contains."""

    def __init__(self, folder: pathlib.Path | None, maps: Sequence[Map]) -> None:
        """Search a folder.

        Args:
          folder: that of the store; None: URIs are paths on this machine.
          maps: beginnings of URIs, and what they are here. The longest that matches counts.
        """
        self._folder = folder
        self._maps = sorted(maps, key=lambda pair: len(pair[0]), reverse=True)

    def find(self, uri: str) -> str:
        """Return the path of an artifact on this machine; empty if it was not found."""
        return next((path for path in self._candidates(uri) if os.path.lexists(path)), "") if uri else ""

    def _candidates(self, uri: str) -> Iterator[str]:
        parts = _parts(uri)
        for old, new in self._maps:
            beginning = _parts(old)
            if parts[: len(beginning)] == beginning:
                yield os.path.join(new, *parts[len(beginning) :])
        if (self._folder is None or os.path.isabs(uri)) and not is_remote(uri):
            yield uri
        if self._folder is None or ".." in parts:
            return
        for first in range(max(1, len(parts) - _FEWEST_PARTS + 1)):  # the longest match is the most certain
            for folder in self._folders:
                yield os.path.join(folder, *parts[first:])

    @functools.cached_property
    def _folders(self) -> list[str]:
        """The folders in which a part of a URI may begin: that of the store, those below it, then those above it."""
        assert self._folder is not None
        found = itertools.chain([str(self._folder)], _below(self._folder, _DEPTH))
        return [*itertools.islice(found, _MOST_FOLDERS), *map(str, list(self._folder.parents)[:_PARENTS])]


def _parts(uri: str) -> list[str]:
    """Return the parts of a path of any system, or of a URI without its scheme."""
    text = _SCHEME.sub("", uri)
    if _WINDOWS.match(text) or ("\\" in text and "/" not in text):
        text = text.replace("\\", "/")
    return [part for part in text.split("/") if part not in ("", ".")]


def _below(folder: pathlib.Path, depth: int) -> Iterator[str]:
    """Yield the folders below a folder, level by level; links are not followed."""
    level = [str(folder)]
    for _ in range(depth):
        below: list[str] = []
        for one in level:
            try:
                with os.scandir(one) as entries:
                    below += sorted(entry.path for entry in entries if entry.is_dir(follow_symlinks=False))
            except OSError:
                continue
        yield from below
        level = below[:_MOST_FOLDERS]
