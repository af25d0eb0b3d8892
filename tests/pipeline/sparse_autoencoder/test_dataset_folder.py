"""Prepared data sets on disk, and when the sample may replace one."""

from __future__ import annotations

import json
import pathlib
import sys

import pytest

import pipeline_config
from pipeline.core import settings
from pipeline.core.errors import UnavailableError, UsageError
from pipeline.core.pipeline_root import Root
from pipeline.definition.spec import DataLookup
from pipeline.sparse_autoencoder import dataset_folder


@pytest.fixture(autouse=True)
def home(monkeypatch, tmp_path):
    """No prepared data sets but those that a test makes."""
    monkeypatch.delenv("TFDS_DATA_DIR", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def prepare(folder: pathlib.Path, dataset: str = "mnist", version: str = "3.0.1", stored_as: str = "tfrecord"):
    place = folder / dataset / version
    place.mkdir(parents=True)
    (place / "dataset_info.json").write_text(json.dumps({"name": dataset, "fileFormat": stored_as}))
    (place / "features.json").touch()
    return place


def asked(*assignments: str, profile: str = "", file: pathlib.Path | None = None) -> settings.Settings:
    return settings.resolve(settings.Request(profile, file, assignments), {})


def look_up(*assignments: str, **request) -> DataLookup:
    return dataset_folder.look_up(asked(*assignments, **request))


# --- where ---------------------------------------------------------------------------------------


def test_the_setting_goes_before_the_environment_and_that_before_the_default(monkeypatch, tmp_path):
    assert dataset_folder.data_folder(asked().config.data) == tmp_path / "tensorflow_datasets"
    monkeypatch.setenv("TFDS_DATA_DIR", "~/of environment")
    assert dataset_folder.data_folder(asked().config.data) == tmp_path / "of environment"
    assert dataset_folder.data_folder(asked("data.data_dir=~/x").config.data) == tmp_path / "x"
    monkeypatch.chdir(tmp_path)
    assert dataset_folder.data_folder(asked("data.data_dir=y").config.data) == tmp_path / "y"


@pytest.mark.parametrize("folder", ["gs://bucket/sets", "~no-such-user/sets", "works?", "exp[1]", "a*b", "back\\slash"])
def test_a_folder_that_tfds_would_read_otherwise_is_refused(monkeypatch, folder):
    with pytest.raises(UsageError, match=r"data\.data_dir"):
        look_up(f"data.data_dir={folder}")
    monkeypatch.setenv("TFDS_DATA_DIR", folder)
    with pytest.raises(UsageError, match="TFDS_DATA_DIR"):
        look_up()


def test_a_link_to_a_pattern_is_refused(tmp_path):
    (tmp_path / "works?").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "works?")
    with pytest.raises(UsageError, match="works"):
        look_up(f"data.data_dir={tmp_path / 'link'}")


