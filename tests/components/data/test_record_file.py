"""One TFRecord file: its records, and damage."""

from __future__ import annotations

import pathlib

import pytest

from tests import lazy

tf = lazy.module("tensorflow")
record_file = lazy.module("components.data.record_file")

pytestmark = pytest.mark.component

RECORDS = [b"", b"one", b"\xff" * 70_000, b"three"]


def written(path: pathlib.Path, compression: str) -> pathlib.Path:
    with tf.io.TFRecordWriter(str(path), compression) as writer:
        for record in RECORDS:
            writer.write(record)
    return path


@pytest.mark.parametrize("compression", ["", "GZIP", "ZLIB"])
def test_records_are_those_of_the_file_in_order(compression: str, tmp_path: pathlib.Path) -> None:
    found = record_file.records(written(tmp_path / "records", compression), compression)
    assert list(found.as_numpy_iterator()) == RECORDS
    [batch] = found.skip(1).take(2).batch(2).as_numpy_iterator()
    assert batch.tolist() == RECORDS[1:3]


def test_damage_is_an_error(tmp_path: pathlib.Path) -> None:
    path = written(tmp_path / "records", "")
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)
    found = record_file.records(path).as_numpy_iterator()
    assert [next(found) for _ in range(3)] == RECORDS[:3]
    with pytest.raises(tf.errors.DataLossError):
        next(found)
    with pytest.raises(tf.errors.NotFoundError):
        next(record_file.records(tmp_path / "missing").as_numpy_iterator())
