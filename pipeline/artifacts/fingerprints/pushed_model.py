"""Fingerprint `pushed-model-1` of PushedModel: whether a model was pushed, and which.

* `pushed`: this property, 1 or 0; nothing if there is none.
* `model_digest`: this property, the content digest of the model; empty if there is none.

Left out: other properties. Destination and version depend on the serving folder and on what was served before.
"""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.artifacts.fingerprints.entries import ContentEntry
from pipeline.artifacts.fingerprints.files import Files
from pipeline.artifacts.types import StoredArtifact

FORM = "pushed-model-1"
PUSHED = "pushed"
MODEL_DIGEST = "model_digest"


def entries(artifact: StoredArtifact, files: Files) -> Iterator[ContentEntry]:
    """Yield both properties."""
    yield ContentEntry(PUSHED, artifact.properties.get(PUSHED))
    yield ContentEntry(MODEL_DIGEST, str(artifact.properties.get(MODEL_DIGEST, "")))
