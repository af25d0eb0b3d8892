"""Of Schema: what each feature must be, in words."""

from __future__ import annotations

from typing import Any

from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from pipeline.artifacts.preview_writers import Artifact, Pictures
from pipeline.artifacts.previews import Schema, SchemaFeature

_FILE = "schema.pbtxt"
_MOST_FEATURES = 500
_MOST_VALUES = 20  # of a text that are named


def make(artifact: Artifact) -> tuple[Schema, Pictures]:
    """In the schema's own order."""
    schema = text_format.Parse((artifact.folder / _FILE).read_text(encoding="utf-8"), schema_pb2.Schema())
    return Schema(tuple(_feature(feature, schema) for feature in schema.feature[:_MOST_FEATURES])), {}


def _feature(feature: Any, schema: Any) -> SchemaFeature:
    return SchemaFeature(
        name=str(feature.name),
        type=schema_pb2.FeatureType.Name(feature.type).lower().removeprefix("type_"),
        presence=_presence(feature),
        shape=_shape(feature),
        domain=_domain(feature, schema),
    )


def _presence(feature: Any) -> str:
    """`in every example`, `in at least 90% of the examples, at least 5`."""
    if not feature.HasField("presence"):
        return ""
    fraction, count = feature.presence.min_fraction, feature.presence.min_count
    if fraction >= 1:
        return "in every example"
    asked = [f"in at least {fraction:.4g} of the examples"] if fraction > 0 else []
    asked += [f"in at least {count:,} example{'s' if count > 1 else ''}"] if count > 0 else []
    return ", ".join(asked)


def _shape(feature: Any) -> str:
    """`(28, 28)`, or how many values there are."""
    kind = feature.WhichOneof("shape_type")
    if kind == "shape":
        sizes = [str(dim.size) if dim.size else "None" for dim in feature.shape.dim]
        return f"({', '.join(sizes)}{',' if len(sizes) == 1 else ''})"
    if kind == "value_count":
        low, high = feature.value_count.min, feature.value_count.max
        if low == high:
            return f"{low:,} value{'' if low == 1 else 's'}"
        return f"{low:,} to {high:,} values" if high else f"{low:,} values or more"
    return ""


def _domain(feature: Any, schema: Any) -> str:
    """`0 to 9`, the values of a text, or the name of the kind of domain."""
    kind = feature.WhichOneof("domain_info")
    if kind is None:
        return ""
    if kind == "domain":
        named = next((one for one in schema.string_domain if one.name == feature.domain), None)
        return _values(named) if named is not None else str(feature.domain)
    domain = getattr(feature, kind)
    if kind in ("int_domain", "float_domain"):
        form = "," if kind == "int_domain" else "g"
        low = f"{domain.min:{form}}" if domain.HasField("min") else ""
        high = f"{domain.max:{form}}" if domain.HasField("max") else ""
        if low and high:
            span = low if low == high else f"{low} to {high}"
        else:
            span = f"at least {low}" if low else f"at most {high}" if high else ""
        categorical = "categorical" if getattr(domain, "is_categorical", False) else ""
        return ", ".join(part for part in (span, categorical) if part)
    return _values(domain) if kind == "string_domain" else str(kind).replace("_", " ")


def _values(domain: Any) -> str:
    more = len(domain.value) - _MOST_VALUES
    return ", ".join(domain.value[:_MOST_VALUES]) + (f" and {more:,} more" if more > 0 else "")
