"""The schema that the data is validated against: curated in `schemas/`, or from a data set's description."""

from __future__ import annotations

from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from components.data import curated_schemas, features


def curated_size(name: str) -> tuple[int, int] | None:
    """Return the height and width, pixels, that a curated schema allows alone; None if it allows others.

    Raises:
      KeyError: there is no such schema; names the known ones.
    """
    text = curated_schemas.path_of(name).read_text(encoding="utf-8")
    found = {one.name: one.int_domain for one in text_format.Parse(text, schema_pb2.Schema()).feature}
    domains = [found[side] for side in (features.HEIGHT, features.WIDTH) if side in found]
    sizes = [int(domain.min) for domain in domains if domain.HasField("min") and domain.min == domain.max]
    return (sizes[0], sizes[1]) if len(sizes) == 2 else None


def schema_text(
    height: int, width: int, labels: int, *, channels: int = 1, kind: str = "image", dtype: str = "uint8"
) -> str:
    """Return the schema, as text, of a data set's raw examples.

    Args:
      height, width, channels: of every image, pixels; of a vector, `width` is the number of its values.
      labels: number of labels, which are in [0, `labels`); 0: no labels.
      kind: `image` or `vector`.
      dtype: `uint8`, `uint16` or `float32`.
    """
    schema = schema_pb2.Schema()
    schema.dataset_constraints.min_examples_count = 1
    sizes = {features.HEIGHT: height, features.WIDTH: width} if kind == "image" else {}
    if channels > 1:
        sizes[features.CHANNELS] = channels
    data = features.VALUES if dtype == "float32" else features.IMAGE
    for name in (data, *sizes, *([features.LABEL] if labels else [])):
        feature = schema.feature.add(name=name, type=schema_pb2.INT)
        feature.presence.min_fraction, feature.presence.min_count = 1.0, 1
        feature.shape.dim.add(size=height * width * channels if name == features.VALUES else 1)
        if name == features.IMAGE:
            feature.type = schema_pb2.BYTES
        elif name == features.VALUES:
            feature.type = schema_pb2.FLOAT
            feature.float_domain.disallow_nan = feature.float_domain.disallow_inf = True
        elif name == features.LABEL:
            feature.int_domain.min, feature.int_domain.max = 0, labels - 1
            feature.int_domain.is_categorical = True
        else:
            feature.int_domain.min = feature.int_domain.max = sizes[name]
    text: str = text_format.MessageToString(schema)
    return text
