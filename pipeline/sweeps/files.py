"""The files of sweeps in a root: a folder for each sweep, with its definition, and the lock of who runs one.

What became of the points is not there: it is read from their runs in ML Metadata.
"""

from __future__ import annotations

import contextlib
import json
import pathlib
from collections.abc import Callable

from components import atomic_file, json_text
from components.errors import cause_text
from pipeline.core import regular_file, root_lock
from pipeline.core.errors import NotFoundError, UnavailableError
from pipeline.core.pipeline_root import Root
from pipeline.core.text import closest
from pipeline.sweeps import definition_json
from pipeline.sweeps.definition import LOCK, Definition

_SCHEMA = 1


def folder(root: Root, name: str) -> pathlib.Path:
    """Return the folder of a sweep."""
    return root.sweeps / name


def definition_file(root: Root, name: str) -> pathlib.Path:
    """Return the file with the definition of a sweep."""
    return folder(root, name) / "sweep.json"


def lock_file(root: Root) -> pathlib.Path:
    """Return the file that the process which runs a sweep locks; one for the root."""
    return root.sweeps / LOCK


def lock(root: Root) -> contextlib.AbstractContextManager[Callable[[str], None]]:
    """Lock the sweeps of a root. Yields a function that records the sweep that the lock is held for.

    Raises:
      LockedError: another process runs a sweep; the message names it.
      UnavailableError: their folder cannot be created.
    """
    try:
        root.sweeps.mkdir(exist_ok=True)
    except OSError as error:
        raise UnavailableError(f"cannot create {root.sweeps}: {error}") from error
    return root_lock.hold(
        lock_file(root),
        f"another sweep runs in {root.path}",
        "wait for it to end, or stop it with Ctrl-C or SIGTERM; the same command then continues this one",
        what="sweep",
    )


def running(root: Root) -> str:
    """Return the name of the sweep that a live process runs; empty if there is none."""
    holder = root_lock.holder(lock_file(root))
    return holder.run if holder else ""


def names(root: Root) -> list[str]:
    """Return the names of all sweeps of a root, sorted."""
    return sorted(path.parent.name for path in root.sweeps.glob("*/sweep.json"))


def read(root: Root, name: str) -> Definition:
    """Return the definition of a sweep.

    Raises:
      NotFoundError: there is no such sweep; suggests the closest name.
      UnavailableError: its file is damaged or of a newer version.
    """
    known = names(root)
    if name not in known:
        first = ": `sae sweep run NAME --over SETTING=VALUE,VALUE` runs the first one"
        listed = f" (there are: {', '.join(known)})" if known else first
        raise NotFoundError(f"no sweep {name!r} in {root.path}{closest(name, known)}{listed}")
    path = definition_file(root, name)
    try:
        values = json_text.parse(regular_file.text(path))
        schema = values["schema"]
    except OSError as error:
        raise UnavailableError(f"cannot read {path}: {cause_text(error)}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise UnavailableError(
            f"{path} is damaged: {error}; restore it, or remove its folder, which forgets the sweep"
        ) from error
    if schema != _SCHEMA:
        raise UnavailableError(f"{path} has schema {schema}, this version knows {_SCHEMA}: update sae")
    return definition_json.of_json(values, path)


def write(root: Root, found: Definition) -> None:
    """Write the definition of a sweep, at once or not at all."""
    path = definition_file(root, found.name)
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic_file.write(path, json.dumps({"schema": _SCHEMA, **definition_json.to_json(found)}, indent=1) + "\n")
