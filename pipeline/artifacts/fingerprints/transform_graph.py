"""Fingerprint `transform-graph-1` of TransformGraph: the graph, and the schemas of the data before and after it.

The SavedModel counts as in `model.py`, each `schema.pbtxt` as in `schema.py`. Properties do not count.
"""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.artifacts.fingerprints import model, schema
from pipeline.artifacts.fingerprints.entries import ContentEntry
from pipeline.artifacts.fingerprints.files import Files
from pipeline.artifacts.types import StoredArtifact

FORM = "transform-graph-1"


def entries(artifact: StoredArtifact, files: Files) -> Iterator[ContentEntry]:
    """Yield the SavedModel, then the schemas."""
    yield from model.entries(artifact, files)
    yield from schema.entries(artifact, files)
