"""Examples: their splits, and the features of the first example of each."""

from __future__ import annotations

import pathlib
from typing import Any

from pipeline.artifacts.payloads import files, messages, tfrecords
from pipeline.artifacts.payloads.features import Feature, tables
from pipeline.artifacts.sections import Preview, Section, Table, Text, Value, columns
from pipeline.artifacts.types import PNGs, StoredArtifact

_MOST_FILES = 10_000  # of a split, that are counted
_MOST_FEATURES = 500
_LARGEST_EXAMPLE = files.MIB
_TYPES = {"bytes_list": "bytes", "int64_list": "int64", "float_list": "float32"}

# From example.proto and feature.proto of TensorFlow.
EXAMPLE = messages.classes(
    "sae.example",
    """
    message Example {
      Features features = 1;
    }
    message Features {
      map<string, Feature> feature = 1;
    }
    message Feature {
      BytesList bytes_list = 1;
      FloatList float_list = 2;
      Int64List int64_list = 3;
    }
    message BytesList {
      repeated bytes value = 1;
    }
    message FloatList {
      repeated float value = 1;
    }
    message Int64List {
      repeated int64 value = 1;
    }
    """,
)["Example"]


def make(artifact: StoredArtifact) -> tuple[Preview, PNGs] | None:
    """Return the preview; None without splits. Examples are not counted: that would read all files."""
    rows: list[tuple[Value, ...]] = []
    known: dict[tuple[Feature, ...], list[str]] = {}  # splits by their features, mostly the same for all
    unread: list[Section] = []
    for name, folder in files.splits(artifact.folder).items():
        found = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
        found = found[:_MOST_FILES]
        rows.append((name, len(found), sum(path.stat().st_size for path in found)))
        try:
            if found and (features := _features(found[0])):
                known.setdefault(features, []).append(name)
        except files.UnreadableFileError as error:
            unread.append(Text(str(error), "not shown", title=f"features of {name}"))
    if not rows:
        return None
    of_splits = Table("splits", columns("split", "files:number", "bytes:number"), tuple(rows))
    return Preview("examples", (of_splits, *tables(known), *unread)), {}


def _features(path: pathlib.Path) -> tuple[Feature, ...]:
    """Return the features of the first example of a file."""
    record = next(tfrecords.read(path, _LARGEST_EXAMPLE), b"")
    example = files.parsed(EXAMPLE, record, path)
    return features_of(example)[:_MOST_FEATURES]


def features_of(example: Any) -> tuple[Feature, ...]:
    """Return names, types and numbers of values of one example, sorted by name."""
    return tuple(_feature(name, one) for name, one in sorted(example.features.feature.items()))


def _feature(name: str, feature: Any) -> Feature:
    kind = next((kind for kind in _TYPES if feature.HasField(kind)), "")
    return Feature(name, _TYPES[kind], f"({len(getattr(feature, kind).value)},)") if kind else Feature(name, "empty")
