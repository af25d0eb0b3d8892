"""`sae restore --metadata`: restore a copy of ML Metadata's store, and the decisions that were made since."""

from __future__ import annotations

import dataclasses
import logging

from components.push import serving_dir
from pipeline.core.errors import SaeError
from pipeline.core.pipeline_root import Root
from pipeline.metadata import backup, sqlite
from pipeline.metadata.backup import RestoredBackup
from pipeline.metadata.store import open_store
from pipeline.registry import journal, superseded, versions
from pipeline.registry.journal import Entry

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class RestoredStore:
    """The result of a restore.

    Attributes:
      backup: the restored copy.
      replayed: decisions made after the copy that were recorded again.
      lost: decisions about runs that the copy does not contain; they stay in `decisions.jsonl`.
      unknown_version: the served version if ML Metadata does not contain its push any more; else 0.
    """

    backup: RestoredBackup
    replayed: tuple[Entry, ...]
    lost: tuple[Entry, ...]
    unknown_version: int


def restore(root: Root, wanted: str) -> RestoredStore:
    """Restore a copy, then record in it the decisions that were made since. A later command continues after a kill.

    Args:
      root: the root, whose lock the caller holds.
      wanted: as for `backup.restore`, which also says what is raised.
    """
    _save_decisions(root)
    restored = backup.restore(root, wanted)
    store = open_store(root)
    replayed = journal.reconcile(root, store)
    superseded.rebuild(root, store)
    newest = serving_dir.newest_version(root.serving)
    is_unknown = newest is not None and versions.served_push(root, versions.pushes(store, root)) is None
    return RestoredStore(
        restored, replayed, tuple(journal.lost(root, store)), int(newest.name) if newest and is_unknown else 0
    )


def _save_decisions(root: Root) -> None:
    """Append the present store's decisions to `decisions.jsonl`, unless the store is missing or damaged."""
    if root.metadata.exists() and not sqlite.check(root.metadata):
        try:
            journal.record(root, open_store(root, read_only=True))
        except SaeError as error:
            logger.info("the previous store cannot be read: %s", error)
