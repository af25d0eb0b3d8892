"""Fingerprint `raw-1` of artifacts whose type has no other.

Every file counts by its relative name and the SHA-256 of its bytes, in the order of the names. Properties do not
count: what they mean is not known here. Nothing else is left out.
"""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.artifacts.fingerprints.entries import ContentEntry
from pipeline.artifacts.fingerprints.files import Files
from pipeline.artifacts.types import StoredArtifact

FORM = "raw-1"


def entries(artifact: StoredArtifact) -> Iterator[ContentEntry]:
    """Every file."""
    yield from Files(artifact.folder).rest()
