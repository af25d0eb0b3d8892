"""Fingerprint `blessing-1` of ModelBlessing: the verdict, and on which model.

* `verdict`: which of the files `BLESSED` and `NOT_BLESSED` there are; what is in them counts too, where it is not
  empty.
* `model_digest`: the property of this name, the content digest of the model that was judged; empty where there is
  none.

Left out: the other properties. `blessed` repeats the verdict; those on the current and the baseline model hold paths
and numbers of artifacts, and the digest says better which model was meant. All other files count by name and bytes.
"""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.artifacts.fingerprints.entries import ContentEntry
from pipeline.artifacts.fingerprints.files import Files
from pipeline.artifacts.types import StoredArtifact

FORM = "blessing-1"
MODEL_DIGEST = "model_digest"
_VERDICTS = ("BLESSED", "NOT_BLESSED")


def entries(artifact: StoredArtifact) -> Iterator[ContentEntry]:
    """The verdict, the model, then other files."""
    files = Files(artifact.folder)
    found = [name for name in _VERDICTS if name in files]
    yield ContentEntry("verdict", " ".join(found))
    yield ContentEntry(MODEL_DIGEST, str(artifact.properties.get(MODEL_DIGEST, "")))
    files.leave_out(name for name in found if not files.path(name).stat().st_size)
    yield from files.rest()
