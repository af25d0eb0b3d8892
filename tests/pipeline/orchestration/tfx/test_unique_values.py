"""Unique values are counted by digests of bytes, batch by batch."""

from __future__ import annotations

import pickle
from typing import Any

import pyarrow as pa
import pytest

from tests import lazy

pytestmark = pytest.mark.component

tfdv = lazy.module("tensorflow_data_validation")
unique_values = lazy.module("pipeline.orchestration.tfx.unique_values")

IMAGES = [b"\x89PNG" + bytes([number % 7]) * 400 for number in range(20)]  # 7 different files
LONG_TEXT = "a text that is longer than a digest: Größe"


def batch() -> Any:
    """Return a column of images, two of text, of which rows have none, one or two values, and one of numbers."""
    texts = [None if number % 5 == 0 else [LONG_TEXT.encode(), b"%d" % (number % 3)] for number in range(20)]
    names = [[["even", "odd"][number % 2]] for number in range(20)]
    arrays = [
        pa.array([[image] for image in IMAGES], pa.large_list(pa.large_binary())),
        pa.array(texts, pa.large_list(pa.large_binary())),
        pa.array(names, pa.list_(pa.string())),
        pa.array([[number] for number in range(20)], pa.large_list(pa.int64())),
    ]
    return pa.RecordBatch.from_arrays(arrays, ["image", "text", "name", "label"])


def counted(*batches: Any) -> Any:
    """Return the counts of two files, one with all batches but the last, as they come out of a shuffle."""
    counts = unique_values.UniqueValues(tfdv.StatsOptions())
    files = []
    for part in (batches[:-1], batches[-1:]):
        accumulator = counts.create_accumulator()
        for one in part:
            accumulator = counts.add_input(accumulator, one)
        files.append(pickle.loads(pickle.dumps(counts.compact(accumulator))))
    return counts.compact(counts.merge_accumulators(files))


def by_feature(counts: Any) -> dict[str, dict[bytes, int]]:
    found = {}
    for path, [table] in counts.items():
        columns = table.to_pydict()
        assert len(set(columns["value"])) == len(columns["value"])
        found[path.steps()[0]] = dict(zip(columns["value"], columns["count"], strict=True))
    return found


def test_values_of_all_batches_and_files_are_counted() -> None:
    found = by_feature(counted(batch().slice(0, 6), batch().slice(6, 3), batch().slice(9)))
    assert list(found) == ["image", "text", "name"]
    assert found["text"] == {LONG_TEXT.encode(): 16, b"0": 5, b"1": 6, b"2": 5}
    assert found["name"] == {b"even": 10, b"odd": 10}
    assert sorted(found["image"].values()) == [2, 3, 3, 3, 3, 3, 3]


def test_no_image_is_kept() -> None:
    values = by_feature(counted(batch(), batch()))["image"]
    assert len(values) == 7
    assert {(len(value), value[:1]) for value in values} == {(16, b"\xff")}


@pytest.mark.parametrize("value", [b"\xff" * 16, b"", "é".encode() * 20])
def test_short_bytes_and_text_stay(value: bytes) -> None:
    made = pa.RecordBatch.from_arrays([pa.array([[value]], pa.list_(pa.binary()))], ["feature"])
    assert by_feature(counted(made, made)) == {"feature": {value: 2}}
