"""Splits that stay in memory from the training on, so that the nodes of a run in one process decode each image once.

The pipeline opens and closes the memory around its nodes with `of_run`, and the Trainer says with `allow` how much may
stay. A node in a process of its own, or without a Trainer before it, reads its files in batches.
"""

from __future__ import annotations

import contextlib
import dataclasses
import threading
from collections.abc import Hashable, Iterator

import numpy as np
import numpy.typing as npt


@dataclasses.dataclass(frozen=True)
class Split:
    """All transformed examples of a split.

    Attributes:
      images: float32, shape (n, pixels).
      labels: int64, shape (n,); None without labels.
      ids: bytes, shape (n,), empty where an example has none; None: no example has one.
    """

    images: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int64] | None
    ids: npt.NDArray[np.object_] | None


class _Memory:
    """The kept splits, and how many bytes of images may be added."""

    def __init__(self) -> None:
        self.is_open = False
        self.splits: dict[Hashable, Split] = {}
        self.room = 0
        self.has_training_data = threading.Event()


_memory = _Memory()


@contextlib.contextmanager
def of_run() -> Iterator[None]:
    """Let splits stay in this context, as far as `allow` says, and free them at its end."""
    _memory.is_open = True
    try:
        yield
    finally:
        _memory.is_open = False
        _release()


def allow(size: int) -> None:
    """Keep splits of at most `size` bytes of images in all, in place of earlier ones, until the run ends."""
    _release()
    if _memory.is_open:
        _memory.room = size


def training_data_is_kept() -> None:
    """Say that the splits of the training are kept, so that others may take what room is left."""
    _memory.has_training_data.set()


def wait_for_training_data(seconds: float) -> bool:
    """Wait in another thread than the Trainer's until the splits of the training are kept; return whether they are."""
    return _memory.has_training_data.wait(seconds)


def is_allowed() -> bool:
    """Return whether splits are kept."""
    return bool(_memory.room or _memory.splits)


def room() -> int:
    """Return how many bytes of images may still be kept."""
    return _memory.room


def keep(key: Hashable, split: Split) -> None:
    """Keep a split if there is room for it; `key` names what it was read from. Its arrays become read-only."""
    if split.images.nbytes > _memory.room:
        return
    for array in (split.images, split.labels, split.ids):
        if array is not None:
            array.flags.writeable = False
    _memory.splits[key] = split
    _memory.room -= split.images.nbytes


def find(key: Hashable) -> Split | None:
    """Return the split that was kept under a key; None if there is none."""
    return _memory.splits.get(key)


def _release() -> None:
    _memory.splits.clear()
    _memory.room = 0
    _memory.has_training_data.clear()
