"""The serving folder: which version a model becomes, that a version appears whole or not at all, what is held back."""

from __future__ import annotations

import os
import pathlib
import shutil

import pytest

from components.push import serving_dir
from pipeline.metadata.properties import CONTENT_DIGEST


def model(folder: pathlib.Path, weights: str) -> pathlib.Path:
    """The files of a SavedModel."""
    (folder / "variables").mkdir(parents=True)
    (folder / "saved_model.pb").write_text("graph")
    (folder / "variables" / "variables.data-00000-of-00001").write_text(weights)
    return folder


def weights_of(version: pathlib.Path) -> str:
    return (version / "variables" / "variables.data-00000-of-00001").read_text()


@pytest.fixture
def serving(tmp_path: pathlib.Path) -> pathlib.Path:
    (tmp_path / "root").mkdir()
    return tmp_path / "root" / "serving"


@pytest.fixture
def one(tmp_path: pathlib.Path) -> pathlib.Path:
    return model(tmp_path / "one", "1.0")


@pytest.fixture
def two(tmp_path: pathlib.Path) -> pathlib.Path:
    return model(tmp_path / "two", "2.0")


def names(folder: pathlib.Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_first_version_is_1_and_holds_the_model(serving: pathlib.Path, one: pathlib.Path) -> None:
    assert serving_dir.push(one, serving) == serving / "1"
    assert names(serving) == ["1"]
    assert serving_dir.same_files(one, serving / "1")
    assert weights_of(serving / "1") == "1.0"


def test_next_model_is_the_next_version_and_the_last_one_stays(
    serving: pathlib.Path, one: pathlib.Path, two: pathlib.Path
) -> None:
    serving_dir.push(one, serving)
    assert serving_dir.push(two, serving) == serving / "2"
    assert [weights_of(serving / version) for version in ("1", "2")] == ["1.0", "2.0"]


def test_version_is_above_the_highest_number_not_the_last_name(
    serving: pathlib.Path, one: pathlib.Path, two: pathlib.Path
) -> None:
    for version in ("9", "10"):
        model(serving / version, version)
    assert serving_dir.push(one, serving) == serving / "11"
    shutil.rmtree(serving / "10")  # a gap is not filled: a server may have seen that number
    assert serving_dir.push(two, serving) == serving / "12"


def test_model_that_is_served_already_is_not_copied_again(serving: pathlib.Path, one: pathlib.Path) -> None:
    serving_dir.push(one, serving)
    file = serving / "1" / "saved_model.pb"
    served = file.stat()
    assert serving_dir.push(one, serving) == serving / "1"
    assert names(serving) == ["1"]
    # Not the time of the last access: the files are read to be compared.
    assert (file.stat().st_ino, file.stat().st_mtime_ns) == (served.st_ino, served.st_mtime_ns)


def test_older_model_that_is_pushed_again_becomes_the_newest_version(
    serving: pathlib.Path, one: pathlib.Path, two: pathlib.Path
) -> None:
    for folder in (one, two, one):
        last = serving_dir.push(folder, serving)
    assert last == serving / "3"
    assert weights_of(last) == "1.0"


@pytest.mark.parametrize("change", ["changed", "missing", "added"])
def test_served_model_whose_files_differ_is_pushed_again(change: str, serving: pathlib.Path, one: pathlib.Path) -> None:
    file = serving_dir.push(one, serving) / "variables" / "variables.data-00000-of-00001"
    if change == "changed":  # as long and as old as before
        before = file.stat()
        file.write_text("9.9")
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    elif change == "missing":
        file.unlink()
    else:
        (serving / "1" / "added").touch()
    assert serving_dir.push(one, serving) == serving / "2"
    assert weights_of(serving / "2") == "1.0"


def test_copy_that_fails_leaves_no_version_and_the_served_one_as_it_was(
    serving: pathlib.Path, one: pathlib.Path, two: pathlib.Path
) -> None:
    serving_dir.push(one, serving)
    (two / "asset").symlink_to("nowhere")  # cannot be copied
    with pytest.raises(shutil.Error):
        serving_dir.push(two, serving)
    assert serving_dir.newest_version(serving) == serving / "1"
    assert not [name for name in names(serving) if name != "1" and not name.startswith(".")]
    assert weights_of(serving / "1") == "1.0"


def test_what_a_killed_push_left_behind_does_not_get_into_a_version(
    serving: pathlib.Path, one: pathlib.Path, two: pathlib.Path
) -> None:
    (two / "asset").symlink_to("nowhere")
    (two / "only_in_two").touch()
    with pytest.raises(shutil.Error):
        serving_dir.push(two, serving)
    assert serving_dir.push(one, serving) == serving / "1"
    assert names(serving) == ["1"]
    assert serving_dir.same_files(one, serving / "1")


def test_what_is_no_version_is_ignored_and_left_alone(serving: pathlib.Path, one: pathlib.Path) -> None:
    for name in ("notes", "7.bak", "-3", "v8"):
        (serving / name).mkdir(parents=True)
    (serving / "99").touch()  # a file
    before = names(serving)
    assert serving_dir.newest_version(serving) is None
    assert serving_dir.push(one, serving) == serving / "1"
    assert names(serving) == sorted([*before, "1"])


def test_there_is_no_newest_version_where_there_is_no_folder(serving: pathlib.Path) -> None:
    assert serving_dir.newest_version(serving) is None


def test_nothing_is_held_back_until_it_is_said(serving: pathlib.Path) -> None:
    assert serving_dir.superseded(serving) == frozenset()
    serving_dir.write_superseded(serving, {"b", "a"})
    assert serving_dir.superseded(serving) == {"a", "b"}
    serving_dir.write_superseded(serving, ())
    assert serving_dir.superseded(serving) == frozenset()
    assert names(serving.parent) == ["held_back.json"]  # and nothing in the folder that servers watch


def test_a_missing_list_is_not_taken_for_an_empty_one_once_a_model_was_pushed(
    serving: pathlib.Path, one: pathlib.Path
) -> None:
    serving_dir.push(one, serving)
    assert serving_dir.superseded(serving) == frozenset()  # the first push wrote the list
    serving_dir.superseded_file(serving).unlink()
    with pytest.raises(ValueError, match=r"held_back\.json is missing"):
        serving_dir.superseded(serving)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"models": 1}'])
def test_a_damaged_list_is_not_taken_for_an_empty_one(serving: pathlib.Path, text: str) -> None:
    serving.with_name("held_back.json").write_text(text)
    with pytest.raises(ValueError, match=r"held_back\.json"):
        serving_dir.superseded(serving)


def test_models_are_held_back_by_the_digest_that_runs_note() -> None:
    assert serving_dir.CONTENT_DIGEST == CONTENT_DIGEST
