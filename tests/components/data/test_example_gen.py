"""ExampleGen: which files it writes, what is in them, and that nothing but the data decides it."""

from __future__ import annotations

import pathlib
from typing import Any

import pytest

from components import errors
from pipeline_config import Value
from tests import lazy, nodes, tfds_builders
from tests.tfds_builders import HEIGHT, LABELS, WIDTH

tf = lazy.module("tensorflow")
tfds_reader = lazy.module("components.data.tfds_reader")
tfds = lazy.module("tensorflow_datasets")

pytestmark = pytest.mark.component

SPLITS: dict[str, Value] = {
    "data.train_split": "train[:60]",
    "data.validation_split": "train[60:]",
    "data.test_split": "test[:15]",
    "data.shard_examples": 25,
}


@pytest.fixture(scope="module")
def builder_dir(tmp_path_factory: pytest.TempPathFactory) -> str:
    """90 images to train in three files, 31 to test, shuffled as TFDS does it."""
    records = {"train": tfds_builders.bands(range(90)), "test": tfds_builders.bands(range(100, 131))}
    return tfds_builders.prepare(tmp_path_factory.mktemp("data"), records, files=3)


def example_gen(folder: pathlib.Path, builder_dir: str, **changes: Value) -> Any:
    """Runs ExampleGen and returns its artifact; `changes` are settings of `data`."""
    settings = SPLITS | {f"data.{name}": value for name, value in changes.items()}
    component = nodes.make(folder, settings, builder_dir)["ExampleGen"]
    return nodes.run(component, folder)["examples"]


