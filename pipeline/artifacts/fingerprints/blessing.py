"""The form `blessing-1`, of ModelBlessing: the verdict, and on which model.

* `verdict`: which of the files `BLESSED` and `NOT_BLESSED` there are; what is in them counts too, where it is not
  empty.
* `model_digest`: the property of this name, the content digest of the model that was judged; empty where there is
  none.

Left out: the other properties. `blessed` repeats the verdict; those on the current and the baseline model hold paths
and numbers of artifacts, and the digest says better which model was meant. All other files count by name and bytes.
"""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.artifacts.fingerprints.artifact import Artifact, Files
from pipeline.artifacts.fingerprints.stream import Entry

FORM = "blessing-1"
MODEL_DIGEST = "model_digest"
_VERDICTS = ("BLESSED", "NOT_BLESSED")


def entries(artifact: Artifact) -> Iterator[Entry]:
    """The verdict, the model, then other files."""
    files = Files(artifact.folder)
    found = [name for name in _VERDICTS if name in files]
    yield Entry("verdict", " ".join(found))
    yield Entry(MODEL_DIGEST, str(artifact.properties.get(MODEL_DIGEST, "")))
    files.leave_out(name for name in found if not files.path(name).stat().st_size)
    yield from files.rest()
