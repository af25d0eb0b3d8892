"""`sae gc`: delete the bytes of artifacts that a policy does not keep; their metadata stays in ML Metadata.

`policy` selects the runs to keep, `collect` selects and deletes the rest.
"""

from __future__ import annotations

from pipeline.core import root_lock
from pipeline.core.pipeline_root import Root
from pipeline.definition.spec import Pipeline
from pipeline.maintenance.gc import collect
from pipeline.maintenance.gc.collect import Collected
from pipeline.metadata.store import open_store
from pipeline.registry import journal
from pipeline_config import RetentionConfig

__all__ = ["Collected", "apply", "look"]


def look(pipeline: Pipeline, root: Root, policy: RetentionConfig) -> Collected:
    """Return what would be deleted, and delete nothing; a run in progress is kept, with its outputs.

    Raises:
      NotFoundError: there is no store in the root.
      UnavailableError: the store cannot be opened.
    """
    is_written = root_lock.holder(root.lock_file) is not None
    return collect.plan(pipeline, root, open_store(root, read_only=True), policy, is_written=is_written)


def apply(pipeline: Pipeline, root: Root, policy: RetentionConfig) -> Collected:
    """Delete what a policy does not keep, under the root's lock. After an interrupt the next call continues.

    Raises:
      NotFoundError: there is no store in the root.
      UnavailableError: the store cannot be opened.
      LockedError: a run is in progress.
      OSError: something cannot be deleted.
    """
    open_store(root, read_only=True)
    with journal.locked(root) as store:
        return collect.delete(root, store, collect.plan(pipeline, root, store, policy))
