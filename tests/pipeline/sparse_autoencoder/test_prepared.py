"""Prepared data sets are read without TensorFlow; the files here are written as TFDS writes them."""

from __future__ import annotations

import io
import json
import pathlib
import struct

import numpy as np
import pytest
from PIL import Image

from components.data.own_data import metadata
from pipeline.artifacts.payloads import examples
from pipeline.core.errors import NotFoundError, UnavailableError
from pipeline.sparse_autoencoder import prepared

IMAGES = {"a": np.arange(6, dtype=np.uint8).reshape(2, 3), "b": np.full((2, 3), 200, np.uint8)}


def store(data: pathlib.Path, name: str, own: bool = False, stored_as: str = "tfrecord") -> pathlib.Path:
    """Write version 1.2.3 of a data set: an image of label a and one of b to train, one of b to test."""
    folder = data / name / "1.2.3"
    folder.mkdir(parents=True)
    splits = {"train": [0, 1], "test": [1]}
    for split, labels in splits.items():
        content = b""
        for label in labels:
            example = examples.EXAMPLE()
            png = io.BytesIO()
            Image.fromarray(IMAGES["ab"[label]]).save(png, "PNG")
            example.features.feature["image"].bytes_list.value.append(png.getvalue())
            example.features.feature["label"].int64_list.value.append(label)
            record = example.SerializeToString()
            content += struct.pack("<Q", len(record)) + bytes(4) + record + bytes(4)
        (folder / f"{name}-{split}.{stored_as}-00000-of-00001").write_bytes(content)
    info = {
        "fileFormat": stored_as,
        "splits": [{"name": split, "shardLengths": [str(len(labels))]} for split, labels in splits.items()],
    }
    image = {"image": {"dtype": "uint8", "shape": {"dimensions": ["2", "3", "1"]}}, "pythonClassName": "x.Image"}
    features = {"image": image, "label": {"classLabel": {"numClasses": "2"}, "pythonClassName": "x.ClassLabel"}}
    (folder / "dataset_info.json").write_text(json.dumps(info))
    (folder / "features.json").write_text(json.dumps({"featuresDict": {"features": features}}))
    (folder / "label.labels.txt").write_text("a\nb\n")
    if own:
        facts = {"form": "folder of pictures", "range": [0, 255], "splits": "hash of the content", "options": {}}
        (folder / metadata.FILE).write_text(json.dumps({metadata.KEY: facts}))
    return folder


def test_data_sets_are_found_with_their_configs(tmp_path: pathlib.Path) -> None:
    store(tmp_path, "mine", own=True)
    store(tmp_path / "emnist", "letters")
    (tmp_path / "downloads").mkdir()
    (tmp_path / ".mine.abcdefgh.unfinished" / "mine" / "1.0.0").mkdir(parents=True)
    found = prepared.find(tmp_path)
    assert [(one.name, one.version, one.own) for one in found] == [
        ("emnist/letters", "1.2.3", False),
        ("mine", "1.2.3", True),
    ]
    assert found[1].splits == {"train": 2, "test": 1}
    assert found[1].features == {"image": "image 2x3x1 uint8", "label": "label, 2 names"}
    assert prepared.find(tmp_path / "none") == []


def test_labels_are_counted_and_examples_decoded(tmp_path: pathlib.Path) -> None:
    store(tmp_path, "mine")
    found = prepared.contents(prepared.named(tmp_path, "mine"))
    assert found.labels == {"train": {"a": 1, "b": 1}, "test": {"a": 0, "b": 1}}
    assert found.range == (0, 200)
    assert [one.label for one in found.examples] == ["a", "b"]
    np.testing.assert_array_equal(found.examples[0].values[..., 0], IMAGES["a"])


def test_no_label_is_counted_of_data_without_labels(tmp_path: pathlib.Path) -> None:
    features = store(tmp_path, "mine") / "features.json"
    described = json.loads(features.read_text())
    del described["featuresDict"]["features"]["label"]
    features.write_text(json.dumps(described))
    found = prepared.contents(prepared.named(tmp_path, "mine"))
    assert (found.labels, found.counted) == ({}, {})
    assert len(found.examples) == 2


@pytest.mark.parametrize("name", ["dataset_info.json", "features.json", "metadata.json"])
def test_a_damaged_data_set_is_listed_with_its_fault(tmp_path: pathlib.Path, name: str) -> None:
    (store(tmp_path, "mine", own=True) / name).write_text("{")
    [found] = prepared.find(tmp_path)
    assert name in found.fault
    with pytest.raises(UnavailableError, match="cannot be read"):
        prepared.contents(found)


def test_another_format_and_damaged_records_are_refused(tmp_path: pathlib.Path) -> None:
    store(tmp_path, "other", stored_as="array_record")
    with pytest.raises(UnavailableError, match="stored as array_record"):
        prepared.contents(prepared.named(tmp_path, "other"))
    path = store(tmp_path, "mine") / "mine-train.tfrecord-00000-of-00001"
    path.write_bytes(b"\xff" * 100)
    with pytest.raises(UnavailableError, match="is damaged"):
        prepared.contents(prepared.named(tmp_path, "mine"))


def test_an_unknown_name_suggests_a_near_one(tmp_path: pathlib.Path) -> None:
    store(tmp_path, "mine")
    store(tmp_path, "digits8")
    with pytest.raises(NotFoundError, match=r"no data set 'mime'; did you mean mine\?"):
        prepared.named(tmp_path, "mime")
    with pytest.raises(NotFoundError) as raised:
        prepared.named(tmp_path, "iris")
    assert "did you mean" not in str(raised.value)
    assert "`sae data list`" in str(raised.value)


def test_an_unknown_version_names_those_that_are_there(tmp_path: pathlib.Path) -> None:
    store(tmp_path, "mine")
    with pytest.raises(NotFoundError, match=r"'2\.0\.0' of data set 'mine' \(there are: 1\.2\.3\)"):
        prepared.named(tmp_path, "mine", "2.0.0")
