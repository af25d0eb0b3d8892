"""Fingerprint `schema-1` of Schema: the features that data must have.

Of each file `schema.pbtxt` there is an entry for each feature, sorted by name, and one for all else that the schema
says. Comments, spacing and the order of features are left out: the schema means the same. All other files count by
name and bytes. Properties do not count.
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
_FILE = "schema.pbtxt"


def entries(artifact: StoredArtifact) -> Iterator[ContentEntry]:
    """Schemas, then other files."""
    files = Files(artifact.folder)
    yield from schema_entries(files)
    yield from files.rest()


def schema_entries(files: Files) -> Iterator[ContentEntry]:
    """All schemas among the files; takes these."""
    yield from files.all_parsed(_FILE, _parse)


def _parse(path: pathlib.Path, name: str) -> Iterator[ContentEntry]:
    schema = protobufs.from_file(schema_pb2.Schema, path)
    for feature in sorted(schema.feature, key=lambda feature: (feature.name, protobufs.serialized(feature))):
        yield protobufs.message_entry(f"feature {feature.name} of {name}", feature)
    yield protobufs.message_entry(f"rest of {name}", protobufs.without(schema, "feature"))
