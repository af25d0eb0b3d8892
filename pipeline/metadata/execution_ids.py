"""Keep new executions out of the folders of old ones: TFX writes outputs to `NODE/OUTPUT/EXECUTION`, whatever is there.

A store that was restored, replaced or removed may lack executions whose folders still exist.
"""

from __future__ import annotations

from collections.abc import Iterator

from components import int64
from pipeline.core.errors import UnavailableError
from pipeline.core.pipeline_root import Root
from pipeline.metadata import root_store
from pipeline.metadata.store import Store


def reserve(root: Root, store: Store) -> None:
    """Let the store assign only ids of executions that no folder of the root has in its name.

    Args:
      root: the root, whose lock the caller holds.
      store: its open store.

    Raises:
      UnavailableError: the store cannot be written.
    """
    found = root_store.of(root)
    highest = max((number for number in _in_names(root) if number <= found.largest_id), default=0)
    if highest <= store.newest_execution():
        return
    if reason := found.raise_last_ids({"Execution": highest}):
        raise UnavailableError(
            f"{found.name} cannot be written ({reason}): without it, a run would overwrite folders of execution "
            f"{highest} and others, which ML Metadata does not contain"
        )


def _in_names(root: Root) -> Iterator[int]:
    """Yield the numbers in names of outputs, previews, and temporary folders of TFX (`NODE/.system/KIND/EXECUTION`)."""
    for folder, pattern in ((root.artifacts, "*/*/*"), (root.previews, "*/*/*"), (root.artifacts, "*/.system/*/*")):
        for path in folder.glob(pattern):
            number = int64.parsed(path.name)
            if number is not None:
                yield number
