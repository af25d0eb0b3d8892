"""Of ModelRun: the losses of each epoch."""

from __future__ import annotations

import json

import numpy as np

from components.evaluation.thresholds import EpochLosses
from pipeline.artifacts.preview_writers import Artifact, Pictures
from pipeline.artifacts.previews import ModelRun

_FILE = "history.json"
_MOST_EPOCHS = 2_000  # more are thinned out evenly, with the first and the last


def make(artifact: Artifact) -> tuple[ModelRun, Pictures] | None:
    """None where nothing of ours is in it."""
    path = artifact.folder / _FILE
    if not path.is_file():
        return None
    history = [EpochLosses(**losses) for losses in json.loads(path.read_text(encoding="utf-8"))]
    if len(history) > _MOST_EPOCHS:
        history = [history[place] for place in np.linspace(0, len(history) - 1, _MOST_EPOCHS).round().astype(int)]
    return ModelRun(tuple(history)), {}
