"""Checkpoints of unfinished trainings: `checkpoints/<key>/` in the root, outside any artifact.

Trainings with the same cache key have the same result, so any run may continue from the checkpoint of another one.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator

from pipeline.core.events import NodeState
from pipeline.core.pipeline_root import Root
from pipeline.metadata.store import Store

# Read by `components/model/checkpoints.py`, which is not imported here because it imports NumPy.
FOLDER, SECONDS = "SAE_CHECKPOINTS", "SAE_CHECKPOINT_SECONDS"
_MAX_UNFINISHED = 3  # unfinished trainings whose checkpoints are kept; those of MNIST take 5 MB each


@contextlib.contextmanager
def environment(root: Root, key: str, seconds: float, discard: bool) -> Iterator[None]:
    """Pass the folder of a node's checkpoints to the node, in the environment of this process.

    Args:
      root: the pipeline root.
      key: digest of the node's cache key.
      seconds: minimum time between two checkpoints.
      discard: True removes existing checkpoints first.
    """
    if discard:
        remove(root, key)
    os.environ.update({FOLDER: str(root.checkpoints / key), SECONDS: str(seconds)})
    try:
        yield
    finally:
        for name in (FOLDER, SECONDS):
            os.environ.pop(name, None)


def remove(root: Root, key: str) -> None:
    """Remove the checkpoints of a finished training."""
    shutil.rmtree(root.checkpoints / key, ignore_errors=True)


def sweep(root: Root, store: Store) -> None:
    """Remove the checkpoints of finished trainings, and all but the newest few of unfinished ones.

    The newest is the one whose key was executed last, whatever the clock was.
    """
    executions = {path: store.executions_with_key(path.name) for path in root.checkpoints.glob("*") if path.is_dir()}
    finished = {path for path, found in executions.items() if any(one.state == NodeState.EXECUTED for one in found)}
    unfinished = sorted(
        executions.keys() - finished,
        key=lambda path: (max((one.id for one in executions[path]), default=0), path.name),
        reverse=True,
    )
    for path in (*finished, *unfinished[_MAX_UNFINISHED:]):
        shutil.rmtree(path, ignore_errors=True)
