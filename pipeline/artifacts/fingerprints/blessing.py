"""Fingerprint `blessing-1` of ModelBlessing: the verdict, and on which model.

* `verdict`: which of the files `BLESSED` and `NOT_BLESSED` exist. They count as files as well if they are not empty.
* `model_digest`: this property, the content digest of the evaluated model; empty if there is none.

Left out: other properties. `blessed` repeats the verdict; those on the current and the baseline model contain paths and
artifact ids, and the digest identifies the model better.
"""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.artifacts.fingerprints.entries import ContentEntry
from pipeline.artifacts.fingerprints.files import Files
from pipeline.artifacts.types import StoredArtifact

FORM = "blessing-1"
MODEL_DIGEST = "model_digest"
_VERDICTS = ("BLESSED", "NOT_BLESSED")


def entries(artifact: StoredArtifact, files: Files) -> Iterator[ContentEntry]:
    """Yield the verdict and the model."""
    found = [name for name in _VERDICTS if name in files]
    yield ContentEntry("verdict", " ".join(found))
    yield ContentEntry(MODEL_DIGEST, str(artifact.properties.get(MODEL_DIGEST, "")))
    files.leave_out(name for name in found if not files.path(name).stat().st_size)
