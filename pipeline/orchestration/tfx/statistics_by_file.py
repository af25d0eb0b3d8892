"""Compute TFDV's statistics of each file where it is read, and merge them in the order of the files.

TFDV's own graph has some fifty steps for a split, among them a shuffle of all values to count the unique ones. On small
data, to make and start these steps is most of StatisticsGen's time. With most options their result is that of the few
steps below; with others, TFDV's graph stays.
"""

from __future__ import annotations

import pathlib
from typing import Any

import apache_beam as beam

from components import atomic_file
from pipeline.orchestration.tfx import ordered_sums


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
        return batches | "Combine" >> ordered_sums.CombineFiles(combine) | "List" >> beam.Map(_in_list)


def _in_list(statistics: Any) -> Any:
    from tensorflow_metadata.proto.v0 import statistics_pb2

    return statistics_pb2.DatasetFeatureStatisticsList(datasets=[statistics])


def _write(statistics: Any, path: str) -> None:
    """Write statistics as one binary message."""
    file = pathlib.Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    atomic_file.write(file, statistics.SerializeToString())
