"""An artifact."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from pipeline.artifacts import types
from pipeline.artifacts.sections import Preview
from pipeline.inspection.views import ArtifactDetails
from pipeline.metadata.properties import CONTENT_DIGEST, MODEL_DIGEST, RAW_DIGEST
from pipeline.metadata.types import deletion_text, restore_hint
from pipeline.web.pages.base import PageRequest, find_artifact, served_version

_DIGESTS = (CONTENT_DIGEST, RAW_DIGEST, MODEL_DIGEST)


@dataclasses.dataclass(frozen=True)
class ArtifactView:
    """The page.

    Attributes:
      artifact: from the store, without digests.
      preview: None if there is none.
      deleted: text that says when `sae gc` deleted its files; empty if they were not deleted.
      missing: text that says what cannot be shown, and why; empty if everything is shown.
      served: whether its files can be opened: they are inside the root.
      served_version: the served version, if it is this model; else 0.
      digests: by name.
      slice_titles: what people see in place of names of slices, such as `label cat` for `label 0`.
      words: what people see in labels and titles in place of other words, such as `vector` for `image`.
    """

    artifact: ArtifactDetails
    preview: Preview | None
    deleted: str
    missing: str
    served: bool
    served_version: int
    digests: tuple[tuple[str, str], ...]
    slice_titles: Mapping[str, str]
    words: Mapping[str, str]


def build(request: PageRequest, artifact: str) -> ArtifactView:
    """Read the artifact with its preview."""
    reader = request.open_reader
    found = reader.artifact(find_artifact(reader, artifact))
    preview = reader.preview(found.row)
    deleted = deletion_text(found.row.state, found.properties)
    served = request.root is not None and not found.gone and reader.preview_folder(found.row) is not None
    others = {name: value for name, value in found.properties.items() if name not in _DIGESTS}
    return ArtifactView(
        artifact=dataclasses.replace(found, properties=others),
        preview=preview,
        deleted=deleted,
        missing=_missing(request, found, preview, deleted),
        served=served,
        served_version=served_version(request, found.row, content=str(found.properties.get(MODEL_DIGEST, ""))),
        digests=tuple((name, str(found.properties[name])) for name in _DIGESTS if name in found.properties),
        slice_titles=reader.slice_titles(found.row.run),
        words=reader.words(found.row.run),
    )


def _missing(request: PageRequest, found: ArtifactDetails, preview: Preview | None, deleted: str) -> str:
    if preview is not None:
        return ""
    if deleted:
        advice = restore_hint(found.row.id)
        return f"Its bytes were {deleted}: {advice}. Its properties and the list of its files are shown."
    kind = types.find(found.row.type)
    if not (kind.preview if request.root else kind.payload):
        return f"Artifacts of type {found.row.type} have no preview: properties and files are shown."
    if request.root is None:
        if found.gone:
            return "Its files were not found from here, so there is no preview: --map OLD=NEW says where they are."
        return "Nothing in its files can be shown: properties and names of files are."
    return (
        "There is no preview of this artifact: `sae run` writes one when it executes the node. "
        "Properties and files are shown."
    )
