"""Artifact types: how each is hashed, previewed and shown. Each is declared once, here or by a pipeline.

Modules are named, not imported: most import TensorFlow, which commands that only read must not.
"""

from __future__ import annotations

import dataclasses
import importlib
import pathlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from components.evaluation import metrics

if TYPE_CHECKING:
    from pipeline.artifacts.sections import Preview

PNGs = Mapping[str, bytes]  # PNG files by their names in the preview
_FINGERPRINTS = "pipeline.artifacts.fingerprints"
_WRITERS = "pipeline.artifacts.preview_writers"
_PAYLOADS = "pipeline.artifacts.payloads"


@dataclasses.dataclass(frozen=True)
class StoredArtifact:
    """An artifact on this disk, and the related folders.

    Attributes:
      type_name: TFX's name of the type: `Examples`, `Model`, ...
      folder: its URI.
      properties: properties and custom properties together.
      inputs: folders of its node's inputs by key; the first of several under a key.
      siblings: folders of its node's outputs by key.
    """

    type_name: str
    folder: pathlib.Path
    properties: Mapping[str, str | int | float]
    inputs: Mapping[str, pathlib.Path] = dataclasses.field(default_factory=dict)
    siblings: Mapping[str, pathlib.Path] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class ArtifactType:
    """An artifact type.

    Attributes:
      name: TFX's name of the type.
      fingerprint: module with `FORM`, such as `examples-1`, and `entries(artifact, files)`, which yields what counts as
        content; other files count by name and bytes. Empty: all files do.
      preview: module with `make(artifact)`, which returns a `Preview` and its PNG files, or None; empty: no preview.
      payload: a module like that which needs neither TensorFlow nor NumPy, for artifacts without a preview, such
        as those of other pipelines; empty: there is none.
      cached: whether what `payload` returns depends only on the artifact's files and properties, so it can be cached.
      metrics: module with `read_evaluation(folder)`, whose result is recorded in ML Metadata unless it is None;
        empty: no metrics.
      on_run: titles of the preview's sections that the page of a run shows; payload_on_run: others, of `payload`.
      compared: whether the page that compares runs shows its line charts and pictures.
      about_model: whether it is a statement about a model; the content digest of that model is then recorded on it.
    """

    name: str
    fingerprint: str = ""
    preview: str = ""
    payload: str = ""
    cached: bool = True
    metrics: str = ""
    on_run: tuple[str, ...] = ()
    payload_on_run: tuple[str, ...] = ()
    compared: bool = False
    about_model: bool = False


def _ours(name: str, module: str, preview: bool = True, payload: bool = False, **display: Any) -> ArtifactType:
    return ArtifactType(
        name,
        f"{_FINGERPRINTS}.{module}",
        f"{_WRITERS}.{module}" if preview else "",
        f"{_PAYLOADS}.{module}" if payload else "",
        **display,
    )


def _standard(name: str, module: str) -> ArtifactType:
    """Return a type whose preview of a run of ours needs no TensorFlow either."""
    payload = f"{_PAYLOADS}.{module}"
    return ArtifactType(name, f"{_FINGERPRINTS}.{module}", preview=payload, payload=payload)


_TYPES = {
    one.name: one
    for one in (
        _ours("Examples", "examples", payload=True),
        _standard("ExampleStatistics", "statistics"),
        _standard("ExampleAnomalies", "anomalies"),
        _standard("Schema", "schema"),
        _standard("TransformGraph", "transform_graph"),
        _ours("Model", "model", payload=True),
        _ours("ModelRun", "model_run", on_run=("reconstruction loss by epoch", "losses by epoch"), compared=True,
            metrics="components.evaluation.validation_scores"),
        _ours(
            "ModelEvaluation", "evaluation", payload=True, metrics="components.evaluation.evaluator",
            on_run=("thresholds", f"{metrics.BCE.label} by label"),
            payload_on_run=("metrics", "metrics of slices"),
        ),
        _ours("ModelBlessing", "blessing", payload=True, cached=False, on_run=("blessing",), about_model=True),
        ArtifactType("InfraBlessing", payload=f"{_PAYLOADS}.blessing", cached=False, payload_on_run=("blessing",)),
        _ours("PushDecision", "push_decision", on_run=("decision of the push gate",), about_model=True),
        _ours("PushedModel", "pushed_model", preview=False, payload=True, cached=False, about_model=True),
        _ours("Codes", "codes"),
        _ours("PixelScores", "probe_scores"),
        _ours(
            "ProbeScores", "probe_scores", on_run=("accuracy by representation",),
            metrics="components.evaluation.probe_scores",
        ),
        _ours("Sweep", "sweep", preview=False),
        _ours(
            "Report", "report", compared=True,
            on_run=("report", "test images and their reconstructions", "activity of the units of the code"),
        ),
    )
}  # fmt: skip


def register(*types: ArtifactType) -> None:
    """Add the types of a pipeline, or replace those of the same name."""
    _TYPES.update({one.name: one for one in types})


def find(name: str) -> ArtifactType:
    """Return the type of this name; one that is not registered is hashed by its bytes and has no preview."""
    return _TYPES.get(name) or ArtifactType(name)


def shown_on_run() -> tuple[ArtifactType, ...]:
    """Return the types that the page of a run shows, in order."""
    return tuple(one for one in _TYPES.values() if one.on_run or one.payload_on_run)


def compared() -> tuple[ArtifactType, ...]:
    """Return the types that the page that compares runs shows."""
    return tuple(one for one in _TYPES.values() if one.compared)


def read_metrics(name: str, folder: str) -> Any:
    """Return the metrics in an artifact, as a dataclass; None for a type without metrics."""
    module = find(name).metrics
    return importlib.import_module(module).read_evaluation(folder) if module else None


def make_preview(artifact: StoredArtifact) -> tuple[Preview, PNGs] | None:
    """Return the preview of an artifact with its pictures; None if there is nothing to show.

    Raises:
      Exception: any error of a library on a damaged artifact.
    """
    return _made(find(artifact.type_name).preview, artifact)


def read_payload(artifact: StoredArtifact) -> Preview | None:
    """Return what the files of an artifact say, without TensorFlow; None if there is nothing to show.

    Raises:
      Exception: any error on a damaged artifact.
    """
    made = _made(find(artifact.type_name).payload, artifact)
    return made[0] if made else None


def _made(module: str, artifact: StoredArtifact) -> tuple[Preview, PNGs] | None:
    made: tuple[Preview, PNGs] | None = importlib.import_module(module).make(artifact) if module else None
    return made
