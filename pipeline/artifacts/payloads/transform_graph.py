"""TransformGraph: its input and output features, and the vocabularies that it looks up."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence
from typing import Any

from tensorflow_metadata.proto.v0 import schema_pb2

from pipeline.artifacts.payloads import files, saved_model, vocabularies
from pipeline.artifacts.payloads.features import Feature, table
from pipeline.artifacts.payloads.schema import type_name
from pipeline.artifacts.sections import Box, Diagram, Preview, Section
from pipeline.artifacts.types import PNGs, StoredArtifact

_GRAPH = "transform_fn"
_INPUTS, _OUTPUTS = ("metadata", "schema.pbtxt"), ("transformed_metadata", "schema.pbtxt")
_TYPES = {"int": "int64", "float": "float32", "bytes": "string"}  # of TensorFlow, by those of a schema
_MOST_BOXES = 40  # of a column of the diagram
_MOST_FEATURES = 500


def make(artifact: StoredArtifact) -> tuple[Preview, PNGs]:
    """Return the features of the schemas beside the graph; without schemas, the tensors of its signature."""
    graph = artifact.folder / _GRAPH
    paths = [artifact.folder.joinpath(*parts) for parts in (_INPUTS, _OUTPUTS)]
    if all(path.exists() for path in paths):
        inputs, outputs = (_features(files.message(schema_pb2.Schema, path, files.MIB)) for path in paths)
    else:
        inputs, outputs = _tensors(graph)
    sections: list[Section] = []
    if max(len(inputs), len(outputs)) <= _MOST_BOXES:
        columns = (tuple(map(_box, inputs)), (Box("Transform", "preprocessing"),), tuple(map(_box, outputs)))
        sections.append(Diagram("transform", columns))
    sections += [table("inputs", inputs[:_MOST_FEATURES]), table("outputs", outputs[:_MOST_FEATURES])]
    sections += vocabularies.sections(graph)
    return Preview("transform graph", tuple(sections)), {}


def _box(feature: Feature) -> Box:
    return Box(feature.name, f"{feature.type} {feature.shape}".rstrip(), data=True)


def _features(schema: Any) -> tuple[Feature, ...]:
    """Return the features that a graph has by a schema, sorted by name; sparse and ragged ones have no shape."""
    parts = {one.value_feature.name for one in schema.sparse_feature}  # they are features of the schema, too
    parts |= {index.name for one in schema.sparse_feature for index in one.index_feature}
    kinds = {one.name: _type(one) for one in schema.feature}
    found = [Feature(one.name, kinds[one.name], _shape(one)) for one in schema.feature if one.name not in parts]
    found += [Feature(one.name, kinds.get(one.value_feature.name, "unknown")) for one in schema.sparse_feature]
    return tuple(sorted(found, key=lambda one: one.name))


def _type(feature: Any) -> str:
    name = type_name(feature)
    return _TYPES.get(name, name)


def _shape(feature: Any) -> str:
    return str(tuple(dim.size for dim in feature.shape.dim)) if feature.HasField("shape") else ""


def _tensors(graph: pathlib.Path) -> Sequence[tuple[Feature, ...]]:
    rows = saved_model.signatures(saved_model.read(graph / saved_model.FILE))
    return [
        tuple(Feature(row.tensor, row.type, row.shape) for row in rows if row.direction == direction)
        for direction in ("input", "output")
    ]
