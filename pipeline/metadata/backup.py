"""Copies of ML Metadata's store, `metadata.backup/<run>.sqlite`, one after each run that succeeds; and the way back.

The store is all that is known of the runs, in one file. A copy counts only when SQLite finds it whole and ML Metadata
opens it.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import pathlib

from components import atomic_file
from pipeline.core.errors import NotFoundError, SaeError, UnavailableError
from pipeline.core.pipeline_root import Root, stamp
from pipeline.metadata import sqlite, store

logger = logging.getLogger(__name__)

_SUFFIX, _ABOUT = ".sqlite", ".json"


@dataclasses.dataclass(frozen=True)
class RestoredBackup:
    """What going back to a copy did.

    Attributes:
      copy: the copy that is the store now.
      kept: the store that was there; None where there was none.
      runs: how many runs are known now.
      lost: runs that are no longer known, the oldest first.
    """

    copy: pathlib.Path
    kept: pathlib.Path | None
    runs: int
    lost: tuple[str, ...]


def make(root: Root, run_id: str, keep: int) -> None:
    """Copies the store after a run, checks the copy, and removes the oldest ones. May be called while it is open.

    Args:
      root: whose lock is held.
      run_id: the run that ended; it names the copy.
      keep: how many copies to keep; 0: none are made.

    Raises:
      UnavailableError: there is no good copy; the earlier ones are left.
    """
    if not keep:
        return
    target = root.metadata_copies / f"{run_id}{_SUFFIX}"
    target.parent.mkdir(exist_ok=True)
    # Where the root is now, as the store's paths say; it may be moved before the copy is used.
    atomic_file.write(target.with_suffix(_ABOUT), json.dumps({"path": str(root.path)}) + "\n")
    if reason := sqlite.copy_in_child(root.metadata, target):
        raise UnavailableError(f"no copy of {root.metadata} was made: {reason}")
    if run_id not in store.Store(target, read_only=True).run_ids():
        raise UnavailableError(f"{target} does not hold run {run_id}: it is no good copy")
    for old in copies(root)[keep:]:
        sqlite.remove(old)
        old.with_suffix(_ABOUT).unlink(missing_ok=True)


def copies(root: Root) -> list[pathlib.Path]:
    """The copies there are, the newest first."""
    found = [path for path in root.metadata_copies.glob(f"*{_SUFFIX}") if not path.name.startswith(".")]
    return sorted(found, key=lambda path: (path.stat().st_mtime_ns, path.name), reverse=True)


def check(root: Root) -> None:
    """Looks, before ML Metadata does, whether the store is one that can be written to.

    Raises:
      UnavailableError: it is damaged, or gone where there are copies of it: ML Metadata would begin an empty one.
    """
    path, made = root.metadata, copies(root)
    if not path.exists() or not path.stat().st_size:
        problem = "is missing" if not path.exists() else "is empty"
        if made:
            raise UnavailableError(f"{path} {problem}: {_advice(made)}")
    elif problem := sqlite.check(path):
        raise UnavailableError(
            f"{path} cannot be opened as an ML Metadata store ({problem}): it was left as it is; {_advice(made)}, or "
            "choose another root with --root"
        )


def restore(root: Root, wanted: str = "") -> RestoredBackup:
    """Goes back to a copy. The store that is there is kept under another name.

    Args:
      root: whose lock is held, and whose store this process has not open.
      wanted: the run after which the copy was made, or the beginning of its id; empty for the newest copy.

    Raises:
      NotFoundError: no such copy.
      UnavailableError: it is damaged, or cannot be written; nothing was changed.
    """
    copy = _find(root, wanted)
    if problem := sqlite.check(copy):
        raise UnavailableError(f"the copy {copy} is damaged ({problem}): name another one, `--metadata RUN`")
    known = store.Store(copy, read_only=True).run_ids()
    before = _runs(root)
    unfinished = root.metadata.with_name(f".{root.metadata.name}.unfinished")
    kept = _name_for_old(root) if root.metadata.exists() else None
    try:
        sqlite.copy(copy, unfinished)
        if kept:
            sqlite.rename(root.metadata, kept)
        atomic_file.replace(unfinished, root.metadata)
    except OSError as error:
        raise UnavailableError(f"cannot write in {root.path}: {error.strerror}; free space there") from error
    finally:
        sqlite.remove(unfinished)
    if place := _place(copy):
        root.record_old_location(place)
    lost = tuple(sorted(run_id for run_id in before if run_id not in known))
    return RestoredBackup(copy, kept, len(known), lost)


def _find(root: Root, wanted: str) -> pathlib.Path:
    made = copies(root)
    found = [path for path in made if path.stem == wanted] or [path for path in made if path.stem.startswith(wanted)]
    if not made:
        raise NotFoundError(f"no copy of the store in {root.metadata_copies}: one is made after each run that succeeds")
    if not found or (wanted and len(found) > 1):
        there = ", ".join(path.stem for path in made)
        raise NotFoundError(f"{'no' if not found else 'more than one'} copy {wanted!r} (there are: {there})")
    return found[0]


def _runs(root: Root) -> set[str]:
    """Every run that the root has: by its store, and by their manifests where that is damaged."""
    runs = {path.stem for path in root.manifests.glob("*.json")}
    if root.metadata.exists() and not sqlite.check(root.metadata):
        try:
            runs.update(store.Store(root.metadata, read_only=True).run_ids())
        except SaeError as error:
            logger.info("the store that was there cannot be read: %s", error)
    return runs


def _advice(made: list[pathlib.Path]) -> str:
    if not made:
        return "restore a copy of it"
    return f"`sae restore --metadata` goes back to the copy after run {made[0].stem}"


def _name_for_old(root: Root) -> pathlib.Path:
    when = stamp()
    base = f"{root.metadata.name}.before-restore-{when}"
    names = (base, *(f"{base}-{number}" for number in range(2, 1000)))
    return next(path for name in names if not (path := root.path / name).exists())


def _place(copy: pathlib.Path) -> str:
    """Where the root was when a copy was made; empty where that was not recorded."""
    try:
        return str(json.loads(copy.with_suffix(_ABOUT).read_text(encoding="utf-8"))["path"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""
