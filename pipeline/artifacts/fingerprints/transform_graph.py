"""Fingerprint `transform-graph-1` of TransformGraph: the graph that transforms examples, and the schemas around it.

The SavedModel counts as in `saved_model.py`. Schemas of the data before and after (`schema.pbtxt` in any folder) count
as in `schema.py`, feature by feature. Everything else counts by name and bytes. Properties do not count.
"""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.artifacts.fingerprints.entries import ContentEntry
from pipeline.artifacts.fingerprints.files import Files
from pipeline.artifacts.fingerprints.saved_model import saved_model_entries
from pipeline.artifacts.fingerprints.schema import schema_entries
from pipeline.artifacts.types import StoredArtifact

FORM = "transform-graph-1"


def entries(artifact: StoredArtifact) -> Iterator[ContentEntry]:
    """The graph, the schemas, then other files."""
    files = Files(artifact.folder)
    yield from saved_model_entries(files)
    yield from schema_entries(files)
    yield from files.rest()
