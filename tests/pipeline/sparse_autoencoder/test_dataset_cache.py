"""What a root remembers of its data sets."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import shutil

import pytest

from components.data import sample_path
from pipeline.core import file_digests, settings
from pipeline.core.errors import UnavailableError
from pipeline.core.pipeline_root import Root
from pipeline.sparse_autoencoder import dataset_cache


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """No prepared data set anywhere but where a test puts it."""
    monkeypatch.delenv("TFDS_DATA_DIR", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def recall(recorded, *assignments):
    request = settings.Request(assignments=assignments, root=str(recorded.root.path))
    return dataset_cache.recall(recorded.root, request, recorded.settings(*assignments))


def remembered(recorded):
    return json.loads((recorded.root.data / "sources.json").read_text())


def test_nothing_is_known_in_a_new_root(recorded):
    assert recall(recorded) is None
    assert not (recorded.root.data / "sources.json").exists()


def test_a_data_set_is_known_for_the_settings_that_found_it(recorded):
    recorded.remember()
    found = recall(recorded)
    assert (found.dataset, found.settings, found.exact) == (recorded.source(), recorded.settings(), True)


@pytest.mark.parametrize(
    "setting", ["training.epochs=3", "engine.beam_workers=4", "evaluation.max_bce=1", "data.download_timeout=1"]
)
def test_settings_that_do_not_choose_the_data_do_not_matter(recorded, setting):
    recorded.remember()
    assert recall(recorded, setting).exact


@pytest.mark.parametrize(
    "setting", ["data.train_split=train[:10]", "data.source=tfds", "data.schema=", "data.data_dir=/x"]
)
def test_with_other_data_settings_it_is_known_but_may_have_other_sizes(recorded, setting):
    recorded.remember()
    found = recall(recorded, setting)
    assert (found.dataset, found.settings.profile, found.exact) == (recorded.source(), "mnist", False)


def test_the_settings_themselves_go_before_others_of_the_same_data_set(recorded):
    for number, assignments in enumerate((["data.train_split=train[:10]"], [], ["data.train_split=train[:20]"])):
        dataset_cache.remember(recorded.root, recorded.settings(*assignments), recorded.source(version=f"{number}.0.0"))
    assert (recall(recorded).dataset.version, recall(recorded).exact) == ("1.0.0", True)
    other = recall(recorded, "data.train_split=train[:30]")
    assert (other.dataset.version, other.exact) == ("2.0.0", False)


def test_another_data_set_is_not_known(recorded):
    recorded.remember()
    assert recall(recorded, "data.dataset=kmnist") is None


def test_another_folder_of_data_sets_in_the_environment_is_another_question(recorded, monkeypatch):
    recorded.remember()
    monkeypatch.setenv("TFDS_DATA_DIR", "/elsewhere")
    assert not recall(recorded).exact


@pytest.mark.parametrize("how", ["setting", "environment"])
def test_the_same_relative_folder_seen_from_another_place_is_another_question(recorded, tmp_path, monkeypatch, how):
    assignments = ["data.data_dir=data"] if how == "setting" else []
    if how == "environment":
        monkeypatch.setenv("TFDS_DATA_DIR", "data")
    monkeypatch.chdir(tmp_path)
    recorded.remember(*assignments)
    assert recall(recorded, *assignments).exact
    monkeypatch.chdir(recorded.root.path)
    assert not recall(recorded, *assignments).exact
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "data"))
    assert how == "setting" or recall(recorded, *assignments).exact  # the same folder by its full name


def test_files_are_read_anew(recorded):
    recorded.remember()
    (recorded.data / "mnist-test.tfrecord").write_bytes(b"other images")
    (recorded.data / "new").write_bytes(b"abc")
    found = recall(recorded).dataset.files
    assert found == file_digests.of_folder(recorded.data)
    assert found["new"] == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert [entry["source"]["files"] for entry in remembered(recorded)] == [{}]


def test_another_version_beside_it_may_be_the_newest_now(recorded):
    (recorded.data.parent / "2.0.0").mkdir()
    recorded.remember()
    assert recall(recorded).exact
    (recorded.data.parent / "4.0.0").mkdir()
    assert recall(recorded) is None
    recorded.remember()
    assert recall(recorded).exact
    (recorded.data.parent / "2.0.0").rmdir()
    assert recall(recorded) is None


def test_a_vanished_folder_is_not_known(recorded):
    recorded.remember()
    shutil.rmtree(recorded.data)
    assert recall(recorded) is None
    recorded.data.touch()  # a file of that name is no data set
    assert recall(recorded) is None
    shutil.rmtree(recorded.data.parent)
    assert recall(recorded) is None


def test_a_recorded_data_set_that_was_moved_is_found_where_tfds_looks(recorded, tmp_path, monkeypatch):
    before = recorded.source()
    there = tmp_path / "elsewhere" / "mnist" / "3.0.1"
    there.parent.mkdir(parents=True)
    pathlib.Path(before.builder_dir).rename(there)
    words = (
        f"mnist 3.0.1 is no longer in {before.builder_dir}, nor in .*: restore it, or set TFDS_DATA_DIR to its folder"
    )
    with pytest.raises(UnavailableError, match=words):
        dataset_cache.refresh(before)
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "elsewhere"))
    assert dataset_cache.refresh(before) == dataclasses.replace(before, builder_dir=str(there))


def test_a_recorded_data_set_is_read_where_it_was_first(recorded, tmp_path, monkeypatch):
    (tmp_path / "elsewhere" / "mnist" / "3.0.1").mkdir(parents=True)
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "elsewhere"))
    assert dataset_cache.refresh(recorded.source()) == recorded.source()


def test_a_vanished_schema_is_not_known(recorded):
    recorded.remember()
    recorded.schema.unlink()
    assert recall(recorded) is None


# --- the sample --------------------------------------------------------------------------------


def remember_sample(recorded, *assignments):
    prepared = recorded.root.data / "mnist_sample" / "1.0.0"
    prepared.mkdir(parents=True, exist_ok=True)
    found = recorded.source(
        name=sample_path.NAME, version="1.0.0", builder_dir=str(prepared), files=dataset_cache.sample_files()
    )
    dataset_cache.remember(recorded.root, recorded.settings(*assignments), found)
    return found


def test_the_sample_is_told_by_the_file_that_holds_the_digits(recorded):
    assert dataset_cache.sample_files() == {"mnist_5k.csv.gz": file_digests.of_file(sample_path.path())}
    found = remember_sample(recorded)
    known = recall(recorded)
    assert (known.dataset, known.settings.profile, known.exact) == (found, "sample", True)
    assert dataset_cache.is_sample(found)
    assert not dataset_cache.is_sample(recorded.source())


@pytest.mark.parametrize("where", ["TFDS_DATA_DIR", "home"])
def test_the_sample_stands_in_until_there_is_a_prepared_copy(recorded, tmp_path, home, monkeypatch, where):
    folder = home / "tensorflow_datasets" if where == "home" else tmp_path / "prepared"
    if where == "TFDS_DATA_DIR":
        monkeypatch.setenv("TFDS_DATA_DIR", str(folder))
    remember_sample(recorded)
    (folder / "fashion_mnist").mkdir(parents=True)
    assert recall(recorded).settings.profile == "sample"
    (folder / "mnist").mkdir()
    assert recall(recorded) is None


@pytest.mark.parametrize("given", ["data.dataset=mnist", "data.data_dir=/nowhere"])
def test_the_sample_is_not_recalled_for_a_given_data_set_or_folder(recorded, given):
    remember_sample(recorded)  # without either
    remember_sample(recorded, given)  # an earlier version did
    assert recall(recorded, given) is None


def test_a_sample_that_was_asked_for_stays_the_sample(recorded, home):
    request = ["data.dataset=mnist_sample"]
    remember_sample(recorded, *request)
    (home / "tensorflow_datasets" / "mnist_sample").mkdir(parents=True)
    assert recall(recorded, *request).exact


def test_the_profile_of_the_sample_takes_the_place_of_the_one_asked_for():
    request = settings.Request(assignments=("training.epochs=3",))
    used = dataset_cache.of_sample(request, settings.resolve(request, {}))
    assert dataset_cache.of_sample(request, used) is used
    assert (used.profile, used.config.data.dataset) == ("sample", "mnist_sample")
    assert (used.config.evaluation.max_bce, used.config.training.epochs) == (0.2, 3)


# --- the file ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\xff\xfe", b"5", b"null", b"{}", b'{"asked": 1}', b"[5]", b'["x"]', b"[{}]", b'[{"asked": {}}]',
     b'[{"asked": 5, "profile": "", "source": {}, "beside": []}]',
     b'[{"asked": {}, "profile": "", "source": {}, "beside": []}]',
     b'[{"asked": {"data.dataset": "mnist"}, "profile": "", "source": {}, "beside": []}]',
     b'[{"asked": {"data.dataset": "mnist"}, "profile": "", "source": 5, "beside": []}]',
     b'[{"asked": {"data.dataset": "mnist"}, "profile": "", "source": {"label_names": [], "x": 1}, "beside": []}]'],
)  # fmt: skip
def test_a_damaged_file_is_as_good_as_none_and_is_written_anew(recorded, content):
    (recorded.root.data / "sources.json").write_bytes(content)
    assert recall(recorded) is None
    recorded.remember()
    assert recall(recorded).exact


def test_a_missing_field_of_a_data_set_is_damage(recorded):
    recorded.remember()
    [entry] = remembered(recorded)
    del entry["source"]["height"]
    (recorded.root.data / "sources.json").write_text(json.dumps([entry]))
    assert recall(recorded) is None


def test_what_is_remembered_again_is_there_once(recorded):
    for _ in range(3):
        recorded.remember()
        recorded.remember("data.train_split=train[:10]")
    assert len(remembered(recorded)) == 2


def test_the_newest_fifty_are_kept(recorded):
    for number in range(53):
        recorded.remember(f"data.train_split=train[:{number}]")
    splits = [entry["asked"]["data.train_split"] for entry in remembered(recorded)]
    assert splits == [f"train[:{number}]" for number in range(3, 53)]


def test_writing_leaves_nothing_unfinished(recorded):
    recorded.remember()
    assert os.listdir(recorded.root.data) == ["sources.json"]


# --- moved -------------------------------------------------------------------------------------


def test_in_a_moved_root_what_lies_within_is_found_again(recorded):
    prepared = recorded.root.data / "mnist" / "3.0.1"
    prepared.mkdir(parents=True)
    (prepared / "a").write_bytes(b"images")
    schema = recorded.root.data / "mnist-3.0.1.pbtxt"
    schema.write_text("feature {}")
    data_dir = f"data.data_dir={recorded.root.data}"
    found = recorded.source(builder_dir=str(prepared), schema_file=str(schema))
    dataset_cache.remember(recorded.root, recorded.settings(data_dir), found)
    assert str(recorded.root.path) not in (recorded.root.data / "sources.json").read_text()

    recorded.root = Root(recorded.root.path.rename(recorded.folder / "moved"))
    data_dir = f"data.data_dir={recorded.root.data}"
    recalled = recall(recorded, data_dir)
    assert recalled.exact
    assert recalled.dataset.builder_dir == str(recorded.folder / "moved" / "data" / "mnist" / "3.0.1")
    assert recalled.dataset.schema_file == str(recorded.folder / "moved" / "data" / "mnist-3.0.1.pbtxt")
    recorded.remember(data_dir)  # the same question: it takes the place of the other
    assert len(remembered(recorded)) == 1


def test_in_a_moved_root_what_lies_beside_it_stays_where_it_was(recorded):
    """A folder whose name begins with the root's is none within it."""
    beside = recorded.folder / "root2" / "mnist" / "3.0.1"
    beside.mkdir(parents=True)
    found = recorded.source(builder_dir=str(beside))
    dataset_cache.remember(recorded.root, recorded.settings(), found)
    recorded.root = Root(recorded.root.path.rename(recorded.folder / "moved"))
    recalled = recall(recorded)
    assert recalled.dataset.builder_dir == str(beside)
    assert recalled.dataset.schema_file == str(recorded.schema)


def test_a_curated_schema_is_the_one_of_the_project_that_asks(recorded, tmp_path, monkeypatch):
    """Two copies of the project may share a root."""
    for copy in ("one", "other"):
        (tmp_path / copy / "components" / "schemas").mkdir(parents=True)
        (tmp_path / copy / "components" / "schemas" / "mnist.pbtxt").write_text(copy)

    def use(copy):
        monkeypatch.setattr(sample_path, "__file__", str(tmp_path / copy / "components" / "sample_file.py"))
        return str(tmp_path / copy / "components" / "schemas" / "mnist.pbtxt")

    found = recorded.source(schema_file=use("one"))
    dataset_cache.remember(recorded.root, recorded.settings(), found)
    assert recall(recorded).dataset.schema_file == found.schema_file
    schema = use("other")
    assert recall(recorded).dataset.schema_file == schema
    assert pathlib.Path(schema).read_text() == "other"
