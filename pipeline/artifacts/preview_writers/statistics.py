"""Of ExampleStatistics: what TFDV counted of each feature, with the histogram of equal width."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from tensorflow_metadata.proto.v0 import statistics_pb2

from pipeline.artifacts.preview_writers import Artifact, Pictures
from pipeline.artifacts.preview_writers import splits as records
from pipeline.artifacts.previews import Bucket, FeatureStatistics, Statistics, StatisticsSplit

_FILE = "FeatureStats.pb"
_MOST_FEATURES = 500  # of a split
_NUMBERS, _TEXTS, _BYTES = "num_stats", "string_stats", "bytes_stats"


def make(artifact: Artifact) -> tuple[Statistics, Pictures]:
    """One data set a split, as TFDV writes them."""
    splits = []
    for name, folder in records.splits(artifact.folder).items():
        found = statistics_pb2.DatasetFeatureStatisticsList.FromString((folder / _FILE).read_bytes())
        for data in found.datasets[:1]:
            features = tuple(_feature(feature) for feature in data.features[:_MOST_FEATURES])
            splits.append(
                StatisticsSplit(name, int(data.num_examples), tuple(sorted(features, key=lambda one: one.name)))
            )
    return Statistics(tuple(splits)), {}


def _feature(feature: Any) -> FeatureStatistics:
    name = "/".join(feature.path.step) if feature.HasField("path") else str(feature.name)
    kind = statistics_pb2.FeatureNameStatistics.Type.Name(feature.type).lower()
    which = feature.WhichOneof("stats")
    if which not in (_NUMBERS, _TEXTS, _BYTES):
        return FeatureStatistics(name, kind, 0, 0)
    stats = getattr(feature, which)
    counted = FeatureStatistics(
        name, kind, count=int(stats.common_stats.num_non_missing), missing=int(stats.common_stats.num_missing)
    )
    if which == _NUMBERS:
        return dataclasses.replace(
            counted,
            minimum=_finite(stats.min),
            maximum=_finite(stats.max),
            mean=_finite(stats.mean),
            std_dev=_finite(stats.std_dev),
            zeros=int(stats.num_zeros),
            histogram=_histogram(stats),
        )
    average = stats.avg_length if which == _TEXTS else stats.avg_num_bytes
    # TFDV counts different values of some features only, and has 0 for the others.
    return dataclasses.replace(counted, unique=int(stats.unique) or None, average_length=_finite(average))


def _histogram(stats: Any) -> tuple[Bucket, ...]:
    """The buckets of equal width; those that reach to infinity are left out."""
    standard = statistics_pb2.Histogram.STANDARD
    buckets = next((one.buckets for one in stats.histograms if one.type == standard), ())
    return tuple(
        Bucket(float(bucket.low_value), float(bucket.high_value), float(bucket.sample_count))
        for bucket in buckets
        if math.isfinite(bucket.low_value) and math.isfinite(bucket.high_value) and math.isfinite(bucket.sample_count)
    )


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
