"""Schema: the rules for each feature."""

from __future__ import annotations

from typing import Any

from tensorflow_metadata.proto.v0 import schema_pb2

from pipeline.artifacts.payloads import files
from pipeline.artifacts.sections import Preview, Table, columns
from pipeline.artifacts.types import PNGs, StoredArtifact
from pipeline.core.text import counted

_FILE = "schema.pbtxt"
_MOST_FEATURES = 500
_MOST_VALUES = 20  # of a string domain
_COLUMNS = columns("feature", "type", "presence", "shape", "domain")


def make(artifact: StoredArtifact) -> tuple[Preview, PNGs]:
    """Return a table with a row for each feature, in the schema's order."""
    schema = files.message(schema_pb2.Schema, artifact.folder / _FILE, files.MIB)
    rows = tuple(_row(feature, schema) for feature in schema.feature[:_MOST_FEATURES])
    return Preview("schema", (Table("features", _COLUMNS, rows),)), {}


def _row(feature: Any, schema: Any) -> tuple[str | None, ...]:
    kind = type_name(feature)
    rules = (_presence(feature), _shape(feature), _domain(feature, schema))
    return str(feature.name), kind, *(rule or None for rule in rules)


def type_name(feature: Any) -> str:
    """Return the type of a feature: `int`, `float`, `bytes`, `struct` or `unknown`."""
    return str(schema_pb2.FeatureType.Name(feature.type)).lower().removeprefix("type_")


def _presence(feature: Any) -> str:
    """Return `in every example`, or `in at least 0.9 of the examples, in at least 5 examples`."""
    if not feature.HasField("presence"):
        return ""
    fraction, count = feature.presence.min_fraction, feature.presence.min_count
    if fraction >= 1:
        return "in every example"
    rules = [f"in at least {fraction:.4g} of the examples"] if fraction > 0 else []
    rules += [f"in at least {count:,} example{'s' if count > 1 else ''}"] if count > 0 else []
    return ", ".join(rules)


def _shape(feature: Any) -> str:
    """Return `(28, 28)`, or the number of values."""
    kind = feature.WhichOneof("shape_type")
    if kind == "shape":
        sizes = [str(dim.size) if dim.size else "None" for dim in feature.shape.dim]
        return f"({', '.join(sizes)}{',' if len(sizes) == 1 else ''})"
    if kind == "value_count":
        low, high = feature.value_count.min, feature.value_count.max
        if low == high:
            return counted(low, "value")
        return f"{low:,} to {high:,} values" if high else f"{counted(low, 'value')} or more"
    return ""


def _domain(feature: Any, schema: Any) -> str:
    """Return `0 to 9`, the values of a string domain, or the kind of domain."""
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
