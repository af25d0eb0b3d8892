"""Of TransformGraph: the features that go in, and those that come out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow_transform as tft

from pipeline.artifacts.preview_writers import Artifact, Pictures
from pipeline.artifacts.previews import Feature, TransformGraph


def make(artifact: Artifact) -> tuple[TransformGraph, Pictures]:
    """From the schemas beside the graph."""
    graph = tft.TFTransformOutput(str(artifact.folder))
    return TransformGraph(_features(graph.raw_feature_spec()), _features(graph.transformed_feature_spec())), {}


def _features(specs: Mapping[str, Any]) -> tuple[Feature, ...]:
    """Sorted by name; what has no fixed shape is without one."""
    return tuple(
        Feature(name, spec.dtype.name, str(tuple(spec.shape)) if hasattr(spec, "shape") else "")
        for name, spec in sorted(specs.items())
    )