def test_a_folder_with_too_long_a_path_is_unavailable(monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", "/x" * 3000)
    with pytest.raises(UnavailableError, match="too long"):
        look_up()


# --- what ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("dataset", ["mnist", "emnist/letters"])
@pytest.mark.parametrize("where", ["setting", "environment", "default"])
def test_a_prepared_data_set_is_found(monkeypatch, home, tmp_path, dataset, where):
    folder = home / "tensorflow_datasets" if where == "default" else tmp_path / "sets"
    place = prepare(folder, dataset)
    if where == "environment":
        monkeypatch.setenv("TFDS_DATA_DIR", str(folder))
    assignments = [f"data.data_dir={folder}"] if where == "setting" else []
    assert look_up(f"data.dataset={dataset}", *assignments) == DataLookup(True, f"{dataset} prepared in {place}")


def test_of_several_versions_the_newest_is_found(tmp_path):
    prepare(tmp_path, version="3.0.1")
    newest = prepare(tmp_path, version="10.0.0")
    assert look_up(f"data.data_dir={tmp_path}").found == f"mnist prepared in {newest}"


def test_a_data_set_with_configs_is_found(tmp_path):
    prepare(tmp_path, "emnist/letters")
    found = look_up("data.dataset=emnist", f"data.data_dir={tmp_path}")
    assert found == DataLookup(True, f"emnist prepared in {tmp_path / 'emnist'}")


def test_the_sample_is_always_there():
    assert (
        look_up("data.source=sample")
        == look_up(profile="sample")
        == DataLookup(True, "the embedded sample (5,000 digits)")
    )


@pytest.mark.parametrize("missing", ["features.json", "dataset_info.json"])
def test_an_incomplete_data_set_is_refused_and_named(tmp_path, missing):
    prepare(tmp_path, version="3.0.0")
    place = prepare(tmp_path)
    (place / missing).unlink()
    with pytest.raises(UnavailableError, match=rf"{place} is incomplete: it has no {missing}; prepare it again"):
        look_up(f"data.data_dir={tmp_path}")


@pytest.mark.parametrize("stored_as", ["array_record", "riegeli", "parquet"])
def test_another_file_format_is_refused_and_named(tmp_path, stored_as):
    place = prepare(tmp_path, stored_as=stored_as)
    with pytest.raises(UnavailableError, match=rf"{place} is stored as {stored_as}, this pipeline reads tfrecord"):
        look_up(f"data.data_dir={tmp_path}")


@pytest.mark.parametrize("text", ["", "{", "[]", "5", "[" * 10_000])
def test_a_damaged_description_is_refused_and_named(tmp_path, text):
    place = prepare(tmp_path)
    (place / "dataset_info.json").write_text(text)
    with pytest.raises(UnavailableError, match=rf"{place} is damaged: dataset_info.json cannot be read"):
        look_up(f"data.data_dir={tmp_path}")


# --- the sample ----------------------------------------------------------------------------------


def test_the_sample_replaces_mnist_where_nothing_is_given(home):
    found = look_up()
    assert found == DataLookup(
        True,
        f"mnist is not in {home / 'tensorflow_datasets'}; a run will try to download mnist, or else use the embedded "
        "sample",
    )
    assert dataset_folder.sample_allowed(asked(profile="mnist"))


def test_the_folder_of_all_data_sets_of_a_machine_does_not_forbid_the_sample(monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", "/data")
    assert look_up().good


@pytest.mark.parametrize("given", ["data.dataset=mnist", "data.data_dir=/nowhere", "data.source=tfds"])
@pytest.mark.parametrize("how", ["option", "file"])
def test_a_given_data_set_or_folder_is_never_replaced(tmp_path, given, how):
    file = tmp_path / "settings.toml"
    name, _, value = given.removeprefix("data.").partition("=")
    file.write_text(f'[data]\n{name} = "{value}"\n')
    request = {"file": file} if how == "file" else {}
    found = look_up(*([given] if how == "option" else []), **request)
    assert not found.good
    assert found.found.startswith("mnist is not in /")
    assert found.advice.startswith("a run will try to download mnist; or set TFDS_DATA_DIR")


def test_an_empty_folder_is_not_given():
    assert dataset_folder.sample_allowed(asked("data.data_dir="))


def test_another_data_set_is_never_replaced():
    assert not look_up("data.dataset=kmnist").good
    assert not look_up(profile="fashion_mnist").good


@pytest.mark.parametrize("name", ["mnist:3.0.1", "MNIST", "mnist/3.0.1", "", "../mnist", "/", "mnist/..", "Emnist/x"])
def test_other_names_of_a_data_set_are_refused(name):
    with pytest.raises(UsageError, match=r"data\.dataset = '.*' is not allowed: it must be NAME or NAME/CONFIG"):
        asked(f"data.dataset={name}")


@pytest.mark.parametrize("name", ["mnist", "emnist/letters", "mnist_corrupted/dotted_line", "x/a-1.0+b", "d4rl/v0"])
def test_names_of_tfds_are_allowed(name):
    assert asked(f"data.dataset={name}").config.data.dataset == name


def test_own_splits_are_the_default_if_there_are_three_and_given_ones_are_kept():
    def splits(*known, **given):
        return tuple(dataset_folder.splits(pipeline_config.DataConfig(**given), known).values())

    assert splits("train", "test") == splits() == ("train[:83%]", "train[83%:]", "test")
    assert splits("train", "validation", "test", "extra") == ("train", "validation", "test")
    assert splits("train", "validation", "test", test_split="extra") == ("train", "validation", "extra")
    assert splits("train", "test", train_split="train[:9]") == ("train[:9]", "train[83%:]", "test")


# --- the root ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("held", "given", "advice"),
    [
        ("signals", (), "add --set data.dataset=signals"),
        ("signals", ("data.dataset=cells",), "give --set data.dataset=signals in place of --set data.dataset=cells"),
        ("signals", ("data.source=sample",), "give --set data.dataset=signals in place of --set data.source=sample"),
        ("mnist_sample", ("data.dataset=mnist",), "give --profile sample in place of --set data.dataset=mnist"),
        ("fashion_mnist", (), "add --profile fashion_mnist"),
        ("mnist_sample", (), ""),
        ("mnist", (), ""),
        ("emnist/letters", ("data.dataset=emnist",), ""),
    ],
)
def test_another_data_set_than_that_of_the_root_is_refused_with_its_options(tmp_path, held, given, advice):
    root = Root(tmp_path / "root")
    root.create()
    root.claim_dataset(held)
    if not advice:
        look_up(f"paths.root={root.path}", *given)
        return
    with pytest.raises(UsageError, match=f"contains runs on data set {held}, .*: {advice}, or"):
        look_up(f"paths.root={root.path}", *given)


def test_the_refusal_of_another_data_set_names_the_file_that_chose_it(tmp_path):
    root, file = Root(tmp_path / "root"), tmp_path / "mine.toml"
    root.create()
    root.claim_dataset("mnist_sample")
    file.write_text('[data]\ndataset = "cells"\n')
    request = settings.Request(config_file=file, root=str(root.path))
    with pytest.raises(UsageError, match=f"give --profile sample in place of data.dataset in {file}, or"):
        dataset_folder.check_root(settings.resolve(request, environ={}))


# --- what a run refuses ----------------------------------------------------------------------------


@pytest.mark.parametrize("profile", ["sample", "mnist", "fashion_mnist"])
def test_a_size_that_the_schema_does_not_allow_is_refused(profile):
    with pytest.raises(UsageError) as raised:
        look_up("data.size=256x256", profile=profile)
    for words in ("data.size", "256x256", "28x28", "data.schema", "--set data.schema="):
        assert words in str(raised.value)
    look_up("data.size=28x28", profile=profile)
    look_up("data.size=256x256", "data.schema=", profile=profile)


def test_an_unknown_schema_is_refused():
    with pytest.raises(UsageError, match=r"data\.schema: .*letters.*fashion_mnist, mnist; leave it empty"):
        look_up("data.schema=letters")


def test_the_sample_is_not_another_data_set():
    with pytest.raises(UsageError, match=r"data\.source = sample contains digits of mnist, not kmnist"):
        look_up("data.dataset=kmnist", "data.source=sample")


@pytest.mark.parametrize(("name", "meant"), [("cell", "cells"), ("fashion_mnst", "fashion_mnist"), ("qqqqq", "")])
@pytest.mark.parametrize("folder", [True, False])
def test_a_name_that_neither_the_folder_nor_tfds_knows_is_refused(monkeypatch, home, name, meant, folder):
    monkeypatch.delitem(sys.modules, "tensorflow_datasets", raising=False)
    sets = home / "sets"
    prepare(sets, "cells")
    option = [f"data.data_dir={sets}"] if folder else []
    monkeypatch.setenv("TFDS_DATA_DIR", str(sets))
    with pytest.raises(UsageError) as raised:
        look_up(f"data.dataset={name}", *option)
    message = str(raised.value)
    assert f"{sets} holds no prepared data set {name!r}" in message
    assert (f"did you mean {meant}?" in message) if meant else ("did you mean" not in message)


@pytest.mark.parametrize("name", ["kmnist", "emnist", "emnist/letters", "cifar10_1", "wmt19_translate", "iris"])
def test_a_name_that_tfds_can_download_is_not_refused(monkeypatch, name):
    monkeypatch.delitem(sys.modules, "tensorflow_datasets", raising=False)
    assert not look_up(f"data.dataset={name}").good


def test_a_file_in_place_of_the_data_folder_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UnavailableError, match="it is not a folder"):
        look_up(f"data.data_dir={tmp_path / 'file'}")
