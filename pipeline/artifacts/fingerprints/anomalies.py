"""Fingerprint `anomalies-1` of ExampleAnomalies: what in each split does not fit the schema.

Of each file `SchemaDiff.pb`, sorted by name (a split has one, in its folder), there is an entry for each feature with
an anomaly, sorted by name, and one for all else (the schema that was compared with, drift). All other files count by
name and bytes. Nothing is left out but the properties, which repeat whether there are anomalies.
"""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

from tensorflow_metadata.proto.v0 import anomalies_pb2

from pipeline.artifacts.fingerprints import protobufs
from pipeline.artifacts.fingerprints.entries import ContentEntry
from pipeline.artifacts.fingerprints.files import Files
from pipeline.artifacts.types import StoredArtifact

FORM = "anomalies-1"
_FILE = "SchemaDiff.pb"


def entries(artifact: StoredArtifact) -> Iterator[ContentEntry]:
    """Anomalies of each split, then other files."""
    files = Files(artifact.folder)
    yield from files.all_parsed(_FILE, _parse)
    yield from files.rest()


def _parse(path: pathlib.Path, name: str) -> Iterator[ContentEntry]:
    anomalies = protobufs.from_file(anomalies_pb2.Anomalies, path)
    for feature, info in sorted(anomalies.anomaly_info.items()):
        yield protobufs.message_entry(f"anomaly of {feature} in {name}", info)
    yield protobufs.message_entry(f"rest of {name}", protobufs.without(anomalies, "anomaly_info"))
