"""SavedModels that stay loaded until the run ends, because Encode, Evaluator and Report use the same one."""

from __future__ import annotations

import os
import pathlib
from typing import Any

import tensorflow as tf

from components.data import resident


def load(folder: str | pathlib.Path) -> Any:
    """Load a SavedModel with its variables; in a run, return the one that was loaded before if its file is the same."""
    file = os.path.join(folder, tf.saved_model.SAVED_MODEL_FILENAME_PB)
    stat = tf.io.gfile.stat(file)
    return resident.once((file, stat.length, stat.mtime_nsec), lambda: tf.saved_model.load(str(folder)))
