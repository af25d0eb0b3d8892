"""Unique values are counted by digests of bytes, with the same statistics as TFDV's own count."""

from __future__ import annotations

import importlib
import pathlib
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest

from tests import lazy

pytestmark = pytest.mark.component

beam = lazy.module("apache_beam")
engine = lazy.module("pipeline.orchestration.tfx.beam_engine")
fn_api_runner = lazy.module("apache_beam.runners.portability.fn_api_runner")
tfdv = lazy.module("tensorflow_data_validation")
unique_values = lazy.module("pipeline.orchestration.tfx.unique_values")

COUNTS = "tensorflow_data_validation.statistics.generators.top_k_uniques_stats_generator"
IMAGES = [b"\x89PNG" + bytes([number % 7]) * 400 for number in range(20)]  # 7 different files
LONG_TEXT = b"a text that is longer than a digest"


def batch() -> Any:
    texts = [None if number % 5 == 0 else [LONG_TEXT, b"%d" % (number % 3)] for number in range(20)]
    arrays = [
        pa.array([[image] for image in IMAGES], pa.large_list(pa.large_binary())),
        pa.array(texts, pa.large_list(pa.large_binary())),
        pa.array([[number] for number in range(20)], pa.large_list(pa.int64())),
    ]
    return pa.RecordBatch.from_arrays(arrays, ["image", "text", "label"])


def statistics(pipeline: Any, path: pathlib.Path) -> Any:
    options = tfdv.StatsOptions(num_top_values=3)
    with pipeline as made:
        batches = made | beam.Create([batch().slice(0, 9), batch().slice(9)])
        _ = batches | tfdv.GenerateStatistics(options) | tfdv.WriteStatisticsToBinaryFile(str(path))
    [dataset] = tfdv.load_stats_binary(str(path)).datasets
    return {feature.path.step[0]: feature for feature in dataset.features}


def test_statistics_are_those_of_tfdv(tmp_path: pathlib.Path) -> None:
    ours = statistics(engine.make_beam_pipeline(1, 1000), tmp_path / "ours")
    stock = statistics(beam.Pipeline(runner=fn_api_runner.FnApiRunner()), tmp_path / "stock")
    assert ours == stock
    assert ours["image"].string_stats.unique == 7
    assert [bucket.sample_count for bucket in ours["image"].string_stats.rank_histogram.buckets] == [3] * 6 + [2]
    assert ours["image"].string_stats.avg_length == 404
    assert ours["text"].string_stats.top_values[0].value == LONG_TEXT.decode()
    assert ours["text"].string_stats.top_values[0].frequency == 16


def test_no_file_is_a_key_of_the_count(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shuffle keeps all its keys in memory."""
    keys = tmp_path / "keys"
    counts = importlib.import_module(COUNTS)
    tuples = counts._to_topk_tuples

    def noted(*arguments: Any, **named: Any) -> Iterator[Any]:
        for key, count in tuples(*arguments, **named):
            with keys.open("a", encoding="utf-8") as file:
                file.write(f"{key[1][0]} {len(key[2])}\n")
            yield key, count

    monkeypatch.setattr(counts, "_to_topk_tuples", noted)
    statistics(engine.make_beam_pipeline(1, 1000), tmp_path / "ours")
    found = [line.split() for line in keys.read_text(encoding="utf-8").splitlines()]
    assert {int(length) for name, length in found if name == "image"} == {16}
    assert {int(length) for name, length in found if name == "text"} == {1, len(LONG_TEXT)}


def test_a_slice_of_a_batch_keeps_its_rows_and_their_numbers_of_values() -> None:
    part = unique_values.with_digests(batch().slice(4, 3))
    assert part.schema == batch().schema
    assert part.column(1).to_pylist() == [[LONG_TEXT, b"1"], [], [LONG_TEXT, b"0"]]
    assert part.column(2).to_pylist() == [[4], [5], [6]]
    assert len({value for [value] in part.column(0).to_pylist()}) == 3


@pytest.mark.parametrize("values", [[b"\xff" * 16], [b""], [None], [b"\xc3\xa9" * 20]])
def test_short_bytes_missing_values_and_text_stay(values: list[bytes | None]) -> None:
    made = pa.RecordBatch.from_arrays([pa.array([values], pa.list_(pa.binary()))], ["feature"])
    assert unique_values.with_digests(made).equals(made)
