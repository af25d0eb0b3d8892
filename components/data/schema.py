"""The schema that the data is validated against: curated in `schemas/`, or from a data set's description."""

from __future__ import annotations

import pathlib

from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from components.data import features

CURATED = pathlib.Path(__file__).parent / "schemas"


def curated_path(name: str) -> pathlib.Path:
    """Return the file of a curated schema. Raises `KeyError` with the known names for another `name`."""
    if name not in curated_names():
        raise KeyError(f"no curated schema {name!r}; there are: {', '.join(curated_names())}")
    return CURATED / f"{name}.pbtxt"


def curated_names() -> list[str]:
    """Return the names of the curated schemas."""
    return sorted(path.stem for path in CURATED.glob("*.pbtxt"))


def schema_text(height: int, width: int, labels: int) -> str:
    """Return the schema, as text, for images of `height` x `width` pixels and labels in [0, `labels`)."""
    schema = schema_pb2.Schema()
    schema.dataset_constraints.min_examples_count = 1
    for name in (features.IMAGE, features.HEIGHT, features.WIDTH, features.LABEL):
        feature = schema.feature.add(name=name, type=schema_pb2.INT)
        feature.presence.min_fraction, feature.presence.min_count = 1.0, 1
        feature.shape.dim.add(size=1)
        if name == features.IMAGE:
            feature.type = schema_pb2.BYTES
        elif name == features.LABEL:
            feature.int_domain.min, feature.int_domain.max = 0, labels - 1
            feature.int_domain.is_categorical = True
        else:
            size = height if name == features.HEIGHT else width
            feature.int_domain.min = feature.int_domain.max = size
    text: str = text_format.MessageToString(schema)
    return text
