"""Stores that a restore or a move of the root replaced: `metadata.sqlite.before-restore-TIME`, `...before-move-TIME`.

Their names sort in the order in which they were made, also if the clock was set back in between.
"""

from __future__ import annotations

import enum
import pathlib
import re

from pipeline.core.pipeline_root import Root, stamp


class Cause(str, enum.Enum):
    """Why a store was replaced."""

    RESTORE = "before-restore"
    MOVE = "before-move"


_TIME = re.compile(r"([0-9]{8}-[0-9]{6})(?:-([0-9]{1,6}))?")


def paths(root: Root, cause: Cause) -> list[pathlib.Path]:
    """Return the replaced stores of a root, newest first."""
    found = {path: when for path in root.path.glob(f"{_prefix(root, cause)}*") if (when := _when(path, root, cause))}
    return sorted(found, key=lambda path: found[path], reverse=True)


def new_path(root: Root, cause: Cause) -> pathlib.Path:
    """Return an unused path for a store that is about to be replaced; it sorts above the others."""
    newest = next((_when(path, root, cause) for path in paths(root, cause)), None)
    when = stamp()
    if newest is not None and when <= newest[0]:  # in the same second, or the clock was ahead
        when = f"{newest[0]}-{newest[1] + 1}"
    return root.path / f"{_prefix(root, cause)}{when}"


def _prefix(root: Root, cause: Cause) -> str:
    return f"{root.metadata.name}.{cause.value}-"


def _when(path: pathlib.Path, root: Root, cause: Cause) -> tuple[str, int] | None:
    """Return the time in a name, and the number of the store in that second; None for a file of SQLite beside one."""
    match = _TIME.fullmatch(path.name.removeprefix(_prefix(root, cause)))
    return (match.group(1), int(match.group(2) or 1)) if match else None
