"""The form `raw-1`, of artifacts of a type that this pipeline does not publish.

Every file counts by its relative name and the SHA-256 of its bytes, in the order of the names. Properties do not
count: what they mean is not known here. Nothing else is left out.
"""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.artifacts.fingerprints.artifact import Artifact, Files
from pipeline.artifacts.fingerprints.stream import Entry

FORM = "raw-1"


def entries(artifact: Artifact) -> Iterator[Entry]:
    """Every file."""
    yield from Files(artifact.folder).rest()
