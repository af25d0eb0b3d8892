"""Digests of files and folders, and the description of damage."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil

import pytest

from pipeline.core import file_digests
from pipeline.core.file_digests import FileState
from tests.builders.roots import change_bytes

# The examples of FIPS 180-4.
ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    (folder / "inner").mkdir(parents=True)
    (folder / "a").write_bytes(b"one")
    (folder / "inner" / "b").write_bytes(b"two")
    return folder


def test_a_files_digest_is_its_sha256(tmp_path):
    (tmp_path / "file").write_bytes(b"abc")
    (tmp_path / "empty").touch()
    assert file_digests.of_file(tmp_path / "file") == ABC
    assert file_digests.of_file(tmp_path / "empty") == EMPTY


def test_a_file_larger_than_a_block_is_read_to_its_end(tmp_path):
    content = bytes(3 * (1 << 20)) + b"end"
    (tmp_path / "file").write_bytes(content)
    assert file_digests.of_file(tmp_path / "file") == hashlib.sha256(content).hexdigest()


def test_a_mappings_digest_is_that_of_its_sorted_json():
    expected = hashlib.sha256(b'{"a":"1","b":{"c":[1,2]}}').hexdigest()
    assert file_digests.of_mapping({"b": {"c": [1, 2]}, "a": "1"}) == expected
    assert file_digests.of_mapping({"a": "1", "b": {"c": [1, 2]}}) == expected
    assert file_digests.of_mapping({}) == hashlib.sha256(b"{}").hexdigest()


def test_a_mapping_may_hold_any_text():
    assert file_digests.of_mapping({"ä": "日"}) == hashlib.sha256(rb'{"\u00e4":"\u65e5"}').hexdigest()


def test_a_scan_names_every_file_with_its_size_time_and_digest(data):
    os.utime(data / "a", ns=(5, 1_234_567_890_123_456_789))
    found = file_digests.scan(data)
    assert list(found) == ["a", "inner/b"]
    assert found["a"] == FileState(3, 1_234_567_890_123_456_789, hashlib.sha256(b"one").hexdigest())


def test_a_folder_has_a_digest_per_file(data):
    sha = {text: hashlib.sha256(text.encode()).hexdigest() for text in ("one", "two")}
    assert file_digests.of_folder(data) == {"a": sha["one"], "inner/b": sha["two"]}


def test_the_merkle_digest_is_of_names_and_digests(data):
    text = json.dumps(file_digests.of_folder(data), sort_keys=True, separators=(",", ":"))
    assert file_digests.of_files(file_digests.scan(data)) == hashlib.sha256(text.encode()).hexdigest()


def test_a_copy_elsewhere_with_other_times_and_an_empty_folder_has_the_same_digest(data, tmp_path):
    copy = shutil.copytree(data, tmp_path / "copy")
    os.utime(copy / "a", (1, 1))
    (copy / "empty").mkdir()
    assert file_digests.of_files(file_digests.scan(copy)) == file_digests.of_files(file_digests.scan(data))


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "a").write_bytes(b"One"),
        lambda folder: (folder / "inner" / "b").write_bytes(b"two "),
        lambda folder: (folder / "a").rename(folder / "c"),
        lambda folder: (folder / "a").rename(folder / "inner" / "a"),
        lambda folder: (folder / "a").unlink(),
        lambda folder: (folder / "c").touch(),
        lambda folder: [(folder / "a").write_bytes(b"two"), (folder / "inner" / "b").write_bytes(b"one")],
    ],
    ids=["bytes", "inner bytes", "name", "place", "missing", "empty file more", "content exchanged"],
)
def test_the_digest_changes_with_names_and_bytes(data, change):
    before = file_digests.of_files(file_digests.scan(data))
    change(data)
    assert file_digests.of_files(file_digests.scan(data)) != before


def test_a_folder_that_cannot_be_read_is_no_empty_one(data, monkeypatch):
    list_folder = os.scandir

    def refuse(folder):
        if os.path.basename(folder) == "inner":
            raise OSError(errno.EIO, os.strerror(errno.EIO), folder)
        return list_folder(folder)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        file_digests.scan(data)


def test_links_are_followed(data, tmp_path):
    before = file_digests.of_folder(data)
    (data / "a").rename(tmp_path / "elsewhere")
    (data / "a").symlink_to(tmp_path / "elsewhere")
    assert file_digests.of_folder(data) == before
    assert file_digests.damage(data, file_digests.scan(data), all_bytes=True) == ""


@pytest.mark.parametrize("all_bytes", [False, True])
def test_an_unchanged_artifact_is_not_damaged(data, tmp_path, all_bytes):
    assert file_digests.damage(data, file_digests.scan(data), all_bytes) == ""
    (tmp_path / "empty").mkdir()
    assert file_digests.damage(tmp_path / "empty", {}, all_bytes) == ""


@pytest.mark.parametrize("all_bytes", [False, True])
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda folder: (folder / "a").unlink(), "{folder}/a is missing"),
        (lambda folder: shutil.rmtree(folder / "inner"), "{folder}/inner/b is missing"),
        (lambda folder: shutil.rmtree(folder), "{folder}/a is missing"),
        (
            lambda folder: (folder / "inner" / "b").write_bytes(bytes(1234)),
            "{folder}/inner/b has 1,234 bytes, it was published with 3",
        ),
        (lambda folder: (folder / "a").write_bytes(b""), "{folder}/a has 0 bytes, it was published with 3"),
        (lambda folder: change_bytes(folder / "a"), "{folder}/a holds other bytes than it was published with"),
        (
            lambda folder: (folder / "inner" / "c").touch(),
            "{folder}/inner/c was not there when the artifact was published",
        ),
    ],
    ids=["file", "inner folder", "folder", "longer", "emptied", "other bytes", "stranger"],
)
def test_damage_names_the_file(data, all_bytes, change, said):
    recorded = file_digests.scan(data)
    change(data)
    assert file_digests.damage(data, recorded, all_bytes) == said.format(folder=data)


def test_damage_names_the_first_of_several_files(data):
    recorded = file_digests.scan(data)
    (data / "0").touch()
    (data / "inner" / "b").unlink()
    (data / "a").write_bytes(b"")
    assert file_digests.damage(data, recorded).startswith(f"{data}/a has 0 bytes")


@pytest.mark.parametrize("size", [3, 40, 4096])
def test_a_folder_instead_of_a_file_is_damage(data, size):
    (data / "a").write_bytes(bytes(size))
    recorded = file_digests.scan(data)
    (data / "a").unlink()
    (data / "a").mkdir()
    assert file_digests.damage(data, recorded, all_bytes=True) == f"{data}/a is missing"


def test_an_artifact_without_files_is_missing_when_its_folder_is(tmp_path):
    assert file_digests.damage(tmp_path / "gone", {}) == f"{tmp_path / 'gone'} is missing"


def test_all_bytes_detects_a_change_that_keeps_size_and_time(data):
    recorded = file_digests.scan(data)
    change_bytes(data / "inner" / "b", keep_time=True)
    assert file_digests.damage(data, recorded) == ""
    found = file_digests.damage(data, recorded, all_bytes=True)
    assert found == f"{data}/inner/b holds other bytes than it was published with"


@pytest.mark.parametrize("time", [1, 2**31])
def test_a_touched_file_with_the_same_bytes_is_not_damaged(data, time):
    recorded = file_digests.scan(data)
    os.utime(data / "a", (time, time))
    assert file_digests.damage(data, recorded) == ""
    assert file_digests.damage(data, recorded, all_bytes=True) == ""


def test_files_whose_time_did_not_change_are_not_read(data, monkeypatch):
    recorded = file_digests.scan(data)
    read = []
    monkeypatch.setattr(file_digests, "of_file", lambda path: read.append(path.name) or recorded[path.name].digest)
    os.utime(data / "a", (1, 1))
    assert file_digests.damage(data, recorded) == ""
    assert read == ["a"]


def test_files_are_stored_as_json_sorted_by_name():
    files = {"b": FileState(2, 20, "bb"), "a/ä": FileState(1, 10, "aa")}
    text = file_digests.to_text(files)
    assert text == r'{"a/\u00e4":[1,10,"aa"],"b":[2,20,"bb"]}'
    assert file_digests.from_text(text) == files
    assert file_digests.from_text("{}") == {}


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "5", "null", '{"a": 1}', '{"a": [1, 2]}', '{"a": [1, 2, "x", 4]}', '{"a": ["x", 2, "d"]}',
     '{"a": [null, 2, "d"]}', '{"a": [Infinity, 2, "d"]}'],
)  # fmt: skip
def test_text_that_is_not_a_list_of_files_is_refused(text):
    with pytest.raises(ValueError, match=r"."):
        file_digests.from_text(text)
