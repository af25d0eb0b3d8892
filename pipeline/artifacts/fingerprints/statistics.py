"""Fingerprint `statistics-1` of ExampleStatistics: the statistics of every feature of every split.

Each data set in a `FeatureStats.pb` (one file for each split) has an entry for each feature, sorted by path, and one
for everything else (number of examples, statistics across features). Left out: the order of features, and properties,
which name the splits and a dashboard.
"""

from __future__ import annotations

import pathlib
from collections.abc import Iterator
from typing import Any

from tensorflow_metadata.proto.v0 import statistics_pb2

from pipeline.artifacts.fingerprints import protobufs
from pipeline.artifacts.fingerprints.entries import ContentEntry
from pipeline.artifacts.fingerprints.files import Files
from pipeline.artifacts.types import StoredArtifact

FORM = "statistics-1"


def entries(artifact: StoredArtifact, files: Files) -> Iterator[ContentEntry]:
    """Yield the statistics of each split."""
    return files.all_parsed("FeatureStats.pb", _parse)


def _parse(path: pathlib.Path, name: str) -> Iterator[ContentEntry]:
    statistics = protobufs.from_file(statistics_pb2.DatasetFeatureStatisticsList, path)
    for data in sorted(statistics.datasets, key=lambda data: (data.name, protobufs.serialized(data))):
        label = f"{data.name} in {name}" if data.name else name
        for feature in sorted(data.features, key=lambda feature: (_name(feature), protobufs.serialized(feature))):
            yield protobufs.message_entry(f"feature {_name(feature)} of {label}", feature)
        yield protobufs.message_entry(f"rest of {label}", protobufs.without(data, "features"))
    yield protobufs.message_entry(f"rest of all of {name}", protobufs.without(statistics, "datasets"))


def _name(feature: Any) -> str:
    return "/".join(feature.path.step) if feature.HasField("path") else str(feature.name)
