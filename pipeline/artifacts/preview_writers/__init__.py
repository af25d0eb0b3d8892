"""Makes the previews of artifacts (`artifacts/previews.py`), one module a type; imports what reads the artifact.

What is not of our pipeline gives a preview with less in it, or none: a Model with other layers has no layers there, a
ModelRun without `history.json` is not shown. What is read and what is kept is bounded, whatever the artifact's size.
"""

from __future__ import annotations

import importlib
import pathlib
from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.artifacts.previews import Preview

Pictures = Mapping[str, bytes]  # PNG files by the name that the preview gives them

# Module of this package by TFX's type name. Imported when used: most of them import TensorFlow.
_MAKERS = {
    "Examples": "examples",
    "ExampleStatistics": "statistics",
    "ExampleAnomalies": "anomalies",
    "Schema": "schema",
    "TransformGraph": "transform_graph",
    "Model": "model",
    "ModelRun": "model_run",
    "ModelEvaluation": "evaluation",
    "ModelBlessing": "blessing",
    "PushDecision": "push_decision",
    "Report": "report",
}


@dataclass(frozen=True)
class Artifact:
    """An artifact to be shown, and what lies around it.

    Attributes:
      type_name: TFX's: `Examples`, `Model`, ...
      folder: its URI, on this disk.
      properties: properties and custom properties together.
      inputs: folders of what its node read, by key; of several under a key the first.
      siblings: the same of what its node wrote.
    """

    type_name: str
    folder: pathlib.Path
    properties: Mapping[str, str | int | float]
    inputs: Mapping[str, pathlib.Path]
    siblings: Mapping[str, pathlib.Path]


def make(artifact: Artifact) -> tuple[Preview, Pictures] | None:
    """The preview of an artifact, and its pictures; None where there is nothing to show of it.

    Raises:
      Exception: whatever a library raises on an artifact that is damaged.
    """
    name = _MAKERS.get(artifact.type_name)
    if name is None:
        return None
    made: tuple[Preview, Pictures] | None = importlib.import_module(f"{__name__}.{name}").make(artifact)
    return made
