"""Fingerprint `anomalies-1` of ExampleAnomalies: the anomalies of each split.

Each `SchemaDiff.pb` (one for each split) has an entry for each feature with an anomaly, sorted by name, and one for
everything else (the schema that was compared with, drift). Left out: properties, which repeat whether there are any.
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


def entries(artifact: StoredArtifact, files: Files) -> Iterator[ContentEntry]:
    """Yield the anomalies of each split."""
    return files.all_parsed("SchemaDiff.pb", _parse)


def _parse(path: pathlib.Path, name: str) -> Iterator[ContentEntry]:
    anomalies = protobufs.from_file(anomalies_pb2.Anomalies, path)
    for feature, info in sorted(anomalies.anomaly_info.items()):
        yield protobufs.message_entry(f"anomaly of {feature} in {name}", info)
    yield protobufs.message_entry(f"rest of {name}", protobufs.without(anomalies, "anomaly_info"))
