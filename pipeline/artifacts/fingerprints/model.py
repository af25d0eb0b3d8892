"""Fingerprint `model-1` of Model: the SavedModels in it, wherever in its folder they lie.

A SavedModel is a folder that holds a `saved_model.pb`. See `saved_model.py` for what counts of one and what is left
out, `computation.py` for what is computed, and `objects.py` for the tree of objects. Everything else in the artifact
counts by name and bytes; so does a SavedModel's file that cannot be read. Properties do not count.
"""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.artifacts.fingerprints.entries import ContentEntry
from pipeline.artifacts.fingerprints.files import Files
from pipeline.artifacts.fingerprints.saved_model import saved_model_entries
from pipeline.artifacts.types import StoredArtifact

FORM = "model-1"


def entries(artifact: StoredArtifact) -> Iterator[ContentEntry]:
    """SavedModels, then other files."""
    files = Files(artifact.folder)
    yield from saved_model_entries(files)
    yield from files.rest()
