"""Own data becomes a data set that TFDS loads, with exactly the values that were given."""

from __future__ import annotations

import pathlib
import signal
import subprocess
import sys
import time
from typing import Any

import numpy as np
import pytest
from PIL import Image

from components.data.own_data.records import Options
from pipeline.core.errors import ExitCode, UnavailableError, UsageError
from pipeline.sparse_autoencoder import own_data, prepared
from tests import PROJECT, lazy
from tests.mounts import run_in_namespace

tf = lazy.module("tensorflow")
tfds = lazy.module("tensorflow_datasets")

pytestmark = pytest.mark.component


def add(data: pathlib.Path, name: str, path: pathlib.Path, **options: Any) -> list[str]:
    """Add a data set; return the warnings."""
    said: list[str] = []
    own_data.add(data, name, "1.0.0", path, Options(**options), said.append, lambda count: None)
    return said


def loaded(data: pathlib.Path, name: str) -> dict[str, dict[str, Any]]:
    """Every record by its id, as `tfds.load` gives it, with its split."""
    splits = tfds.load(name, data_dir=str(data))
    return {
        record["id"].decode(): {**record, "split": split}
        for split, records in splits.items()
        for record in tfds.as_numpy(records)
    }


@pytest.mark.parametrize(("kind", "channels"), [(np.uint8, 1), (np.uint8, 3), (np.uint16, 1), (np.float32, 1)])
def test_pictures_are_loaded_by_tfds(tmp_path: pathlib.Path, kind: Any, channels: int) -> None:
    chance = np.random.default_rng(1)
    given = {}
    for number in range(40):
        name = f"{'cat' if number % 2 else 'dog'}/{number}.tif"
        values = chance.integers(0, 250, (5, 6, channels) if channels > 1 else (5, 6)).astype(kind)
        (tmp_path / "pictures" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(values).save(tmp_path / "pictures" / name)
        given[name] = values.reshape(5, 6, channels)
    add(tmp_path / "data", "mine", tmp_path / "pictures")
    found = loaded(tmp_path / "data", "mine")
    assert found.keys() == given.keys()
    for name, record in found.items():
        assert record["image"].dtype == kind
        np.testing.assert_array_equal(record["image"], given[name])
        assert record["label"] == (0 if name.startswith("cat") else 1)
    assert {record["split"] for record in found.values()} == {"train", "validation", "test"}
    contents = prepared.contents(prepared.named(tmp_path / "data", "mine"))
    assert {split: sum(counts.values()) for split, counts in contents.labels.items()} == {
        split: sum(record["split"] == split for record in found.values()) for split in contents.labels
    }
    example = contents.examples[0].values
    assert any(np.array_equal(example, values) for values in given.values())
    builder = tfds.builder("mine", data_dir=str(tmp_path / "data"))
    assert builder.info.features["label"].names == ["cat", "dog"]
    assert builder.info.metadata["sae_data_add"]["form"] == "folder of pictures"


def test_vectors_without_labels_and_duplicates_across_splits(tmp_path: pathlib.Path) -> None:
    values = np.random.default_rng(1).normal(size=(50, 7))
    values[1] = values[0]
    groups = np.arange(50)
    np.savez(tmp_path / "a.npz", x=values, patient=groups)
    said = add(tmp_path / "data", "mine", tmp_path / "a.npz", group="patient", seed=2)
    found = loaded(tmp_path / "data", "mine")
    for row, record in found.items():
        assert record.keys() == {"vector", "id", "split"}
        np.testing.assert_array_equal(record["vector"], values[int(row)].astype(np.float32))
    crossing = found["0"]["split"] != found["1"]["split"]
    assert any("of another split" in text for text in said) == crossing
    assert any("1 record is equal" in text for text in said)


def test_equal_data_gives_equal_files(tmp_path: pathlib.Path) -> None:
    """Protobuf writes the features of a record in another order in each process, unless the features are sorted."""
    np.savez(tmp_path / "a.npz", x=np.random.default_rng(1).normal(size=(50, 7)), y=np.arange(50) % 3)
    add(tmp_path / "data", "mine", tmp_path / "a.npz")
    files = sorted((tmp_path / "data" / "mine" / "1.0.0").glob("*.tfrecord*"))
    records = [record.numpy() for path in files for record in tf.data.TFRecordDataset(str(path))]
    assert len(records) == 50
    for record in records:
        assert record == tf.train.Example.FromString(record).SerializeToString(deterministic=True)
        assert record.index(b"id") < record.index(b"label") < record.index(b"vector")


def test_added_files_do_not_reorder_the_others(tmp_path: pathlib.Path) -> None:
    chance = np.random.default_rng(1)
    (tmp_path / "pictures").mkdir()

    def save(name: str) -> None:
        Image.fromarray(chance.integers(0, 250, (2, 3), np.uint8)).save(tmp_path / "pictures" / name)

    for number in range(40):
        save(f"b{number}.png")
    add(tmp_path / "data", "few", tmp_path / "pictures")
    save("a.png")
    (tmp_path / "pictures" / "c.png").write_bytes((tmp_path / "pictures" / "b7.png").read_bytes())
    add(tmp_path / "data", "more", tmp_path / "pictures")
    few, more = list(loaded(tmp_path / "data", "few")), list(loaded(tmp_path / "data", "more"))
    assert len(more) == 42
    assert [name for name in more if name not in ("a.png", "c.png")] == few


def test_a_failed_add_leaves_nothing(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from components.data.own_data import builder, survey

    np.save(tmp_path / "a.npy", np.random.default_rng(1).normal(size=(50, 7)))
    with pytest.raises(UsageError, match="'mnist' is a data set of TensorFlow Datasets"):
        add(tmp_path / "data", "mnist", tmp_path / "a.npy")
    surveyed = survey.survey

    def changed(*given: Any) -> survey.Survey:
        found = surveyed(*given)
        np.save(tmp_path / "a.npy", np.zeros((50, 7)))
        return found

    monkeypatch.setattr(survey, "survey", changed)
    with pytest.raises(UnavailableError, match="changed while it was read"):
        add(tmp_path / "data", "mine", tmp_path / "a.npy")
    assert builder.known_names()
    assert list((tmp_path / "data").iterdir()) == []


def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path: pathlib.Path) -> None:
    np.save(tmp_path / "a.npy", np.random.default_rng(1).normal(size=(2_000, 256)))
    (tmp_path / "data").mkdir()
    program = f"""
import os, sys
sys.path.insert(0, {str(PROJECT)!r})
from pipeline import cli
try:
    cli.main(["data", "add", "mine", sys.argv[1], "--data-dir", sys.argv[2]])
finally:
    print(os.listdir(sys.argv[2]))
"""
    mount = f"mount -t tmpfs -o size=1m tmpfs {tmp_path / 'data'}"
    done = run_in_namespace(mount, program, tmp_path / "a.npy", tmp_path / "data")
    assert (done.returncode, done.stdout) == (ExitCode.ENVIRONMENT, "[]\n"), done.stderr
    assert f"error: the data set cannot be written in {tmp_path / 'data'}: " in done.stderr
    assert "No space left on device" in done.stderr
    assert "free space" in done.stderr
    assert "--data-dir" in done.stderr


def test_a_killed_add_leaves_nothing_that_counts(tmp_path: pathlib.Path) -> None:
    data = tmp_path / "data"
    np.save(tmp_path / "a.npy", np.random.default_rng(1).normal(size=(20_000, 64)))
    command = [sys.executable, "-m", "pipeline", "data", "add", "mine", tmp_path / "a.npy", "--data-dir", data]
    with subprocess.Popen(command, cwd=PROJECT, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
        while not list(data.glob(".mine.*.unfinished/mine/*")) and process.poll() is None:
            time.sleep(0.01)
        process.kill()
    assert process.returncode == -signal.SIGKILL
    assert [path.name.startswith(".mine.") for path in data.iterdir()] == [True]
    assert prepared.find(data) == []
    np.save(tmp_path / "a.npy", np.random.default_rng(1).normal(size=(50, 2)))
    add(data, "mine", tmp_path / "a.npy")
    assert [path.name for path in data.iterdir()] == ["mine"]
