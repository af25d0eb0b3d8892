"""Files and folders that killed processes left in a root: `sae fsck` names them, `sae gc` deletes them."""

from __future__ import annotations

import pathlib
import re
from collections.abc import Iterator

from pipeline.core import unfinished_folder
from pipeline.core.pipeline_root import Root

_EARLIER = re.compile(r"\.[0-9]+\.unfinished")


def of_killed_processes(root: Root) -> Iterator[pathlib.Path]:
    """Yield what a process wrote under a temporary name before it was killed; what a live one writes is locked."""
    inside = root.path.resolve()
    # A link in the root to a folder elsewhere, such as on another disk, counts as that folder.
    links = [path for path in root.path.iterdir() if path.is_symlink() and not path.resolve().is_relative_to(inside)]
    for folder in (root.path, *links):
        yield from unfinished_folder.abandoned_below(folder)


def if_unlocked(root: Root) -> Iterator[pathlib.Path]:
    """Yield what has other temporary names. It is written under the root's lock: left over if no process holds that."""
    yield from root.serving.glob(".deleted-*")
    yield from root.serving.glob(".unfinished")
    # Copies of the store.
    yield from root.metadata_copies.glob(".*.unfinished*")
    yield from root.path.glob(f".{root.metadata.name}*.unfinished*")
    # Previews, and artifacts that were put back on another disk, by earlier versions of `sae`.
    for folder in (root.previews, root.artifacts):
        yield from (path for path in folder.glob("*/*/.*.unfinished") if _EARLIER.fullmatch(path.name))


def is_temporary(name: str) -> bool:
    """Return whether the name of an entry in the folder of an output is one of these."""
    return unfinished_folder.is_name(name) or bool(_EARLIER.fullmatch(name))
