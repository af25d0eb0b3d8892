"""Where a training keeps its checkpoints: `checkpoints/<key>/` under the root, outside any artifact.

A training with the same key has the same result, so whichever run comes to it goes on from there.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
from collections.abc import Iterator

from pipeline.core.events import NodeState
from pipeline.core.pipeline_root import Root
from pipeline.metadata.store import Store

# Read by `components/model/checkpoints.py`, which is not imported here: with it comes NumPy, and whatever imports that.
FOLDER, SECONDS = "SAE_CHECKPOINTS", "SAE_CHECKPOINT_SECONDS"
_MOST = 3  # trainings that did not end, of which the checkpoints are kept; those of MNIST take 5 MB each


@contextlib.contextmanager
def offered(root: Root, key: str, seconds: float, afresh: bool) -> Iterator[None]:
    """Tells the node that runs in this process where its checkpoints are.

    Args:
      root: where they lie.
      key: digest of the node's key.
      seconds: from one checkpoint to the next at least.
      afresh: True removes those that are there: what was computed before shall not be used.
    """
    if afresh:
        remove(root, key)
    told = {FOLDER: str(_folder(root, key)), SECONDS: str(seconds)}
    os.environ.update(told)
    try:
        yield
    finally:
        for name in told:
            os.environ.pop(name, None)


def remove(root: Root, key: str) -> None:
    """Removes the checkpoints of a training that ended."""
    shutil.rmtree(_folder(root, key), ignore_errors=True)


def sweep(root: Root, store: Store) -> None:
    """Removes the checkpoints of trainings that ended, and all but the newest few of those that did not."""
    found = [path for path in root.checkpoints.glob("*") if path.is_dir()]
    waiting = [
        path
        for path in found
        if not any(one.state == NodeState.EXECUTED for one in store.executions_with_key(path.name))
    ]
    newest = sorted(waiting, key=lambda path: path.stat().st_mtime_ns, reverse=True)[:_MOST]
    for path in found:
        if path not in newest:
            shutil.rmtree(path, ignore_errors=True)


def _folder(root: Root, key: str) -> pathlib.Path:
    return root.checkpoints / key
