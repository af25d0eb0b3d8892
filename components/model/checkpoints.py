"""Checkpoints of a training that may be cut off: all that the next epoch depends on, in one file.

That is the variables of the model and of the optimiser, and how many epochs there were. The order of the images in an
epoch is drawn from (seed, epoch) by a generator of its own, so no generator has a state to keep. Where checkpoints lie
is said by the environment: it must belong to this one training, with these settings, code and data.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import logging
import math
import os
import pathlib
import time
import zipfile
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from components import atomic_file
from components.evaluation.thresholds import EpochLosses

logger = logging.getLogger(__name__)

# Variables of the environment: the folder for one training, and the least number of seconds between two checkpoints.
FOLDER, SECONDS = "SAE_CHECKPOINTS", "SAE_CHECKPOINT_SECONDS"
FILE = "checkpoint"  # SHA-256 of what follows in hex and a line's end, then NumPy's `npz`
_DIGITS = 64
_DAMAGE = (OSError, EOFError, KeyError, TypeError, ValueError, zipfile.BadZipFile, zlib.error)


class Checkpoints:
    """Writes and reads the checkpoint of one training. One that cannot be written or read does not end it."""

    def __init__(self, folder: pathlib.Path | None, seconds: float = 0.0) -> None:
        """Sets up.

        Args:
          folder: where; made when it is needed. None: no checkpoints.
          seconds: from one to the next at least; 0: after each epoch, infinite: none is written.
        """
        self._path = folder / FILE if folder else None
        self._seconds = seconds
        self._last = time.monotonic()

    @classmethod
    def from_environment(cls) -> Checkpoints:
        """Where and how often the environment says; none where it says nothing."""
        folder = os.environ.get(FOLDER)
        return cls(pathlib.Path(folder) if folder else None, float(os.environ.get(SECONDS, "inf")))

    def restore(self, variables: Sequence[Any]) -> list[EpochLosses]:
        """Sets TensorFlow variables to what the checkpoint holds.

        Returns:
          The losses of the epochs that it comes after; none where there is no checkpoint, or it is damaged.
        """
        if self._path is None or not self._path.exists():
            return []
        try:
            values, history = _read(self._path.read_bytes(), variables)
        except _DAMAGE as error:
            logger.warning(
                "the checkpoint %s is damaged (%s): training begins anew", self._path, error, extra={"note": True}
            )
            return []
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
        logger.info("training goes on after epoch %d, from its checkpoint", len(history), extra={"note": True})
        return history

    def save_when_due(self, variables: Sequence[Any], history: Sequence[EpochLosses]) -> None:
        """Writes a checkpoint where the last one is long enough ago.

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
        content = io.BytesIO()
        arrays = {f"variable_{number}": variable.numpy() for number, variable in enumerate(variables)}
        np.savez(content, history=json.dumps([dataclasses.asdict(losses) for losses in history]), **arrays)
        data = content.getvalue()
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_file.write(path, hashlib.sha256(data).hexdigest().encode() + b"\n" + data)


def _read(text: bytes, variables: Sequence[Any]) -> tuple[list[Any], list[EpochLosses]]:
    """The values of the variables, and the history. Raises one of `_DAMAGE`."""
    if hashlib.sha256(text[_DIGITS + 1 :]).hexdigest().encode() + b"\n" != text[: _DIGITS + 1]:
        raise ValueError("its bytes are not those that were written")
    with np.load(io.BytesIO(text[_DIGITS + 1 :]), allow_pickle=False) as held:
        values = [held[f"variable_{number}"] for number in range(len(variables))]
        history = [EpochLosses(**losses) for losses in json.loads(str(held["history"]))]
    for variable, value in zip(variables, values, strict=True):
        if value.shape != tuple(variable.shape) or value.dtype != variable.dtype.as_numpy_dtype:
            raise ValueError(f"it is of another model: {value.shape} for {tuple(variable.shape)}")
    return values, history
