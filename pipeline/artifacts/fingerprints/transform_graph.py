"""Fingerprint `transform-graph-1` of TransformGraph: the graph, and the schemas of the data before and after it.

The SavedModel counts as in `saved_model.py`, each `schema.pbtxt` as in `schema.py`. Properties do not count.
"""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.artifacts.fingerprints import schema
from pipeline.artifacts.fingerprints.entries import ContentEntry
from pipeline.artifacts.fingerprints.files import Files
from pipeline.artifacts.fingerprints.saved_model import saved_model_entries
from pipeline.artifacts.types import StoredArtifact

FORM = "transform-graph-1"


def entries(artifact: StoredArtifact, files: Files) -> Iterator[ContentEntry]:
    """Yield the SavedModel, then the schemas."""
    yield from saved_model_entries(files)
    yield from schema.entries(artifact, files)
