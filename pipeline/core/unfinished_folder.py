"""Folders that a process fills and then renames: `.NAME.RANDOM.unfinished`. A process that is killed leaves its folder.

The process locks its folder, so others can tell whether it still lives, whatever container it is in. So does
`components/atomic_file.py` with its files, `.NAME.PID.unfinished`.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pathlib
import re
import shutil
import tempfile
from collections.abc import Iterator

_SUFFIX = ".unfinished"
_NAME = re.compile(rf"\.(.+)\.[a-z0-9_]{{8}}{re.escape(_SUFFIX)}", re.DOTALL)  # as `mkdtemp` names folders
_FILE = re.compile(rf"\.(.+)\.[0-9]+{re.escape(_SUFFIX)}", re.DOTALL)


@contextlib.contextmanager
def create(folder: pathlib.Path) -> Iterator[pathlib.Path]:
    """Make a folder beside `folder`, on the same disk, and remove it at the end unless it was renamed.

    Removes those that killed processes left of the same `folder` first.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    for left in abandoned(folder.parent, folder.name):
        shutil.rmtree(left, ignore_errors=True)
    made = pathlib.Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    made.chmod(0o755)  # readable like any other folder
    number = os.open(made, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with contextlib.suppress(OSError):  # a file system without locks: the folder is only never removed by others
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        unfinished = made.with_name(made.name + _SUFFIX)  # locked before it has the name that others look for
        made.rename(unfinished)
        made = unfinished
        yield unfinished
    finally:
        shutil.rmtree(made, ignore_errors=True)
        os.close(number)


def abandoned(parent: pathlib.Path, name: str) -> list[pathlib.Path]:
    """Return the folders in `parent` that become one of this name, and whose process has ended."""
    return sorted(
        path
        for path in parent.glob(f".*{_SUFFIX}")
        if (match := _NAME.fullmatch(path.name))
        and match[1] == name
        and path.is_dir()
        and not path.is_symlink()
        and not _is_locked(path)
    )


def abandoned_below(folder: pathlib.Path) -> Iterator[pathlib.Path]:
    """Yield the folders and files at any depth whose process has ended. Links are not followed."""
    for place, names, files in os.walk(folder):
        folders = [name for name in names if _NAME.fullmatch(name)]
        names[:] = [name for name in names if name not in folders]
        for name in sorted([*folders, *filter(_FILE.fullmatch, files)]):
            path = pathlib.Path(place, name)
            if (name in folders or path.is_file()) and not path.is_symlink() and not _is_locked(path):
                yield path


def is_name(name: str) -> bool:
    """Return whether a folder or file has such a name."""
    return bool(_NAME.fullmatch(name) or _FILE.fullmatch(name))


def _is_locked(path: pathlib.Path) -> bool:
    """Return whether a process has a folder or file locked, or whether that cannot be known."""
    try:
        number = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:  # it was removed or renamed meanwhile, or is of another user
        return True
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(number)
    return False
