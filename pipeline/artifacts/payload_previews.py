"""Previews of artifacts that have none, made from their files when they are shown, and cached outside the store.

The cache is `cache/previews` in a root, else `~/.cache/sae/previews`. Its entries are folders like those of previews,
named by what they were made from; without a cache, such as in a root that the user may not write to, all works.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import pathlib
import re
import shutil

from pipeline.artifacts import previews, types
from pipeline.artifacts.payloads.files import UnreadableFileError
from pipeline.artifacts.sections import Preview, Text
from pipeline.artifacts.types import StoredArtifact
from pipeline.core.pipeline_root import Root

logger = logging.getLogger(__name__)

VARIABLE = "SAE_PREVIEW_CACHE"
_FORM = 1  # raise it when a module of `payloads` shows something else
_MOST_ENTRIES = 500
_MOST_FILES = 2_000  # of an artifact; those of a larger one are read again
_ENTRY = re.compile(r"[0-9a-f]{64}")


def read(artifact: StoredArtifact, root: Root | None) -> Preview | None:
    """Return the preview of an artifact.

    Args:
      artifact: with the folder where its files are here, which may not exist.
      root: that it belongs to; None for a store alone.

    Returns:
      None if its files were not found, or there is nothing to show of them. A file that cannot be read is a preview of
      one sentence.
    """
    if not types.find(artifact.type_name).cached:
        return _made(artifact)[0]
    if not os.path.isdir(artifact.folder):
        return None
    cache, key = _cache(root), _key(artifact)
    entry = cache / key if cache and key else None
    found = previews.read(entry, artifact.type_name) if entry else None
    if found is None:
        found, is_readable = _made(artifact)
        if found is not None and is_readable and entry:
            _write(entry, artifact.type_name, found)
    return found


def _made(artifact: StoredArtifact) -> tuple[Preview | None, bool]:
    """Return the preview, and whether the files could be read: what prevents it may change without the files."""
    try:
        return types.read_payload(artifact), True
    except UnreadableFileError as error:
        return _unreadable(str(error)), False
    except Exception as error:  # anyone may have written the files: a page of others is shown all the same
        logger.debug("artifact in %s", artifact.folder, exc_info=True)
        return _unreadable(f"a file in {artifact.folder.name} is damaged ({type(error).__name__})"), False


def _unreadable(text: str) -> Preview:
    return Preview("content", (Text(text, "not shown", title="content"),))


def _cache(root: Root | None) -> pathlib.Path | None:
    """Return the folder of the cache; None without a home."""
    if root is not None:
        return root.read_previews
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    folder = pathlib.Path(os.environ.get(VARIABLE) or os.path.join(home, "sae", "previews"))
    return folder if folder.is_absolute() else None


def _key(artifact: StoredArtifact) -> str:
    """Return a digest of what a preview is made from: names, sizes and times of the files.

    Empty if that does not say whether the files are the same: there are too many, or links, or some cannot be read.
    """
    files = []
    for place, folders, names in os.walk(artifact.folder):  # does not follow links
        folders.sort()
        for name in sorted(names):
            path = os.path.join(place, name)
            with contextlib.suppress(OSError):
                state = os.lstat(path)
                files.append((path, state.st_size, state.st_mtime_ns))
        paths = [os.path.join(place, name) for name in (*folders, *names)]
        if len(files) > _MOST_FILES or any(os.path.islink(one) or not os.access(one, os.R_OK) for one in paths):
            return ""
    parts = (_FORM, previews.SCHEMA_VERSION, artifact.type_name, sorted(artifact.properties.items()), files)
    return hashlib.sha256(json.dumps(parts).encode(errors="surrogatepass")).hexdigest()


def _write(entry: pathlib.Path, type_name: str, preview: Preview) -> None:
    with contextlib.suppress(OSError, ValueError):  # a full disk, no permission, another process: nothing is lost
        entry.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        previews.write(entry, type_name, preview, {})
        entries = [one for one in entry.parent.iterdir() if _ENTRY.fullmatch(one.name)]
        entries.sort(key=lambda one: one.lstat().st_mtime, reverse=True)
        for old in entries[_MOST_ENTRIES:]:
            shutil.rmtree(old, ignore_errors=True)
