"""One artifact, shown by its type."""

from __future__ import annotations

import dataclasses

from pipeline.artifacts import previews
from pipeline.inspection.views import ArtifactDetails
from pipeline.metadata.properties import CONTENT_DIGEST, MODEL_DIGEST, RAW_DIGEST
from pipeline.metadata.types import deletion_text, restore_hint
from pipeline.web import charts
from pipeline.web.pages import charts as drawn
from pipeline.web.pages.base import Drawings, Page, PageRequest, find_artifact, served_version
from pipeline.web.urls import Links

_DIGESTS = (CONTENT_DIGEST, RAW_DIGEST, MODEL_DIGEST)


@dataclasses.dataclass(frozen=True)
class ArtifactView:
    """The page.

    Attributes:
      artifact: as the store has it.
      kind: which kind of preview it is; empty where there is none.
      preview: what is shown of it.
      deleted: that `sae gc` deleted its bytes, and when, in words; empty where it did not.
      missing: what cannot be shown and why; empty where all is shown.
      served: whether its files can be opened: they are inside the root.
      served_version: the one that this model is served as; 0 where it is no model, or not served.
      digests: by name.
    """

    artifact: ArtifactDetails
    kind: str
    preview: previews.Preview | None
    deleted: str
    missing: str
    served: bool
    served_version: int
    digests: tuple[tuple[str, str], ...]


def build(request: PageRequest, artifact: str) -> ArtifactView:
    """Reads the artifact with its preview."""
    reader = request.open_reader
    found = reader.artifact(find_artifact(reader, artifact))
    preview = reader.preview(found.row)
    deleted = deletion_text(found.row.state, found.properties)
    served = request.root is not None and not found.gone and reader.preview_folder(found.row) is not None
    return ArtifactView(
        artifact=dataclasses.replace(
            found, properties={name: value for name, value in found.properties.items() if name not in _DIGESTS}
        ),
        kind=type(preview).__name__ if preview is not None else "",
        preview=preview,
        deleted=deleted,
        missing=_missing(request, found, preview, deleted),
        served=served,
        served_version=served_version(request, found.row, content=str(found.properties.get(MODEL_DIGEST, ""))),
        digests=tuple((name, str(found.properties[name])) for name in _DIGESTS if name in found.properties),
    )


def _missing(request: PageRequest, found: ArtifactDetails, preview: previews.Preview | None, deleted: str) -> str:
    if preview is not None:
        return ""
    if deleted:
        advice = restore_hint(found.row.id)
        return f"Its bytes were {deleted}: {advice}. Properties are shown, and the files that it had."
    if found.row.type not in previews.KINDS:
        return f"There is no picture for artifacts of type {found.row.type}: properties and files are shown."
    if request.root is None:
        return "This store has no pipeline root beside it, so there is no preview: properties and files are shown."
    return (
        "No preview was written of this artifact: an older version or another pipeline made it. Properties and files "
        "are shown."
    )


def draw(view: ArtifactView, to: Links) -> Drawings:
    """What belongs to its type."""
    del to
    shown = view.preview
    if isinstance(shown, previews.Statistics):
        return {"histograms": drawn.histograms(shown)}
    if isinstance(shown, previews.ModelRun):
        return {"curves": drawn.curves(shown.history)}
    if isinstance(shown, previews.Evaluation):
        return {"slices": drawn.slices(shown)}
    if isinstance(shown, previews.Report):
        return {"units": drawn.units(shown)}
    if isinstance(shown, previews.Model):
        return {"layers": drawn.layers(shown)}
    if isinstance(shown, previews.TransformGraph):
        inputs = [charts.GraphNode(f"i{one.name}", one.name, _feature(one), kind="artifact") for one in shown.inputs]
        outputs = [charts.GraphNode(f"o{one.name}", one.name, _feature(one), kind="artifact") for one in shown.outputs]
        middle = charts.GraphNode("transform", "Transform", "preprocessing", current=True)
        edges = [charts.GraphEdge(one.id, "transform") for one in inputs]
        edges += [charts.GraphEdge("transform", one.id) for one in outputs]
        title = "What goes into the transform and what comes out"
        return {"transform": charts.dag([middle, *inputs, *outputs], edges, title=title, direction="right")}
    return {}


def _feature(feature: previews.Feature) -> str:
    return f"{feature.type} {feature.shape}".strip()


PAGE = Page("artifact", "/artifacts/{artifact:name}", build, draw)
