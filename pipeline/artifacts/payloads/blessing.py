"""ModelBlessing and InfraBlessing: the verdict, from a file whose name is the verdict, or else from a property."""

from __future__ import annotations

from pipeline.artifacts.sections import Preview, Text
from pipeline.artifacts.types import PNGs, StoredArtifact

_TITLE = "blessing"
_PROPERTY = "blessed"
_FILES = {"BLESSED": True, "NOT_BLESSED": False, "INFRA_BLESSED": True, "INFRA_NOT_BLESSED": False}
_COMPARED = {"current_model": "the model", "baseline_model": "the baseline"}


def make(artifact: StoredArtifact) -> tuple[Preview, PNGs] | None:
    """Return the verdict, and which models it is about; None if there is none."""
    found = next((verdict for name, verdict in _FILES.items() if (artifact.folder / name).exists()), None)
    if found is None and _PROPERTY in artifact.properties:
        found = bool(artifact.properties[_PROPERTY])
    if found is None:
        return None
    models = tuple(
        f"{title}: {artifact.properties[name]}" for name, title in _COMPARED.items() if artifact.properties.get(name)
    )
    return Preview(_TITLE, (Text("", "blessed" if found else "not blessed", found, models, title=_TITLE),)), {}
