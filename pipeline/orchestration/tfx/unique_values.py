"""Count the unique values of features of text or bytes in the batches of each file, with TFDV's own result.

TFDV counts them in a shuffle whose keys are the values: for images, each key is a whole file. Bytes that are not text
are replaced by a digest. The statistics stay the same, because TFDV never writes such bytes, but `__BYTES_VALUE__`.

Importing this module imports TFDV.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa
from tensorflow_data_validation import types
from tensorflow_data_validation.arrow import arrow_util
from tensorflow_data_validation.statistics.generators import stats_generator, top_k_uniques_stats_generator
from tensorflow_data_validation.utils import top_k_uniques_stats_util
from tensorflow_metadata.proto.v0 import statistics_pb2
from tfx_bsl.arrow import array_util  # type: ignore[import-untyped]

_DIGEST_BYTES = 16
_NOT_TEXT = b"\xff"  # no UTF-8 text contains this byte

_Counts = dict[types.FeaturePath, list[pa.Table]]  # columns `value`, bytes, and `count`, int64; values may be repeated


def with_counts(generators: Sequence[Any], options: Any) -> list[Any]:
    """Return TFDV's generators of statistics with `UniqueValues` in place of the one that counts values."""
    of_tfdv = top_k_uniques_stats_generator.TopKUniquesStatsGenerator
    return [UniqueValues(options) if isinstance(one, of_tfdv) else one for one in generators]


class UniqueValues(stats_generator.CombinerStatsGenerator):
    """Counts unique values, and names the most frequent ones.

    Args:
      options: of TFDV: how many of them.
    """

    def __init__(self, options: Any) -> None:
        super().__init__(type(self).__name__)
        self._top_values = options.num_top_values
        self._ranks = options.num_rank_histogram_buckets
        self._least = options.frequency_threshold

    def create_accumulator(self) -> _Counts:
        return {}

    def add_input(self, accumulator: _Counts, input_record_batch: pa.RecordBatch) -> _Counts:
        for path, column, _ in arrow_util.enumerate_arrays(
            input_record_batch, example_weight_map=None, enumerate_leaves_only=True
        ):
            values, _ = array_util.flatten_nested(column)
            if _is_text_or_bytes(values.type):
                accumulator.setdefault(path, []).append(_counted(values))
        return accumulator

    def merge_accumulators(self, accumulators: Iterable[_Counts]) -> _Counts:
        merged: _Counts = {}
        for accumulator in accumulators:
            for path, tables in accumulator.items():
                merged.setdefault(path, []).extend(tables)
        return merged

    def compact(self, accumulator: _Counts) -> _Counts:
        return {path: [_summed(tables)] for path, tables in accumulator.items()}

    def extract_output(self, accumulator: _Counts) -> statistics_pb2.DatasetFeatureStatistics:
        statistics = statistics_pb2.DatasetFeatureStatistics()
        for path, tables in accumulator.items():
            counts = _summed(tables)
            if not len(counts):
                continue
            order = [("count", "descending"), ("value", "descending")]
            top = counts.sort_by(order).slice(0, max(self._top_values, self._ranks)).to_pydict()
            statistics.features.append(
                top_k_uniques_stats_util.make_feature_stats_proto_topk_uniques(
                    feature_path=path,
                    num_top_values=self._top_values,
                    num_rank_histogram_buckets=self._ranks,
                    num_unique=len(counts),
                    value_count_list=list(map(top_k_uniques_stats_util.FeatureValueCount, top["value"], top["count"])),
                    frequency_threshold=self._least,
                )
            )
        return statistics


def _is_text_or_bytes(kind: pa.DataType) -> bool:
    kinds = pa.types.is_binary, pa.types.is_large_binary, pa.types.is_string, pa.types.is_large_string
    return any(is_one(kind) for is_one in kinds)


def _counted(values: pa.Array) -> pa.Table:
    """Return how often each value of a batch is there."""
    counts = values.value_counts()
    digests = pa.array(map(_digest, counts.field("values").cast(pa.large_binary()).to_pylist()), pa.large_binary())
    return pa.table({"value": digests, "count": counts.field("counts")})


def _summed(tables: Sequence[pa.Table]) -> pa.Table:
    """Return the sum of counts, with each value once."""
    if len(tables) == 1:
        return tables[0]
    groups = pa.concat_tables(tables).group_by("value").aggregate([("count", "sum")])
    return pa.table({"value": groups["value"], "count": groups["count_sum"]})


def _digest(value: bytes | None) -> bytes | None:
    """Return a digest of bytes that are not text and longer than it, else the value."""
    if value is None or len(value) <= _DIGEST_BYTES:
        return value
    try:
        value.decode()
    except UnicodeDecodeError:
        return _NOT_TEXT + hashlib.blake2b(value, digest_size=_DIGEST_BYTES - 1).digest()
    return value
