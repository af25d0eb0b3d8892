"""Checkpoints of training: all that the next epoch depends on, in one file.

That is the variables of model and optimizer, and the history. Generators have no state to save: the order of images in
an epoch is drawn from (seed, epoch). The environment names the folder, which must belong to these settings, code and
data.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import math
import os
import pathlib
import time
import zipfile
import zlib
from collections.abc import Sequence
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from components import atomic_file
from components.evaluation.thresholds import EpochLosses

logger = logging.getLogger(__name__)

# Environment variables: the folder of one training, and the minimum number of seconds between two checkpoints.
FOLDER, SECONDS = "SAE_CHECKPOINTS", "SAE_CHECKPOINT_SECONDS"
FILE = "checkpoint"  # SHA-256 of the rest in hex and a newline, then NumPy's `npz`
_DIGITS = 64
_HISTORY = "history"
_BLOCK = 1024 * 1024
_DAMAGE = (OSError, EOFError, KeyError, TypeError, ValueError, zipfile.BadZipFile, zlib.error)


class Checkpoints:
    """Write and read the checkpoint of one training; training continues if that fails.

    Args:
      folder: created when needed; None: no checkpoints.
      seconds: minimum time between two checkpoints; 0: after each epoch, inf: never.
    """

    def __init__(self, folder: pathlib.Path | None, seconds: float = 0.0) -> None:
        self._path = folder / FILE if folder else None
        self._seconds = seconds
        self._last = time.monotonic()

    @classmethod
    def from_environment(cls) -> Checkpoints:
        """Return the checkpoints that the environment configures; none without `SAE_CHECKPOINTS`."""
        folder = os.environ.get(FOLDER)
        return cls(pathlib.Path(folder) if folder else None, float(os.environ.get(SECONDS, "inf")))

    def restore(self, variables: Sequence[Any]) -> list[EpochLosses]:
        """Set TensorFlow variables to the values in the checkpoint.

        Returns:
          The losses of the epochs before it; empty if there is no checkpoint, or it is damaged.
        """
        if self._path is None or not self._path.exists():
            return []
        try:
            history = _restore(self._path, variables)
        except _DAMAGE as error:
            logger.warning(
                "the checkpoint %s is damaged (%s): training starts over", self._path, error, extra={"note": True}
            )
            return []
        logger.info("training resumes after epoch %d, from its checkpoint", len(history), extra={"note": True})
        return history

    def save_when_due(self, variables: Sequence[Any], history: Sequence[EpochLosses]) -> None:
        """Write a checkpoint if the last one is old enough.

        Args:
          variables: as given to `restore`.
          history: the losses of every epoch so far.
        """
        if self._path is None or not time.monotonic() - self._last >= self._seconds or math.isinf(self._seconds):
            return
        begun = time.monotonic()
        try:
            self._write(self._path, variables, history)
        except OSError as error:
            logger.warning("no more checkpoints are written to %s: %s", self._path, error)
            self._path = None
            return
        self._last = time.monotonic()
        logger.info("checkpoint after epoch %d written in %.3f s", len(history), self._last - begun)

    def _write(self, path: pathlib.Path, variables: Sequence[Any], history: Sequence[EpochLosses]) -> None:
        """Write the file, in memory for one variable."""
        for folder in (path.parent.parent, path.parent):  # not the root, which may have been removed
            folder.mkdir(exist_ok=True)
        losses = np.array(json.dumps([dataclasses.asdict(one) for one in history]))
        with atomic_file.opened(path) as file:
            file.write(b"0" * _DIGITS + b"\n")
            with zipfile.ZipFile(file, "w") as archive:
                _add(archive, _HISTORY, losses)
                for number, variable in enumerate(variables):
                    _add(archive, _name(number), variable.numpy())
            digest = _digest(file)
            file.seek(0)
            file.write(digest)


def _name(number: int) -> str:
    return f"variable_{number}"


def _add(archive: zipfile.ZipFile, name: str, value: npt.NDArray[Any]) -> None:
    with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
        np.lib.format.write_array(member, value, allow_pickle=False)  # type: ignore[no-untyped-call]


def _digest(file: BinaryIO) -> bytes:
    """Return the SHA-256, in hex, of what follows the first line."""
    file.seek(_DIGITS + 1)
    digest = hashlib.sha256()
    while block := file.read(_BLOCK):
        digest.update(block)
    return digest.hexdigest().encode()


def _restore(path: pathlib.Path, variables: Sequence[Any]) -> list[EpochLosses]:
    """Set the variables, and return the history. Raises one of `_DAMAGE` before the first variable is set."""
    with open(path, "rb") as file:
        if file.read(_DIGITS + 1) != _digest(file) + b"\n":
            raise ValueError("its digest does not match")
        file.seek(_DIGITS + 1)
        with np.load(file, allow_pickle=False) as arrays:
            history = [EpochLosses(**losses) for losses in json.loads(str(arrays[_HISTORY]))]
            for number, variable in enumerate(variables):
                value = arrays[_name(number)]
                if value.shape != tuple(variable.shape) or value.dtype != variable.dtype.as_numpy_dtype:
                    raise ValueError(f"it is of another model: shape {value.shape}, expected {tuple(variable.shape)}")
            for number, variable in enumerate(variables):
                variable.assign(arrays[_name(number)])
    return history
