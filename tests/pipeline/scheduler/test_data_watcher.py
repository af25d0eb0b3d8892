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


@pytest.fixture
def root(tmp_path: pathlib.Path) -> Root:
    found = Root(tmp_path / "root")
    found.create()
    return found


def prepared(folder: pathlib.Path, version: str, content: str) -> pathlib.Path:
    place = folder / "mnist" / version
    place.mkdir(parents=True, exist_ok=True)
    (place / "train.tfrecord").write_text(content)
    return place


def test_the_newest_version_is_looked_at(tmp_path: pathlib.Path, root: Root) -> None:
    work = Work("mnist", assignments=(f"data.data_dir={tmp_path}",))
    sample = data_watcher.fingerprint(root, work)
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


def test_data_that_is_not_there(tmp_path: pathlib.Path, root: Root) -> None:
    for assignments in (("data.source=tfds",), ("data.dataset=fashion_mnist",)):
        assert (
            data_watcher.fingerprint(root, Work("mnist", assignments=(f"data.data_dir={tmp_path}", *assignments))) == ""
        )


def test_what_is_wrong_with_a_look_is_raised_when_asked_for(root: Root) -> None:
    woken = threading.Event()
    looks = data_watcher.DataWatcher(root, woken.set)
    with pytest.raises(UsageError, match="no setting 'x'"):
        until_known(looks, Work("mnist", assignments=("x=1",)))
    assert until_known(looks, Work("sample")) == data_watcher.fingerprint(root, Work("sample"))
    assert woken.wait(30)
    looks.stop()


def until_known(looks: data_watcher.DataWatcher, work: Work) -> str:
    while (found := looks.fingerprint(1, work)) is None:
        pass
    return found


def test_a_root_without_runs_has_none_on_any_data(root: Root) -> None:
    assert not data_watcher.was_run_on(root, "any")
    root.manifests.mkdir()
    (root.manifests / "a.json").write_text("damaged")
    assert not data_watcher.was_run_on(root, "any")