@pytest.fixture(scope="module")
def examples(builder_dir: str, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return example_gen(tmp_path_factory.mktemp("examples"), builder_dir)


def contents(examples: Any) -> dict[str, bytes]:
    """Every file of the artifact by its path."""
    root = pathlib.Path(examples.uri)
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def features_of(examples: Any, split: str) -> list[dict[str, Any]]:
    """Every example of a split, in the order of its files: values by feature."""
    files = sorted(map(str, pathlib.Path(examples.uri, f"Split-{split}").iterdir()))
    found = []
    for record in tf.data.TFRecordDataset(files).as_numpy_iterator():
        feature = tf.train.Example.FromString(record).features.feature
        found.append({name: list(getattr(value, value.WhichOneof("kind")).value) for name, value in feature.items()})
    return found


def test_a_split_is_cut_into_files_of_shard_examples(examples: Any) -> None:
    assert list(contents(examples)) == [
        "Split-test/test-00000-of-00001.tfrecord",
        "Split-train/train-00000-of-00003.tfrecord",
        "Split-train/train-00001-of-00003.tfrecord",
        "Split-train/train-00002-of-00003.tfrecord",
        "Split-validation/validation-00000-of-00002.tfrecord",
        "Split-validation/validation-00001-of-00002.tfrecord",
    ]
    files = sorted(pathlib.Path(examples.uri).rglob("train-*"))
    assert [sum(1 for _ in tf.data.TFRecordDataset(str(file))) for file in files] == [25, 25, 10]


@pytest.mark.parametrize(
    ("split", "of_tfds"), [("train", "train[:60]"), ("validation", "train[60:]"), ("test", "test[:15]")]
)
def test_a_split_holds_the_images_and_labels_of_tfds_s_own(
    split: str, of_tfds: str, builder_dir: str, examples: Any
) -> None:
    records = tfds.as_numpy(tfds.builder_from_directory(builder_dir).as_dataset(split=of_tfds))
    expected = sorted((record["image"].tobytes(), record["label"]) for record in records)
    found = features_of(examples, split)
    decoded = [(tf.io.decode_png(example["image"][0]).numpy().tobytes(), example["label"][0]) for example in found]
    assert sorted(decoded) == expected


def test_an_example_holds_the_file_its_shape_and_its_label(builder_dir: str, examples: Any) -> None:
    files = sorted(map(str, pathlib.Path(builder_dir).glob("*-train.*")))
    originals = [
        tf.train.Example.FromString(record).features.feature["image"].bytes_list.value[0]
        for record in tf.data.TFRecordDataset(files).as_numpy_iterator()
    ]
    found = features_of(examples, "train") + features_of(examples, "validation")
    assert [example["image"] for example in found] == [[png] for png in originals]
    assert {tuple(sorted(example)) for example in found} == {("height", "image", "label", "width")}
    assert {(*example["height"], *example["width"]) for example in found} == {(HEIGHT, WIDTH)}


def test_two_runs_write_the_same_bytes(builder_dir: str, examples: Any, tmp_path: pathlib.Path) -> None:
    assert contents(example_gen(tmp_path, builder_dir)) == contents(examples)


def test_many_files_are_written_from_few_streams(
    builder_dir: str, examples: Any, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To start a stream, TensorFlow reads all records before it."""
    read = tfds_reader.records
    opened = tmp_path / "opened"

    def noted(builder_dir: str, description: Any, part: Any) -> Any:
        with opened.open("a", encoding="utf-8") as file:
            file.write(f"{part.split} {part.start} {part.stop}\n")
        return read(builder_dir, description, part)

    monkeypatch.setattr("components.data.tfds_reader.records", noted)
    made = example_gen(tmp_path / "made", builder_dir, shard_examples=1)
    assert len(contents(made)) == 60 + 30 + 15
    streams = opened.read_text(encoding="utf-8").splitlines()
    assert len(streams) == 15 + 15 + 15  # at most 16 of a split: 4, 2 and 1 files each
    assert "train 56 60" in streams
    for split in ("train", "validation", "test"):
        assert features_of(made, split) == features_of(examples, split)


def test_properties_say_where_the_examples_are_from(examples: Any) -> None:
    assert examples.split_names == '["train", "validation", "test"]'
    texts = ("dataset", "dataset_version", "dataset_fingerprint", "image_shape", "payload_format")
    assert {name: examples.get_string_custom_property(name) for name in texts} == {
        "dataset": "bands",
        "dataset_version": "1.2.3",
        # SHA-256 of {"bands.tfrecord":"a-digest"}, by sha256sum
        "dataset_fingerprint": "e7bd99cd914d9964c75cb70b718057b5eda0a5b85cc69e29ded0b93c3bff6396",
        "image_shape": "6x8x1",
        "payload_format": "FORMAT_TF_EXAMPLE",
    }
    numbers = ("labels", "train_examples", "validation_examples", "test_examples")
    assert [examples.get_int_custom_property(name) for name in numbers] == [LABELS, 60, 30, 15]


def test_an_empty_split_gets_one_empty_file(builder_dir: str, tmp_path: pathlib.Path) -> None:
    found = example_gen(tmp_path, builder_dir, validation_split="train[90:]")
    validation = {path: content for path, content in contents(found).items() if "validation" in path}
    assert validation == {"Split-validation/validation-00000-of-00001.tfrecord": b""}
    assert found.get_int_custom_property("validation_examples") == 0


def test_a_split_may_be_made_of_several_of_the_data_sets_own(builder_dir: str, tmp_path: pathlib.Path) -> None:
    found = example_gen(tmp_path, builder_dir, train_split="train", test_split="train[:10]+test[:5]")
    train, test = features_of(found, "train"), features_of(found, "test")
    assert test[:10] == train[:10]
    assert len(test) == 15
    assert not any(example in train for example in test[10:])


def test_unknown_split_is_refused_before_anything_is_written(builder_dir: str, tmp_path: pathlib.Path) -> None:
    with pytest.raises(errors.DataError, match=r"'validation'.*bands/1\.2\.3"):
        example_gen(tmp_path, builder_dir, validation_split="validation")
    assert not list(tmp_path.rglob("*.tfrecord*"))


def test_slice_of_a_damaged_data_set_gets_no_finished_file(tmp_path: pathlib.Path) -> None:
    builder_dir = tfds_builders.prepare(tmp_path / "data", {"train": tfds_builders.bands(range(30))})
    [file] = pathlib.Path(builder_dir).glob("*.tfrecord*")
    content = bytearray(file.read_bytes())
    content[-20] ^= 1  # in the last record, so in the second slice
    file.write_bytes(content)
    with pytest.raises(errors.DataError, match=r"bands.*\b29\b.*train"):
        example_gen(tmp_path / "out", builder_dir, train_split="train", validation_split="train", test_split="train")
    finished = {path.name for path in (tmp_path / "out").rglob("*.tfrecord")}
    assert finished == {"train-00000-of-00002.tfrecord"}
