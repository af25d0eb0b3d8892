"""ExampleAnomalies: the anomalies of each split."""

from __future__ import annotations

from typing import Any

from tensorflow_metadata.proto.v0 import anomalies_pb2

from pipeline.artifacts.payloads import files
from pipeline.artifacts.sections import Preview, Section, Table, Text, columns
from pipeline.artifacts.types import PNGs, StoredArtifact

_FILE = "SchemaDiff.pb"
_TEXT_FILE = "anomalies.pbtxt"  # of TFX up to 0.2x
_LARGEST = 8 * files.MIB
_MOST = 500  # anomalies of a split
_COLUMNS = columns("feature", "anomaly", "description")


def make(artifact: StoredArtifact) -> tuple[Preview, PNGs]:
    """Return a table for each split with anomalies: those of the whole data set first, then by feature."""
    sections: list[Section] = []
    for name, folder in (files.splits(artifact.folder) or {"the data": artifact.folder}).items():
        text = folder / _TEXT_FILE
        path = text if text.exists() else folder / _FILE
        found = files.message(anomalies_pb2.Anomalies, path, _LARGEST)
        whole = [_row("the data set", found.dataset_anomaly_info)] if found.HasField("dataset_anomaly_info") else []
        rows = [*whole, *(_row(feature, info) for feature, info in sorted(found.anomaly_info.items()))][:_MOST]
        if rows:
            sections.append(Table(f"anomalies in {name}", _COLUMNS, tuple(rows)))
        else:
            sections.append(Text(f"{name} fits the schema", "no anomalies", True))
    return Preview("anomalies", tuple(sections)), {}


def _row(feature: str, info: Any) -> tuple[str, str, str]:
    return feature, str(info.short_description), str(info.description)
