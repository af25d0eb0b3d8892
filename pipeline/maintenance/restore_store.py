"""`sae restore --metadata`: restore a copy of ML Metadata's store, and the decisions that were made since."""

from __future__ import annotations

import dataclasses
import logging

from pipeline.core.errors import SaeError
from pipeline.core.pipeline_root import Root
from pipeline.metadata import backup, properties, sqlite
from pipeline.metadata.backup import RestoredBackup
from pipeline.metadata.store import open_store
from pipeline.metadata.types import Artifact
from pipeline.metadata.writer import MetadataWriter
from pipeline.registry import journal, superseded, versions
from pipeline.registry.journal import Entry

_LATER = {properties.DELETED, properties.OUT_OF_USE, properties.RESTORED}

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
    """Restore a copy, then record in it what became of its artifacts, and what was decided, since it was made.

    After a kill, the next decision, run or `sae gc` records the decisions.

    Args:
      root: the root, whose lock the caller holds.
      wanted: as for `backup.restore`, which also says what is raised.
    """
    changed = _save(root)
    restored = backup.restore(root, wanted)
    store = open_store(root)
    MetadataWriter(root).carry_over(changed)
    replayed = journal.reconcile(root, store)
    superseded.rebuild(root, store)
    unknown = versions.unknown_version(root, versions.pushes(store, root))
    return RestoredStore(restored, replayed, tuple(journal.lost(root, store)), int(unknown.name) if unknown else 0)


def _save(root: Root) -> list[Artifact]:
    """Append the present store's decisions to `decisions.jsonl`; return the artifacts that changed after publication.

    Do nothing if the store is missing or damaged.
    """
    if not sqlite.check(root.metadata):
        try:
            store = open_store(root, read_only=True)
            journal.record(root, store)
            return [one for one in store.all_artifacts() if _LATER & one.properties.keys()]
        except SaeError as error:
            logger.info("the previous store cannot be read: %s", error)
    return []
