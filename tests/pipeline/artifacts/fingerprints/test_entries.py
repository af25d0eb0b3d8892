"""The encoding of entries, written out by hand, and the words for a difference; files that no form understands."""

from __future__ import annotations

import hashlib
import math
import os
import pathlib
import struct
import subprocess
import sys

import numpy as np
import pytest

from pipeline.artifacts import fingerprints
from pipeline.artifacts.fingerprints import differences, entries
from pipeline.artifacts.fingerprints.entries import ContentEntry
from pipeline.artifacts.fingerprints.files import Files
from tests.pipeline.artifacts.fingerprints.folders import artifact, assert_differ, assert_same, write


def test_the_digest_is_sha256_over_lengths_names_tags_and_values() -> None:
    by_hand = (
        b"\1" + bytes(7) + b"x" + b"b" + b"\3" + bytes(7) + b"abc"
        b"\2" + bytes(7) + "é".encode() + b"t" + b"\1" + bytes(7) + b"a"
        b"\1" + bytes(7) + b"n" + b"i" + b"\3" + bytes(7) + b"-12"
    )
    stream = [ContentEntry("x", b"abc"), ContentEntry("é", "a"), ContentEntry("n", -12)]
    assert entries.digest(stream) == hashlib.sha256(by_hand).digest()


@pytest.mark.parametrize(
    ("value", "tag", "encoded"),
    [
        (1.5, b"f", bytes(6) + b"\xf8\x3f"),
        (True, b"o", b"\1"),
        (None, b"n", b""),
        (2**70, b"i", b"1180591620717411303424"),
        (np.int16([[1, 258]]), b"a", b"\3" + bytes(7) + b"<i2" + struct.pack("<3Q", 2, 1, 2) + b"\1\0\2\1"),
        (np.array(b"ab", object), b"a", b"\2" + bytes(7) + b"|O" + bytes(8) + b"\2" + bytes(7) + b"ab"),
    ],
)
def test_values_are_encoded_as_described(value: entries.Value, tag: bytes, encoded: bytes) -> None:
    assert entries.encode(value) == (tag, encoded)


def test_byte_order_and_memory_layout_of_an_array_do_not_count() -> None:
    array = np.arange(6, dtype="<i4").reshape(2, 3)
    for other in (array.astype(">i4"), np.asfortranarray(array), np.repeat(array, 2, axis=1)[:, ::2]):
        assert entries.encode(other) == entries.encode(array)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (0.0, -0.0),
        (math.nan, struct.unpack("<d", b"\1" + bytes(5) + b"\xf8\x7f")[0]),
        (1, 1.0),
        (1, True),
        (0, None),
        ("a", b"a"),
        (np.float32([0]), np.float32([-0.0])),
        (np.float32([1]), np.float64([1])),
        (np.zeros((2, 3)), np.zeros((3, 2))),
        (np.array([b"ab", b"c"], object), np.array([b"a", b"bc"], object)),
        (1.0, np.nextafter(1.0, 2).item()),
    ],
)
def test_values_that_differ_in_a_bit_or_in_type_differ(one: entries.Value, other: entries.Value) -> None:
    assert entries.digest([ContentEntry("x", one)]) != entries.digest([ContentEntry("x", other)])
    assert entries.first_difference(lambda: iter([ContentEntry("x", one)]), lambda: iter([ContentEntry("x", other)]))


def test_where_a_name_ends_and_a_value_begins_counts() -> None:
    assert entries.digest([ContentEntry("ab", b"c")]) != entries.digest([ContentEntry("a", b"bc")])
    assert entries.digest([ContentEntry("a", b"b"), ContentEntry("c", b"d")]) != entries.digest(
        [ContentEntry("c", b"d"), ContentEntry("a", b"b")]
    )


def difference(one: str, other: str) -> str:
    """Of two streams, each letter of a text being the name of an entry."""
    return entries.first_difference(
        lambda: (ContentEntry(x, 1) for x in one), lambda: (ContentEntry(x, 1) for x in other)
    )


@pytest.mark.parametrize(
    ("one", "other", "words"),
    [
        ("abc", "abc", ""),
        ("abc", "ac", "only the first has b"),
        ("ac", "abc", "only the second has b"),
        ("ab", "abc", "only the second has c"),
        ("abc", "ab", "only the first has c"),
        ("ab", "ac", "only the first has b"),
        ("ab", "ba", "the order differs: a against b"),
        ("aab", "ab", "the order differs: a against b"),
        ("aa", "a", "the order differs: a against the end"),
    ],
)
def test_an_entry_that_one_side_lacks_is_named(one: str, other: str, words: str) -> None:
    assert difference(one, other) == words


