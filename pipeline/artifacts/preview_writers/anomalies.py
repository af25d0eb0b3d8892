"""Of ExampleAnomalies: what in each split is not as the schema says."""

from __future__ import annotations

from typing import Any

from tensorflow_metadata.proto.v0 import anomalies_pb2

from pipeline.artifacts.preview_writers import Artifact, Pictures
from pipeline.artifacts.preview_writers import splits as records
from pipeline.artifacts.previews import Anomalies, AnomaliesSplit, Anomaly

_FILE = "SchemaDiff.pb"
_MOST = 500  # anomalies of a split


def make(artifact: Artifact) -> tuple[Anomalies, Pictures]:
    """Those of the whole data set first, then by feature."""
    splits = []
    for name, folder in records.splits(artifact.folder).items():
        found = anomalies_pb2.Anomalies.FromString((folder / _FILE).read_bytes())
        anomalies = [_anomaly("", found.dataset_anomaly_info)] if found.HasField("dataset_anomaly_info") else []
        anomalies += [_anomaly(feature, info) for feature, info in sorted(found.anomaly_info.items())]
        splits.append(AnomaliesSplit(name, tuple(anomalies[:_MOST])))
    return Anomalies(tuple(splits)), {}


def _anomaly(feature: str, info: Any) -> Anomaly:
    return Anomaly(feature, str(info.short_description), str(info.description))
