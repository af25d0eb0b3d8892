"""TransformGraph: its input and output features."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow_transform as tft

from pipeline.artifacts.preview_writers.features import Feature, table
from pipeline.artifacts.sections import Box, Diagram, Preview
from pipeline.artifacts.types import PNGs, StoredArtifact


def make(artifact: StoredArtifact) -> tuple[Preview, PNGs]:
    """Return the features of the schemas beside the graph."""
    graph = tft.TFTransformOutput(str(artifact.folder))
    inputs, outputs = _features(graph.raw_feature_spec()), _features(graph.transformed_feature_spec())
    columns = (
        tuple(_box(one) for one in inputs),
        (Box("Transform", "preprocessing"),),
        tuple(_box(one) for one in outputs),
    )
    sections = (Diagram("transform", columns), table("inputs", inputs), table("outputs", outputs))
    return Preview("transform graph", sections), {}


def _box(feature: Feature) -> Box:
    return Box(feature.name, f"{feature.type} {feature.shape}".rstrip(), data=True)


def _features(specs: Mapping[str, Any]) -> tuple[Feature, ...]:
    """Return the features sorted by name; sparse ones have no shape."""
    return tuple(
        Feature(name, spec.dtype.name, str(tuple(spec.shape)) if hasattr(spec, "shape") else "")
        for name, spec in sorted(specs.items())
    )