def test_arrays_are_compared_by_number_of_values_and_largest_difference() -> None:
    one = np.zeros((8, 10), np.float32)
    other = one.copy()
    other[4, 7], other[1, 1], other[2, 2] = -0.5, 0.25, -0.0
    assert differences.arrays(one, other) == "3 of 80 values, largest difference 0.5 at [4, 7]"
    other[0, 3] = np.nan
    assert differences.arrays(one, other) == "4 of 80 values, largest difference not finite at [0, 3]"
    assert differences.arrays(one, one[:4]) == "shape (8, 10) against (4, 10)"
    assert differences.arrays(one, one.astype(np.float64)) == "dtype float32 against float64"
    texts = np.array([b"a", b"b"], object), np.array([b"a", b"c"], object)
    assert differences.arrays(*texts) == "1 of 2 values, first at [1]: b'b' against b'c'"
    assert differences.arrays(np.uint8(3).reshape(()), np.uint8(5).reshape(())) == "3 against 5"


def test_long_texts_and_bytes_are_told_by_the_place() -> None:
    assert differences.values("x" * 500 + "a", "x" * 500 + "b").startswith("from character 500 on: ")
    assert len(differences.values("x" * 500 + "a", "y" * 5000)) < 200
    assert differences.values(b"abcd", b"abXd") == "4 bytes, from byte 2 on"
    assert differences.values(b"abcd", b"ab") == "4 against 2 bytes, from byte 2 on"


# --- files


FILES = {"a": b"one", "inner/b": b"two", "inner.c": b""}


def test_a_foreign_artifact_is_the_names_and_digests_of_its_files(tmp_path: pathlib.Path) -> None:
    folder = write(tmp_path / "x", FILES)
    stream = b""
    for name in ("a", "inner.c", "inner/b"):  # "." sorts before "/"
        named = f"file {name}".encode()
        stream += struct.pack("<Q", len(named)) + named + b"b" + struct.pack("<Q", 32)
        stream += hashlib.sha256(FILES[name]).digest()
    expected = f"raw-1:{hashlib.sha256(stream).hexdigest()}"
    assert fingerprints.content_digest(artifact("Strange", folder)) == expected


def test_a_foreign_artifact_counts_by_bytes_not_by_place_or_time(tmp_path: pathlib.Path) -> None:
    one, other = (artifact("Strange", write(tmp_path / name, FILES)) for name in ("x", "deep/y"))
    (other.folder / "empty").mkdir()
    os.utime(other.folder / "a", (1, 1))
    assert_same(one, other)
    (other.folder / "a").write_bytes(b"onE")
    assert assert_differ(one, other) == "file a differs: 3 bytes, from byte 2 on"
    (other.folder / "a").write_bytes(b"one more")
    assert assert_differ(one, other) == "file a differs: 3 against 8 bytes, from byte 3 on"
    (other.folder / "a").unlink()
    assert assert_differ(one, other) == "only the first has file a"


def test_large_files_are_compared_beyond_the_first_block(tmp_path: pathlib.Path) -> None:
    content = bytes(3 << 20)
    one, other = (
        artifact("Strange", write(tmp_path / name, {"a": content + end})) for name, end in (("x", b"x"), ("y", b"y"))
    )
    assert assert_differ(one, other) == f"file a differs: {(3 << 20) + 1:,} bytes, from byte {3 << 20:,} on"


def test_a_link_to_a_folder_is_not_overlooked(tmp_path: pathlib.Path) -> None:
    one, other = (artifact("Strange", write(tmp_path / name, FILES)) for name in ("x", "y"))
    (other.folder / "link").symlink_to("inner")
    assert assert_differ(one, other) == "only the second has link link"
    (one.folder / "link").symlink_to(".")
    assert assert_differ(one, other) == "link link differs: '.' against 'inner'"


def test_an_artifact_that_is_one_file(tmp_path: pathlib.Path) -> None:
    folder = write(tmp_path, {"x": b"abc", "y": b"abc", "z": b"abd"})
    assert_same(artifact("Strange", folder / "x"), artifact("Strange", folder / "y"))
    assert_differ(artifact("Strange", folder / "x"), artifact("Strange", folder / "z"))


def test_an_artifact_that_is_not_there(tmp_path: pathlib.Path) -> None:
    for kind in ("Strange", "PushedModel", "Report"):
        with pytest.raises(FileNotFoundError, match=r"there is no artifact at .*gone"):
            fingerprints.content_digest(artifact(kind, tmp_path / "gone"))


def test_artifacts_of_two_types(tmp_path: pathlib.Path) -> None:
    one, other = artifact("Report", tmp_path), artifact("ModelBlessing", tmp_path)
    assert assert_differ(one, other) == "one is of type Report, the other of type ModelBlessing"


def test_files_are_taken_once(tmp_path: pathlib.Path) -> None:
    files = Files(write(tmp_path, FILES))
    assert files.take("*b") == ["inner/b"]
    assert files.take("*b") == []
    assert files.take_folder("inner") == []
    assert [entry.name for entry in files.rest()] == ["file a", "file inner.c"]


def test_asking_for_a_form_imports_no_tensorflow() -> None:
    code = (
        "import sys; from pipeline.artifacts import fingerprints, types; "
        "assert types.find('Model').fingerprint; sys.exit('tensorflow' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
