"""Fingerprint `pushed-model-1` of PushedModel: whether a model went into the serving folder, and which.

* `pushed`: the property of this name, 1 or 0; nothing where there is none.
* `model_digest`: the property of this name, the content digest of that model; empty where there is none.

Left out: the other properties. Destination and version depend on where the serving folder is and on what was served
before. Files, of which this pipeline writes none, count by name and bytes.
"""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.artifacts.fingerprints.entries import ContentEntry
from pipeline.artifacts.fingerprints.files import Files
from pipeline.artifacts.types import StoredArtifact

FORM = "pushed-model-1"
PUSHED = "pushed"
MODEL_DIGEST = "model_digest"


def entries(artifact: StoredArtifact) -> Iterator[ContentEntry]:
    """Both properties, then files."""
    yield ContentEntry(PUSHED, artifact.properties.get(PUSHED))
    yield ContentEntry(MODEL_DIGEST, str(artifact.properties.get(MODEL_DIGEST, "")))
    yield from Files(artifact.folder).rest()
