"""Keep new executions out of the folders of old ones: TFX writes outputs to `NODE/OUTPUT/EXECUTION`, whatever is there.

A store that was restored, replaced or removed may lack executions whose folders still exist.
"""

from __future__ import annotations

from collections.abc import Iterator

from components import int64
from pipeline.core.errors import UnavailableError
from pipeline.core.pipeline_root import Root
from pipeline.metadata import sqlite
from pipeline.metadata.store import Store

_TABLE = "Execution"  # of ML Metadata


def reserve(root: Root, store: Store) -> None:
    """Let the store assign only ids of executions that no folder of the root has in its name.

    Args:
      root: the root, whose lock the caller holds.
      store: its open store.

    Raises:
      UnavailableError: the store cannot be written.
    """
    highest = max(_in_names(root), default=0)
    if highest <= store.newest_execution():
        return
    if reason := sqlite.raise_last_ids_in_child(root.metadata, {_TABLE: highest}):
        raise UnavailableError(
            f"{root.metadata} cannot be written ({reason}): without it, a run would overwrite folders of execution "
            f"{highest} and others, which ML Metadata does not contain"
        )


def _in_names(root: Root) -> Iterator[int]:
    """Yield the numbers in names of outputs, previews, and temporary folders of TFX (`NODE/.system/KIND/EXECUTION`)."""
    for folder, pattern in ((root.artifacts, "*/*/*"), (root.previews, "*/*/*"), (root.artifacts, "*/.system/*/*")):
        for path in folder.glob(pattern):
            number = int64.parsed(path.name)
            if number is not None and number <= sqlite.LARGEST_ID:
                yield number
