"""Back up ML Metadata's store to `metadata.backup/<run>.sqlite` after each run that succeeds, and restore a backup.

A backup is complete only if SQLite finds no damage in it and ML Metadata opens it.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import pathlib
import sqlite3
from typing import Any

from components import atomic_file, json_text
from components.errors import cause_text
from pipeline.core import regular_file
from pipeline.core.errors import FREE_SPACE, NotFoundError, SaeError, UnavailableError
from pipeline.core.pipeline_root import Root
from pipeline.metadata import replaced_stores, sqlite, store
from pipeline.metadata.replaced_stores import Cause

logger = logging.getLogger(__name__)

_SUFFIX = ".sqlite"
_ABOUT = ".json"  # the file beside a backup: where the root was, and the number of the backup
_PATH, _SEQUENCE = "path", "sequence"  # keys in that file


@dataclasses.dataclass(frozen=True)
class RestoredBackup:
    """The result of a restore.

    Attributes:
      copy: the backup that was restored.
      kept: where the previous store is now; None if there was none.
      runs: number of runs in the store now.
      lost: ids of runs that are no longer in the store, oldest first.
    """

    copy: pathlib.Path
    kept: pathlib.Path | None
    runs: int
    lost: tuple[str, ...]


def make(root: Root, run_id: str, keep: int) -> None:
    """Back up the store, which may be open, after a run; check the backup; and remove the oldest ones.

    Args:
      root: the root, whose lock the caller holds.
      run_id: the run that ended; it names the backup.
      keep: number of backups to keep; 0 makes none.

    Raises:
      UnavailableError: there is no complete backup; earlier ones are left.
    """
    if not keep:
        return
    target = root.metadata_copies / f"{run_id}{_SUFFIX}"
    target.parent.mkdir(exist_ok=True)
    # The store contains paths in the root as it is now; the root may be moved before the backup is restored. Times of
    # files do not say which backup is the newest: the clock may have been ahead, or the root copied.
    about = {_PATH: str(root.path), _SEQUENCE: 1 + max(map(_sequence, copies(root)), default=0)}
    atomic_file.write(target.with_suffix(_ABOUT), json.dumps(about) + "\n")
    for left in target.parent.glob(f".*{sqlite.UNFINISHED}"):  # by a run that was killed, and its child process with it
        sqlite.remove(left)
    if reason := sqlite.in_child(_copy, root.metadata, target, run_id):
        raise UnavailableError(f"{root.metadata} was not backed up: {reason}")
    for old in copies(root)[keep:]:
        sqlite.remove(old)
        old.with_suffix(_ABOUT).unlink(missing_ok=True)


def _copy(source: pathlib.Path, target: pathlib.Path, run_id: str) -> None:
    """Copy the store, and check with ML Metadata that the copy contains a run. To be called in a child process."""
    from ml_metadata.proto.metadata_store_pb2 import SqliteMetadataSourceConfig

    from pipeline.metadata.client import ReadingClient, sqlite_config

    sqlite.copy(source, target)
    client = ReadingClient(sqlite_config(target, SqliteMetadataSourceConfig.READONLY), str(target))
    if store.Store(client).run_context(run_id) is None:
        raise UnavailableError(f"the backup {target} does not contain run {run_id}")


def copies(root: Root) -> list[pathlib.Path]:
    """Return the backups, newest first: in the order in which they were made, whatever the clock was."""
    found = [path for path in root.metadata_copies.glob(f"*{_SUFFIX}") if not path.name.startswith(".")]
    return sorted(found, key=lambda path: (_sequence(path), path.name), reverse=True)


def _about(copy: pathlib.Path) -> dict[str, Any]:
    """Return what is recorded beside a backup; empty if nothing is, or the file is damaged."""
    try:
        about = json_text.parse(regular_file.text(copy.with_suffix(_ABOUT)))
    except (OSError, ValueError):
        return {}
    return about if isinstance(about, dict) else {}


def _sequence(copy: pathlib.Path) -> int:
    """Return the number of a backup; 0 for one of an earlier version, which recorded none."""
    found = _about(copy).get(_SEQUENCE)
    return found if type(found) is int else 0


def check(root: Root) -> None:
    """Check that the store can be written to, before ML Metadata opens it.

    Raises:
      UnavailableError: it is damaged; or it is missing or empty although there are backups: ML Metadata would create an
        empty one.
    """
    path, backups = root.metadata, copies(root)
    advice = f"`sae restore --metadata` goes back to the copy after run {backups[0].stem}" if backups else ""
    if not path.exists() or not path.stat().st_size:
        if backups:
            raise UnavailableError(f"{path} is {'empty' if path.exists() else 'missing'}: {advice}")
    elif problem := sqlite.check(path):
        raise UnavailableError(
            f"{path} cannot be opened as an ML Metadata store ({problem}): it was left as it is; "
            f"{advice or 'restore a copy of it'}, or choose another root with --root"
        )


def restore(root: Root, wanted: str = "") -> RestoredBackup:
    """Restore a backup. The previous store is kept under another name.

    Args:
      root: the root, whose lock the caller holds, and whose store this process has not open.
      wanted: the run after which the backup was made, or the start of its id; empty for the newest backup.

    Raises:
      NotFoundError: there is no such backup.
      UnavailableError: the backup is damaged, or the store cannot be written; nothing was changed.
    """
    copy = find(root, wanted)
    if problem := sqlite.check(copy):
        raise UnavailableError(f"the copy {copy} is damaged ({problem}): choose another one with `--metadata RUN`")
    runs = _run_ids(copy)
    lost = tuple(sorted(_known_runs(root).difference(runs)))
    unfinished = root.metadata.with_name(f".{root.metadata.name}.unfinished")
    kept = replaced_stores.new_path(root, Cause.RESTORE) if root.metadata.exists() else None
    try:
        sqlite.copy(copy, unfinished)
        # Ids are names of folders and parts of addresses: one of a lost run must not name something else later.
        sqlite.raise_last_ids(unfinished, sqlite.last_ids(root.metadata))
        if kept:
            sqlite.rename(root.metadata, kept)
        atomic_file.replace(unfinished, root.metadata)
    except (OSError, sqlite3.Error) as error:
        raise UnavailableError(
            f"cannot write in {root.path}: {cause_text(error)}; nothing was changed; {FREE_SPACE}"
        ) from error
    finally:
        sqlite.remove(unfinished)
    if isinstance(old := _about(copy).get(_PATH), str):
        root.record_old_location(old)
    return RestoredBackup(copy, kept, len(runs), lost)


def find(root: Root, wanted: str) -> pathlib.Path:
    """Return a backup; `wanted` as for `restore`. Raises `NotFoundError`."""
    backups = copies(root)
    found = [one for one in backups if one.stem == wanted] or [one for one in backups if one.stem.startswith(wanted)]
    if not backups:
        raise NotFoundError(f"no copy of the store in {root.metadata_copies}: each run that succeeds makes one")
    if not found or (wanted and len(found) > 1):
        names = ", ".join(path.stem for path in backups)
        raise NotFoundError(f"{'more than one' if found else 'no'} copy {wanted!r} (there are: {names})")
    return found[0]


def _run_ids(path: pathlib.Path) -> list[str]:
    from pipeline.metadata import sources  # imports ML Metadata

    return store.Store(sources.connect_read_only(path)).run_ids()


def _known_runs(root: Root) -> set[str]:
    """Return the ids of the root's runs, from their manifests and from the store unless it is missing or damaged."""
    runs = {path.stem for path in root.manifests.glob("*.json")}
    if not sqlite.check(root.metadata):
        try:
            runs.update(_run_ids(root.metadata))
        except SaeError as error:
            logger.info("the previous store cannot be read: %s", error)
    return runs
