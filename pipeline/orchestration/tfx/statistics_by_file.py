"""Compute TFDV's statistics of each file where it is read, and merge them in the order of the files.

TFDV's own graph has some fifty steps for a split, among them a shuffle of all values to count the unique ones. On small
data, to make and start these steps is most of StatisticsGen's time. With most options their result is that of the few
steps below; with others, TFDV's graph stays.
"""

from __future__ import annotations

import pathlib
from collections.abc import Iterator
from typing import Any

import apache_beam as beam

from components import atomic_file
from pipeline.orchestration.tfx import ordered_sums

_NO_FILE = -2
_KEYED = beam.typehints.Tuple[Any, Any]  # both inputs of the Flatten need the same coder


def replacement(transform: Any) -> beam.PTransform | None:
    """Return fewer steps in place of TFDV's statistics, or of how it writes them; None for other transforms."""
    # By name: most Beam jobs do not import TFDV.
    name = type(transform).__name__
    if name == "WriteStatisticsToBinaryFile":
        return beam.Map(_write, transform._output_path)
    if name == "GenerateStatisticsImpl" and _is_simple(transform._options):
        return _StatisticsByFile(transform._options)
    return None


def _is_simple(options: Any) -> bool:
    """Return whether there are neither slices nor weights, samples, own generators or a schema."""
    import tensorflow_data_validation as tfdv

    simple = tfdv.StatsOptions(num_top_values=options.num_top_values, feature_allowlist=options.feature_allowlist)
    return bool(vars(options) == vars(simple))


class _StatisticsByFile(beam.PTransform):
    def __init__(self, options: Any) -> None:
        super().__init__()
        self._options = options

    def expand(self, input_or_inputs: Any) -> Any:
        from tensorflow_data_validation.statistics import stats_impl

        from pipeline.orchestration.tfx import unique_values

        batches = input_or_inputs
        if self._options.feature_allowlist:
            allowed = self._options.feature_allowlist
            batches |= "Features" >> beam.Map(stats_impl._filter_features, feature_allowlist=allowed)
        generators = unique_values.with_counts(stats_impl.get_generators(self._options), self._options)
        combine = stats_impl._CombinerStatsGeneratorsCombineFn(generators)
        add_up = beam.ParDo(ordered_sums.AddUpFiles(combine)).with_output_types(_KEYED)
        sums = batches | "Key" >> beam.Map(_with_key) | "AddUpFiles" >> add_up
        # Without any batch, the statistics are those of an empty data set.
        empty = beam.Create([_with_key((_NO_FILE, None))], reshuffle=False).with_output_types(_KEYED)
        nothing = batches.pipeline | "Nothing" >> empty
        return (
            (sums, nothing)
            | beam.Flatten()
            | "ToOnePlace" >> beam.GroupByKey()
            | "MergeFiles" >> beam.ParDo(_MergeFiles(combine))
        )


def _with_key(value: Any) -> tuple[None, Any]:
    return None, value


class _MergeFiles(ordered_sums.MergeFiles):
    """Gives a DatasetFeatureStatisticsList."""

    def process(self, element: Any) -> Iterator[Any]:
        from tensorflow_metadata.proto.v0 import statistics_pb2

        key, sums = element
        files = [one for one in sums if one[0] != _NO_FILE]
        if not files:
            yield statistics_pb2.DatasetFeatureStatisticsList(datasets=[statistics_pb2.DatasetFeatureStatistics()])
            return
        for _, merged in super().process((key, files)):
            yield statistics_pb2.DatasetFeatureStatisticsList(datasets=[merged])


def _write(statistics: Any, path: str) -> None:
    """Write statistics as one binary message."""
    file = pathlib.Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    atomic_file.write(file, statistics.SerializeToString())
