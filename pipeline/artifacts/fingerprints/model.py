"""Fingerprint `model-1` of Model: all SavedModels in its folder, at any depth.

`saved_model.py` says what counts of a SavedModel, and what is left out. Properties do not count.
"""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.artifacts.fingerprints.entries import ContentEntry
from pipeline.artifacts.fingerprints.files import Files
from pipeline.artifacts.fingerprints.saved_model import saved_model_entries
from pipeline.artifacts.types import StoredArtifact

FORM = "model-1"


def entries(artifact: StoredArtifact, files: Files) -> Iterator[ContentEntry]:
    """Yield the SavedModels."""
    return saved_model_entries(files)
