"""TFRecord files: what is read, and what damage is noticed."""

from __future__ import annotations

import gzip
import os
import pathlib

import pytest

from pipeline.artifacts.payloads import tfrecords
from pipeline.artifacts.payloads.files import UnreadableFileError
from tests import lazy
from tests.builders.foreign_files import tfrecord

tf = lazy.module("tensorflow")

RECORDS = [b"", b"one", b"\0" * 1000]


@pytest.fixture
def path(tmp_path: pathlib.Path) -> pathlib.Path:
    tfrecord(tmp_path / "records", RECORDS)
    return tmp_path / "records"


def test_the_checksum_is_the_masked_crc_32c() -> None:
    """RFC 3720 names the CRC-32C of these digits."""
    crc = 0xE3069283
    assert tfrecords.checksum(b"123456789") == ((crc >> 15 | crc << 17 & 0xFFFFFFFF) + 0xA282EAD8) & 0xFFFFFFFF


@pytest.mark.parametrize("packed", [False, True])
def test_records_are_read_packed_or_not(path: pathlib.Path, packed: bool) -> None:
    if packed:
        path.write_bytes(gzip.compress(path.read_bytes()))
    assert list(tfrecords.read(path, 2000)) == RECORDS


def test_a_length_that_looks_like_gzip_is_a_length(tmp_path: pathlib.Path) -> None:
    record = bytes(0x8B1F)  # as the length of the first record, written as 1f 8b
    tfrecord(tmp_path / "records", [record])
    assert (tmp_path / "records").read_bytes().startswith(b"\x1f\x8b")
    assert list(tfrecords.read(tmp_path / "records", 40_000)) == [record]


@pytest.mark.component
@pytest.mark.parametrize("packed", ["", "GZIP"])
def test_what_tensorflow_wrote_is_read(tmp_path: pathlib.Path, packed: str) -> None:
    with tf.io.TFRecordWriter(str(tmp_path / "records"), packed) as writer:
        for record in RECORDS:
            writer.write(record)
    assert list(tfrecords.read(tmp_path / "records", 2000)) == RECORDS


def test_empty_records_count_as_well(tmp_path: pathlib.Path) -> None:
    """Else a file of a few KiB, compressed, would be read for hours."""
    tfrecord(tmp_path / "one", [b""])
    (tmp_path / "many").write_bytes(gzip.compress((tmp_path / "one").read_bytes() * 100_000))
    assert (tmp_path / "many").stat().st_size < 10_000
    found = tfrecords.read(tmp_path / "many", 16_000)
    assert [next(found) for _ in range(1000)] == [b""] * 1000
    with pytest.raises(UnreadableFileError, match="more records"):
        next(found)


@pytest.mark.parametrize("packed", [False, True])
def test_each_cut_and_each_flipped_byte_is_noticed(path: pathlib.Path, packed: bool) -> None:
    tfrecord(path, RECORDS[:2])
    whole = gzip.compress(path.read_bytes(), mtime=0) if packed else path.read_bytes()
    ends = {0, 16, len(whole)}  # a file may end between records, as TensorFlow takes it
    damaged = [whole[:end] for end in range(len(whole)) if packed or end not in ends]
    damaged += [bytes([*whole[:at], whole[at] ^ 1, *whole[at + 1 :]]) for at in range(10 if packed else 0, len(whole))]
    for content in damaged[1:]:
        path.write_bytes(content)
        with pytest.raises(UnreadableFileError):
            list(tfrecords.read(path, 2000))


def test_more_than_the_limit_is_not_read(path: pathlib.Path) -> None:
    path.write_bytes(gzip.compress(path.read_bytes()))  # small, but large unpacked
    found = tfrecords.read(path, 999)
    assert [next(found), next(found)] == RECORDS[:2]
    with pytest.raises(UnreadableFileError, match="more records"):
        next(found)


def test_a_pipe_does_not_block(tmp_path: pathlib.Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name in ("pipe", "missing"):
        with pytest.raises(UnreadableFileError, match=name):
            list(tfrecords.read(tmp_path / name, 10))
