"""Fingerprint `statistics-1` of ExampleStatistics: the statistics of every feature of every split.

Of each file `FeatureStats.pb`, sorted by name (a split has one, in its folder), and of each data set in it, sorted by
name, there is an entry for each feature, sorted by its path, and one for all else (number of examples, statistics
across features). The order in which features were added up is left out. All other files count by name and bytes.
Properties do not count: what they name is the splits, and where a dashboard is.
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
_FILE = "FeatureStats.pb"


def entries(artifact: StoredArtifact) -> Iterator[ContentEntry]:
    """Statistics of each split, then other files."""
    files = Files(artifact.folder)
    yield from files.all_parsed(_FILE, _parse)
    yield from files.rest()


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
