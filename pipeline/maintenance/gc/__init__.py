"""`sae gc`: deletes the bytes of artifacts that a policy does not keep; what ML Metadata knows of them stays.

`keeping` says which runs are kept and why, `collecting` what goes and how, `report` says it.
"""

from __future__ import annotations

from pipeline.core.pipeline_root import Root
from pipeline.definition.spec import Pipeline
from pipeline.maintenance.gc import collect
from pipeline.maintenance.gc.report import Collected
from pipeline.metadata.store import open_store
from pipeline_config import RetentionConfig

__all__ = ["Collected", "apply", "look"]


def look(pipeline: Pipeline, root: Root, policy: RetentionConfig) -> Collected:
    """What would be deleted; nothing is. Also while a run is at work, which is kept.

    Raises:
      NotFoundError: there is no store in the root.
      UnavailableError: the store cannot be opened.
    """
    return Collected.of(root, collect.plan(pipeline, root, open_store(root, read_only=True), policy), deleted=False)


def apply(pipeline: Pipeline, root: Root, policy: RetentionConfig) -> Collected:
    """Deletes what a policy does not keep, under the root's lock. Breaking off does no harm: the next call goes on.

    Raises:
      NotFoundError: there is no store in the root.
      UnavailableError: the store cannot be opened.
      LockedError: a run holds the root.
      OSError: something cannot be deleted.
    """
    open_store(root, read_only=True)
    with root.lock():
        planned = collect.plan(pipeline, root, open_store(root), policy)
        collect.delete(root, planned)
    return Collected.of(root, planned, deleted=True)
