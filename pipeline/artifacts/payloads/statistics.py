"""ExampleStatistics: TFDV's statistics of each feature, with its histogram of equal width."""

from __future__ import annotations

import math
import pathlib
from typing import Any

from tensorflow_metadata.proto.v0 import statistics_pb2

from pipeline.artifacts.payloads import files, tfrecords
from pipeline.artifacts.sections import Histogram, Histograms, Preview, Section, Table, Value, columns
from pipeline.artifacts.types import PNGs, StoredArtifact
from pipeline.core.text import counted

_FILE = "FeatureStats.pb"
_RECORDS = "stats_tfrecord"  # of TFX up to 0.2x: the same message as the only record
_LARGEST = 32 * files.MIB
_MOST_FEATURES = 500  # of a split
_NUMBERS, _TEXTS, _BYTES = "num_stats", "string_stats", "bytes_stats"
_NUMBER_COLUMNS = ("count", "missing", "min", "mean", "max", "std dev", "zeros", "unique", "average length")
_COLUMNS = columns("feature", "type", *(f"{title}:number" for title in _NUMBER_COLUMNS))


def make(artifact: StoredArtifact) -> tuple[Preview, PNGs]:
    """Return a table and the histograms of each split; TFDV writes one data set for each.

    The counts of histograms are those of a sketch of quantiles; TFDV has no exact ones of numbers.
    """
    sections: list[Section] = []
    for name, folder in (files.splits(artifact.folder) or {"": artifact.folder}).items():
        for data in _read(folder).datasets[:1]:
            features = sorted(data.features[:_MOST_FEATURES], key=_name)
            title = f"split {name}, " if name else ""
            title += counted(int(data.num_examples), "example")
            sections.append(Table(title, _COLUMNS, tuple(_row(feature) for feature in features)))
            histograms = [Histogram(_name(one), _histogram(one)) for one in features]
            if drawn := tuple(one for one in histograms if one.buckets):
                sections.append(Histograms(f"histograms of {name or 'all examples'}, counts are approximate", drawn))
    return Preview("statistics", tuple(sections)), {}


def _read(folder: pathlib.Path) -> Any:
    kind = statistics_pb2.DatasetFeatureStatisticsList
    records = folder / _RECORDS
    if (folder / _FILE).exists() or not records.exists():
        return files.message(kind, folder / _FILE, _LARGEST)
    return files.parsed(kind, next(tfrecords.read(records, _LARGEST), b""), records)


def _name(feature: Any) -> str:
    return "/".join(feature.path.step) if feature.HasField("path") else str(feature.name)


def _row(feature: Any) -> tuple[Value, ...]:
    """Return the values of `_COLUMNS`; None for statistics that TFDV does not compute."""
    name = _name(feature)
    kind = statistics_pb2.FeatureNameStatistics.Type.Name(feature.type).lower()
    which = feature.WhichOneof("stats")
    if which not in (_NUMBERS, _TEXTS, _BYTES):
        return name, kind, 0, 0, *[None] * 7
    stats = getattr(feature, which)
    counts = int(stats.common_stats.num_non_missing), int(stats.common_stats.num_missing)
    if which == _NUMBERS:
        numbers = (_finite(value) for value in (stats.min, stats.mean, stats.max, stats.std_dev))
        return name, kind, *counts, *numbers, int(stats.num_zeros), None, None
    average = stats.avg_length if which == _TEXTS else stats.avg_num_bytes
    # TFDV counts unique values of some features only; others have 0.
    return name, kind, *counts, *[None] * 5, int(stats.unique) or None, _finite(average)


def _histogram(feature: Any) -> tuple[tuple[float, ...], ...]:
    """Return the buckets of equal width, without infinite ones; of integers with few values, one for each value."""
    stats = feature.num_stats
    standard = statistics_pb2.Histogram.STANDARD
    buckets = next((one.buckets for one in stats.histograms if one.type == standard), ())
    finite = tuple(
        (float(bucket.low_value), float(bucket.high_value), float(bucket.sample_count))
        for bucket in buckets
        if math.isfinite(bucket.low_value) and math.isfinite(bucket.high_value) and math.isfinite(bucket.sample_count)
    )
    is_integer = feature.type == statistics_pb2.FeatureNameStatistics.INT
    return (_by_value(finite) or finite) if is_integer else finite


def _by_value(buckets: tuple[tuple[float, ...], ...]) -> tuple[tuple[float, ...], ...]:
    """Return buckets of one integer each, as (value, value, count); empty if a bucket contains several.

    A bucket contains its low end, and the last one also its high end.
    """
    found = []
    for place, (low, high, count) in enumerate(buckets):
        last = math.floor(high) if place == len(buckets) - 1 else math.ceil(high) - 1
        values = range(math.ceil(low), last + 1) if high - low < 2 else range(2)
        if len(values) > 1 or (count and not values):
            return ()
        found += [(float(value), float(value), float(round(count))) for value in values]
    return tuple(found)


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
