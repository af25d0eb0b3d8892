"""The description of a data set: its fingerprint, and its JSON."""

from __future__ import annotations

import dataclasses
import hashlib
import json

from pipeline.core import serialization
from pipeline.sparse_autoencoder.image_dataset import ImageDataset

DESCRIBED = ImageDataset(
    builder_dir="/data/mnist/3.0.1",
    files={"b": "2", "a": "1"},
    name="mnist",
    version="3.0.1",
    height=28,
    width=28,
    label_names=("0", "1"),
    split_sizes={"train": 2, "validation": 1, "test": 1},
    schema_file="/schemas/mnist.pbtxt",
    notice="a notice",
)


def test_the_fingerprint_is_of_the_files_alone():
    expected = hashlib.sha256(b'{"a":"1","b":"2"}').hexdigest()
    assert DESCRIBED.fingerprint == expected
    elsewhere = dataclasses.replace(DESCRIBED, builder_dir="/x", schema_file="/y", name="z", files={"a": "1", "b": "2"})
    assert elsewhere.fingerprint == expected
    assert dataclasses.replace(DESCRIBED, files={"a": "1", "c": "2"}).fingerprint != expected


def test_a_dataset_survives_json():
    values = json.loads(json.dumps(dataclasses.asdict(DESCRIBED)))
    assert values["label_names"] == ["0", "1"]
    assert serialization.build(ImageDataset, values) == DESCRIBED
