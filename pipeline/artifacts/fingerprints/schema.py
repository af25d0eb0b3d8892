"""Fingerprint `schema-1` of Schema: the rules for each feature.

Each `schema.pbtxt` has an entry for each feature, sorted by name, and one for everything else in the schema. Left out:
comments, spacing and the order of features, which do not change the meaning, and properties.
"""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

from tensorflow_metadata.proto.v0 import schema_pb2

from pipeline.artifacts.fingerprints import protobufs
from pipeline.artifacts.fingerprints.entries import ContentEntry
from pipeline.artifacts.fingerprints.files import Files
from pipeline.artifacts.types import StoredArtifact

FORM = "schema-1"


def entries(artifact: StoredArtifact, files: Files) -> Iterator[ContentEntry]:
    """Yield the schemas."""
    return files.all_parsed("schema.pbtxt", _parse)


def _parse(path: pathlib.Path, name: str) -> Iterator[ContentEntry]:
    schema = protobufs.from_file(schema_pb2.Schema, path)
    for feature in sorted(schema.feature, key=lambda feature: (feature.name, protobufs.serialized(feature))):
        yield protobufs.message_entry(f"feature {feature.name} of {name}", feature)
    yield protobufs.message_entry(f"rest of {name}", protobufs.without(schema, "feature"))
