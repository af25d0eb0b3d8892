"""The form `pushed-model-1`, of PushedModel: whether a model went into the serving folder, and which.

* `pushed`: the property of this name, 1 or 0; nothing where there is none.
* `model_digest`: the property of this name, the content digest of that model; empty where there is none.

Left out: the other properties. Destination and version depend on where the serving folder is and on what was served
before. Files, of which this pipeline writes none, count by name and bytes.
"""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.artifacts.fingerprints.artifact import Artifact, Files
from pipeline.artifacts.fingerprints.stream import Entry

FORM = "pushed-model-1"
PUSHED = "pushed"
MODEL_DIGEST = "model_digest"


def entries(artifact: Artifact) -> Iterator[Entry]:
    """Both properties, then files."""
    yield Entry(PUSHED, artifact.properties.get(PUSHED))
    yield Entry(MODEL_DIGEST, str(artifact.properties.get(MODEL_DIGEST, "")))
    yield from Files(artifact.folder).rest()
