"""Examples: records, splits and their order count; files and compression do not."""

from __future__ import annotations

import gzip
import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from pipeline.artifacts import fingerprints
from tests import lazy
from tests.pipeline.artifacts.fingerprints.folders import artifact, assert_differ, assert_same, write

tf = lazy.module("tensorflow")
tfrecords = lazy.module("pipeline.artifacts.fingerprints.tfrecords")

pytestmark = pytest.mark.component


def field(number: int, content: bytes) -> bytes:
    """A field of a protocol buffer; written by hand, so that collecting the tests needs no TensorFlow."""
    high, low = divmod(len(content), 128)
    return bytes([number << 3 | 2, low | 128, high]) + content


def features(label: int, image: bytes = b"pixels", **more: int) -> list[bytes]:
    """Entries of the map in a tf.Example."""
    made = [field(1, field(1, b"image") + field(2, field(1, field(1, image))))]
    for name, value in {"label": label, **more}.items():  # values below 128
        made.append(field(1, field(1, name.encode()) + field(2, field(3, field(1, bytes([value]))))))
    return made


def record(label: int, image: bytes = b"pixels", **more: int) -> bytes:
    return field(1, b"".join(features(label, image, **more)))


def tfrecord(records: Sequence[bytes], folder: pathlib.Path) -> bytes:
    folder.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(folder / "x")) as writer:
        for one in records:
            writer.write(one)
    return (folder / "x").read_bytes()


@pytest.fixture
def make(tmp_path: pathlib.Path) -> Any:
    """Writes an artifact: records by file and split."""

    def made(name: str, splits: Mapping[str, Mapping[str, Sequence[bytes]]], packed: bool = False) -> Any:
        files = {
            f"Split-{split}/{file}": tfrecord(records, tmp_path / "scratch")
            for split, parts in splits.items()
            for file, records in parts.items()
        }
        if packed:
            files = {name: gzip.compress(content) for name, content in files.items()}
        return artifact("Examples", write(tmp_path / name, files), split_names=json.dumps(list(splits)))

    return made


TRAIN = [record(number) for number in range(30)]
LAST = 16 + len(TRAIN[-1])  # bytes of the last record in its file
ONE = {"train": {"a": TRAIN}, "test": {"a": TRAIN[:2]}}


def test_the_stream_is_splits_sorted_by_name_and_records_in_order(make: Any) -> None:
    _, stream = fingerprints.content_entries(make("a", {"b": {"x": [b"1", b""]}, "a": {}}))
    expected = [("split a", "a"), ("split b", "b"), ("record 0 of b", b"1"), ("record 1 of b", b"")]
    assert [(entry.name, entry.value) for entry in stream] == expected


def test_files_compression_and_other_properties_do_not_count(make: Any, tmp_path: pathlib.Path) -> None:
    one = make("a", ONE)
    parts = {"test": {"z": TRAIN[:2]}, "train": {"00": TRAIN[:7], "01": [], "02": TRAIN[7:]}}
    assert_same(one, make("b/c", parts, packed=True))
    assert_same(one, artifact("Examples", tmp_path / "a", dataset="other"))  # splits by their folders
    assert_same(one, artifact("Examples", tmp_path / "a", split_names=""))


@pytest.mark.parametrize(
    ("train", "words"),
    [
        ([*TRAIN[:17], record(5), *TRAIN[18:]], "record 17 of train differs: feature label: 17 against 5"),
        ([record(0, b"pixelS"), *TRAIN[1:]], "record 0 of train differs: feature image: 6 bytes, from byte 5 on"),
        ([record(0, wide=1), *TRAIN[1:]], "record 0 of train differs: only the second has the feature wide"),
        ([TRAIN[1], TRAIN[0], *TRAIN[2:]], "record 0 of train differs: feature label: 0 against 1"),
        (TRAIN[:-1], "only the first has record 29 of train"),
        ([*TRAIN, TRAIN[0]], "only the second has record 30 of train"),
        ([b"\xff\xff", *TRAIN[1:]], "record 0 of train differs: N against 2 bytes, from byte 0 on"),
    ],
)
def test_a_record_that_differs_is_named(make: Any, train: Sequence[bytes], words: str) -> None:
    line = assert_differ(make("a", ONE), make("b", {**ONE, "train": {"a": train}}))
    assert line == words.replace("N", str(len(TRAIN[0])))


def test_a_long_image_is_told_by_the_byte(make: Any) -> None:
    images = b"x" * 300, b"x" * 200 + b"y" + b"x" * 99
    one, other = (make(name, {"a": {"a": [record(1, image)]}}) for name, image in zip("ab", images, strict=True))
    assert assert_differ(one, other) == "record 0 of a differs: feature image: 300 bytes, from byte 200 on"


def test_the_same_features_in_other_bytes_are_another_record(make: Any) -> None:
    swapped = field(1, b"".join(reversed(features(1))))
    assert tf.train.Example.FromString(swapped) == tf.train.Example.FromString(record(1))
    one, other = make("a", {"a": {"a": [record(1)]}}), make("b", {"a": {"a": [swapped]}})
    assert "the same features, serialized differently" in assert_differ(one, other)


def test_an_empty_split_and_the_name_of_a_split_count(make: Any) -> None:
    assert assert_differ(make("a", ONE), make("b", {**ONE, "more": {"a": []}})) == "only the second has split more"
    renamed = {"train": ONE["train"], "eval": ONE["test"]}
    assert assert_differ(make("c", ONE), make("d", renamed)) == "only the first has split test"


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("cut", [1, 5, LAST - 5, 400])  # the third leaves 5 bytes of a record's length
def test_a_file_that_was_cut_off_is_not_taken_for_a_shorter_one(make: Any, packed: bool, cut: int) -> None:
    one, other = (make(name, {"a": {"a": TRAIN}}, packed) for name in "ab")
    path = other.folder / "Split-a" / "a"
    content = path.read_bytes()
    path.write_bytes(content[: max(len(content) - cut, 15)])
    assert_differ(one, other)
    whole = 0
    with pytest.raises(ValueError, match="damaged"):  # noqa: PT012
        for _ in tfrecords.read(path):
            whole += 1
    assert_differ(make("c", {"a": {"a": TRAIN[:whole]}}, packed), other)


def test_damage_that_leaves_the_records_as_they_are_counts(make: Any) -> None:
    one, other = (make(name, {"a": {"a": TRAIN}}) for name in "ab")
    path = other.folder / "Split-a" / "a"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1  # in the last record's checksum
    path.write_bytes(content)
    assert assert_differ(one, other).startswith("only the ")


def test_files_beside_the_splits_count(make: Any) -> None:
    one, other = make("a", ONE), make("b", ONE)
    write(other.folder, {"notes": b"", "Split-other/x": b"abc"})
    assert assert_differ(one, other) == "only the second has file Split-other/x"
