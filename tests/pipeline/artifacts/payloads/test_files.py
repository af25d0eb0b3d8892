"""Files of strangers: limits, and errors of one line."""

from __future__ import annotations

import pathlib

import pytest
from tensorflow_metadata.proto.v0 import schema_pb2

from pipeline.artifacts.payloads import files
from pipeline.artifacts.payloads.files import UnreadableFileError


@pytest.mark.parametrize("names", [("Split-test", "Split-train", "Split-a"), ("test", "train", "a")])
def test_splits_have_folders_of_their_names(tmp_path: pathlib.Path, names: tuple[str, ...]) -> None:
    for name in (*names, ".hidden"):
        (tmp_path / name).mkdir()
    assert list(files.splits(tmp_path)) == ["train", "test", "a"]


def test_a_text_may_have_fields_of_later_versions(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "schema.pbtxt"
    path.write_text('feature { name: "a" from_the_future: 1 } also { new: "x" }')
    assert [one.name for one in files.message(schema_pb2.Schema, path, files.MIB).feature] == ["a"]


@pytest.mark.parametrize(
    "content",
    [
        b"feature {",
        b"\xff\xfe",
        b"feature { struct_domain { " * 5_000,
        b"unknown { " * 5_000,
        b"x" * (files.MIB + 1),
    ],
    ids=["cut", "no text", "deep", "deep and unknown", "large"],
)
def test_a_text_that_cannot_be_read_is_an_error_with_its_name(tmp_path: pathlib.Path, content: bytes) -> None:
    path = tmp_path / "schema.pbtxt"
    path.write_bytes(content)
    with pytest.raises(UnreadableFileError, match=r"schema\.pbtxt") as error:
        files.message(schema_pb2.Schema, path, files.MIB)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", [b"\x0a\xff", b"\x0a\x80\x80\x80\x80\x01" + b"\x0a" * 10])
def test_damaged_bytes_are_an_error_with_its_name(tmp_path: pathlib.Path, content: bytes) -> None:
    (tmp_path / "it.pb").write_bytes(content)
    with pytest.raises(UnreadableFileError, match=r"it\.pb is damaged, or is not a Schema"):
        files.message(schema_pb2.Schema, tmp_path / "it.pb", files.MIB)
