from __future__ import annotations

import pathlib
import threading

import pytest

from components.data import sample_path
from pipeline.core import file_digests
from pipeline.core.errors import UsageError
from pipeline.core.pipeline_root import Root
from pipeline.scheduler import data_watcher
from pipeline.scheduler.types import Work


def prepared(folder: pathlib.Path, version: str, content: str) -> pathlib.Path:
    place = folder / "mnist" / version
    place.mkdir(parents=True, exist_ok=True)
    (place / "train.tfrecord").write_text(content)
    for name in ("dataset_info.json", "features.json"):
        (place / name).write_text("{}")
    return place


def test_the_newest_version_is_read(tmp_path: pathlib.Path, root: Root) -> None:
    work = Work("mnist", assignments=(f"data.data_dir={tmp_path}",))
    assert data_watcher.fingerprint(root, work) == ""  # the sample never replaces a folder that was given
    sample = data_watcher.fingerprint(root, Work("sample"))
    assert sample == file_digests.of_mapping({sample_path.path().name: file_digests.of_file(sample_path.path())})
    old = prepared(tmp_path, "3.0.1", "one")
    first = data_watcher.fingerprint(root, work)
    assert first == file_digests.of_mapping(file_digests.of_folder(old))
    (old / "train.tfrecord").touch()
    assert data_watcher.fingerprint(root, work) == first
    prepared(tmp_path, "3.0.1", "two")
    second = data_watcher.fingerprint(root, work)
    prepared(tmp_path, "10.0.0", "three")
    (tmp_path / "mnist" / "11.0.0.incomplete").mkdir()
    third = data_watcher.fingerprint(root, work)
    assert len({sample, first, second, third}) == 4
    assert third == file_digests.of_mapping(file_digests.of_folder(tmp_path / "mnist" / "10.0.0"))


def test_missing_data(tmp_path: pathlib.Path, root: Root) -> None:
    for assignments in (("data.source=tfds",), ("data.dataset=fashion_mnist",)):
        assert (
            data_watcher.fingerprint(root, Work("mnist", assignments=(f"data.data_dir={tmp_path}", *assignments))) == ""
        )


def test_an_error_of_a_check_is_raised(root: Root) -> None:
    woken = threading.Event()
    watcher = data_watcher.DataWatcher(root, woken.set)
    with pytest.raises(UsageError, match="'x'"):
        until_known(watcher, Work("mnist", assignments=("x=1",)))
    assert until_known(watcher, Work("sample")) == data_watcher.fingerprint(root, Work("sample"))
    assert woken.wait(30)
    watcher.stop()


def until_known(watcher: data_watcher.DataWatcher, work: Work) -> str:
    while (found := watcher.fingerprint(1, work)) is None:
        pass
    return found


def test_a_root_without_runs(root: Root) -> None:
    assert not data_watcher.was_run_on(root, "any")
    root.manifests.mkdir()
    (root.manifests / "a.json").write_text("damaged")
    assert not data_watcher.was_run_on(root, "any")
