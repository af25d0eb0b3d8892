"""SavedModels that stay loaded until the run ends, because Encode, Evaluator and Report use the same one."""

from __future__ import annotations

import contextlib
import os
import pathlib
from collections.abc import Hashable, Iterator
from typing import Any

import tensorflow as tf

_models: dict[Hashable, Any] | None = None  # by the state of their files; None: no run is open


@contextlib.contextmanager
def of_run() -> Iterator[None]:
    """Keep models while the context lasts."""
    global _models
    _models = {}
    try:
        yield
    finally:
        _models = None


def load(folder: str | pathlib.Path) -> Any:
    """Load a SavedModel with its variables; in a run, return the one that was loaded before if its file is the same."""
    if _models is None:
        return tf.saved_model.load(str(folder))
    file = os.path.join(folder, tf.saved_model.SAVED_MODEL_FILENAME_PB)
    stat = tf.io.gfile.stat(file)
    key = (file, stat.length, stat.mtime_nsec)
    if key not in _models:
        _models[key] = tf.saved_model.load(str(folder))
    return _models[key]
