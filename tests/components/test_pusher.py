"""Pusher: which version a model becomes, and that a version appears whole or not at all."""

from __future__ import annotations

import os
import pathlib
import shutil
from typing import Any

import pytest

from tests import lazy, nodes

pusher = lazy.module("components.pusher")

pytestmark = pytest.mark.component


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
    return tmp_path / "serving" / "mnist"


@pytest.fixture
def one(tmp_path: pathlib.Path) -> pathlib.Path:
    return model(tmp_path / "one", "1.0")


@pytest.fixture
def two(tmp_path: pathlib.Path) -> pathlib.Path:
    return model(tmp_path / "two", "2.0")


def names(folder: pathlib.Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_first_version_is_1_and_holds_the_model(serving: pathlib.Path, one: pathlib.Path) -> None:
    assert pusher.push(one, serving) == serving / "1"
    assert names(serving) == ["1"]
    assert pusher.same_files(one, serving / "1")
    assert weights_of(serving / "1") == "1.0"


def test_next_model_is_the_next_version_and_the_last_one_stays(
    serving: pathlib.Path, one: pathlib.Path, two: pathlib.Path
) -> None:
    pusher.push(one, serving)
    assert pusher.push(two, serving) == serving / "2"
    assert [weights_of(serving / version) for version in ("1", "2")] == ["1.0", "2.0"]


def test_version_is_above_the_highest_number_not_the_last_name(
    serving: pathlib.Path, one: pathlib.Path, two: pathlib.Path
) -> None:
    for version in ("9", "10"):
        model(serving / version, version)
    assert pusher.push(one, serving) == serving / "11"
    shutil.rmtree(serving / "10")  # a gap is not filled: a server may have seen that number
    assert pusher.push(two, serving) == serving / "12"


def test_model_that_is_served_already_is_not_copied_again(serving: pathlib.Path, one: pathlib.Path) -> None:
    pusher.push(one, serving)
    served = (serving / "1" / "saved_model.pb").stat()
    assert pusher.push(one, serving) == serving / "1"
    assert names(serving) == ["1"]
    assert (serving / "1" / "saved_model.pb").stat() == served


def test_older_model_that_is_pushed_again_becomes_the_newest_version(
    serving: pathlib.Path, one: pathlib.Path, two: pathlib.Path
) -> None:
    for folder in (one, two, one):
        last = pusher.push(folder, serving)
    assert last == serving / "3"
    assert weights_of(last) == "1.0"


@pytest.mark.parametrize("change", ["changed", "missing", "added"])
def test_served_model_whose_files_differ_is_pushed_again(change: str, serving: pathlib.Path, one: pathlib.Path) -> None:
    file = pusher.push(one, serving) / "variables" / "variables.data-00000-of-00001"
    if change == "changed":  # as long and as old as before
        before = file.stat()
        file.write_text("9.9")
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    elif change == "missing":
        file.unlink()
    else:
        (serving / "1" / "added").touch()
    assert pusher.push(one, serving) == serving / "2"
    assert weights_of(serving / "2") == "1.0"


def test_copy_that_fails_leaves_no_version_and_the_served_one_as_it_was(
    serving: pathlib.Path, one: pathlib.Path, two: pathlib.Path
) -> None:
    pusher.push(one, serving)
    (two / "asset").symlink_to("nowhere")  # cannot be copied
    with pytest.raises(shutil.Error):
        pusher.push(two, serving)
    assert pusher.newest_version(serving) == serving / "1"
    assert not [name for name in names(serving) if name != "1" and not name.startswith(".")]
    assert weights_of(serving / "1") == "1.0"


def test_what_a_killed_push_left_behind_does_not_get_into_a_version(
    serving: pathlib.Path, one: pathlib.Path, two: pathlib.Path
) -> None:
    (two / "asset").symlink_to("nowhere")
    (two / "only_in_two").touch()
    with pytest.raises(shutil.Error):
        pusher.push(two, serving)
    assert pusher.push(one, serving) == serving / "1"
    assert names(serving) == ["1"]
    assert pusher.same_files(one, serving / "1")


def test_what_is_no_version_is_ignored_and_left_alone(serving: pathlib.Path, one: pathlib.Path) -> None:
    for name in ("notes", "7.bak", "-3", "v8"):
        (serving / name).mkdir(parents=True)
    (serving / "99").touch()  # a file
    before = names(serving)
    assert pusher.newest_version(serving) is None
    assert pusher.push(one, serving) == serving / "1"
    assert names(serving) == sorted([*before, "1"])


def test_there_is_no_newest_version_where_there_is_no_folder(serving: pathlib.Path) -> None:
    assert pusher.newest_version(serving) is None


def run(folder: pathlib.Path, blessed: bool) -> Any:
    """Runs the node on the model in `folder / "model"`; it serves from `folder / "serving"`."""
    blessing = nodes.artifact("ModelBlessing", folder / "blessing")
    blessing.set_int_custom_property("blessed", int(blessed))
    model_artifact = nodes.artifact("Model", folder / "model")
    pusher_node = nodes.make(folder, {})["Pusher"]
    outputs = nodes.run(pusher_node, folder / "Pusher", model=model_artifact, model_blessing=blessing)
    return outputs["pushed_model"]


def test_blessed_model_is_pushed_and_where_to_is_recorded(tmp_path: pathlib.Path) -> None:
    model(tmp_path / "model" / "Format-Serving", "1.0")
    pushed = run(tmp_path, blessed=True)
    assert weights_of(tmp_path / "serving" / "1") == "1.0"
    assert pushed.get_int_custom_property("pushed") == 1
    assert pushed.get_string_custom_property("pushed_destination") == str(tmp_path / "serving" / "1")
    assert pushed.get_string_custom_property("pushed_version") == "1"


def test_model_that_is_not_blessed_is_not_pushed(tmp_path: pathlib.Path) -> None:
    model(tmp_path / "model" / "Format-Serving", "1.0")
    pushed = run(tmp_path, blessed=False)
    assert not (tmp_path / "serving").exists()
    assert pushed.get_int_custom_property("pushed") == 0
    assert not pushed.has_custom_property("pushed_version")
