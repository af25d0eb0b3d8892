"""Which data sets can be used, how their splits are cut, and that damage is found."""

from __future__ import annotations

import io
import pathlib
import re
import struct
import tracemalloc
from typing import Any

import numpy as np
import pytest
from PIL import Image

from components import errors
from tests import lazy, tfds_builders
from tests.tfds_builders import HEIGHT, LABELS, WIDTH

tf = lazy.module("tensorflow")
tfds = lazy.module("tensorflow_datasets")
tfds_reader = lazy.module("components.data.tfds_reader")

pytestmark = pytest.mark.component


def describe(builder_dir: str) -> tfds_reader.Description:
    return tfds_reader.describe(tfds.builder_from_directory(builder_dir))


def read(builder_dir: str, split: str, start: int, stop: int) -> list[tuple[bytes, int]]:
    found = tfds_reader.records(builder_dir, describe(builder_dir), tfds_reader.Slice(split, start, stop))
    return [(one.data, one.label) for one in found]


def decode(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)))[:, :, np.newaxis]


def record_file(builder_dir: str, split: str = "train") -> pathlib.Path:
    [file] = pathlib.Path(builder_dir).glob(f"*-{split}.tfrecord*")
    return file


def record_starts(content: bytes) -> list[int]:
    """Where each record of a TFRecord file begins; a record is its length, a checksum, the data and a checksum."""
    starts = [0]
    while starts[-1] < len(content):
        starts.append(starts[-1] + 8 + 4 + struct.unpack_from("<Q", content, starts[-1])[0] + 4)
    return starts


@pytest.fixture(scope="module")
def ninety(tmp_path_factory: pytest.TempPathFactory) -> str:
    """90 images to train, 31 to test, in the order of their numbers."""
    folder = tmp_path_factory.mktemp("ninety")
    records = {"train": tfds_builders.bands(range(90)), "test": tfds_builders.bands(range(100, 131))}
    return tfds_builders.prepare(folder, records, in_order=True)


def test_description_says_what_the_data_set_holds(ninety: str) -> None:
    assert describe(ninety) == tfds_reader.Description(
        name="bands",
        version="1.2.3",
        kind="image",
        shape=(HEIGHT, WIDTH, 1),
        dtype="uint8",
        data_key="image",
        label_key="label",
        label_names=("0", "1", "2"),
        split_sizes={"train": 90, "test": 31},
    )


def test_features_may_have_other_names_and_labels_words(tmp_path: pathlib.Path) -> None:
    features = {
        "number": tfds.features.Scalar(tf.int64),
        "picture": tfds.features.Image(shape=(HEIGHT, WIDTH, 1)),
        "kind": tfds.features.ClassLabel(names=["cat", "dog"]),
    }
    record = {"number": 7, "picture": tfds_builders.band(0), "kind": "dog"}
    builder_dir = tfds_builders.prepare(tmp_path, {"train": [record]}, features=features, config="small")
    found = describe(builder_dir)
    assert (found.name, found.data_key, found.label_key) == ("bands/small", "picture", "kind")
    assert found.label_names == ("cat", "dog")
    [(png, label)] = read(builder_dir, "train", 0, 1)
    np.testing.assert_array_equal(decode(png), tfds_builders.band(0))
    assert label == 1


def no_fixed_size() -> dict[str, Any]:
    return tfds_builders.grey(shape=(None, None, 1))


def no_numbers() -> dict[str, Any]:
    return {"words": tfds.features.Text(), "label": tfds.features.Scalar(tf.int64)}


def vectors_of_any_length() -> dict[str, Any]:
    return {"row": tfds.features.Tensor(shape=(None,), dtype=tf.float32)}


def two_vectors() -> dict[str, Any]:
    row = tfds.features.Tensor(shape=(3,), dtype=tf.float32)
    return {"left": row, "right": row}


def four_channels() -> dict[str, Any]:
    return tfds_builders.grey(shape=(HEIGHT, WIDTH, 4))


def two_images() -> dict[str, Any]:
    grey = tfds_builders.grey()
    return {"left": grey["image"], "right": grey["image"], "label": grey["label"]}


def two_labels() -> dict[str, Any]:
    return {**tfds_builders.grey(), "kind": tfds.features.ClassLabel(num_classes=2)}


def builder_of(features: dict[str, Any], folder: pathlib.Path) -> Any:
    return tfds.dataset_builders.AdhocBuilder(
        name="bands",
        version="1.2.3",
        features=tfds.features.FeaturesDict(features),
        split_datasets={"train": []},
        data_dir=str(folder),
    )


@pytest.mark.parametrize(
    ("features", "reason"),
    [
        (no_fixed_size, "its images have no fixed size (shape (None, None, 1)): give one with --set data.size="),
        (no_numbers, "it has 0 features that are an image or an array of numbers, one is needed (words: Text, label"),
        (vectors_of_any_length, "its feature row has no fixed size (shape (None,))"),
        (two_vectors, "it has 2 features that are an image or an array of numbers, one is needed (left: Tensor, rig"),
        (four_channels, "its feature image has shape (6, 8, 4), one or three channels are needed"),
        (two_images, "it has 2 image features, one is needed (left: Image, right: Image, label: ClassLabel)"),
        (two_labels, "it has 2 label features, at most one is possible (image: Image, label: ClassLabel, kind: Clas"),
    ],
)
def test_unsupported_data_set_is_refused_with_the_reason(features: Any, reason: str, tmp_path: pathlib.Path) -> None:
    with pytest.raises(errors.DataError) as caught:
        tfds_reader.describe(builder_of(features(), tmp_path))
    assert str(caught.value).startswith(f"data set bands cannot be used: {reason}")
    assert "This pipeline needs one image" in str(caught.value)


def test_size_of_vectors_is_refused(tmp_path: pathlib.Path) -> None:
    features = {"row": tfds.features.Tensor(shape=(3,), dtype=tf.float32)}
    with pytest.raises(errors.DataError, match=r"data\.size = 4x5 is given, but its feature row has vectors"):
        tfds_reader.describe(builder_of(features, tmp_path), (4, 5))


def described(feature: Any, folder: pathlib.Path, size: tuple[int, int] | None = None) -> tuple[Any, ...]:
    found = tfds_reader.describe(builder_of({"data": feature, "id": tfds.features.Text()}, folder), size)
    assert (found.data_key, found.label_key, found.label_names) == ("data", "", ())
    return found.kind, found.shape, found.dtype, found.resized


def test_every_kind_of_data_is_described(tmp_path: pathlib.Path) -> None:
    image, tensor = tfds.features.Image, tfds.features.Tensor
    for feature, expected in (
        (image(shape=(6, 8, 3)), ("image", (6, 8, 3), "uint8", False)),
        (image(shape=(6, 8, 1), dtype=np.uint16), ("image", (6, 8, 1), "uint16", False)),
        (image(shape=(6, 8, 1), dtype=np.float32), ("image", (6, 8, 1), "float32", False)),
        (tensor(shape=(6, 8), dtype=np.float64), ("image", (6, 8, 1), "float32", False)),
        (tensor(shape=(6, 8, 3), dtype=np.uint8), ("image", (6, 8, 3), "uint8", False)),
        (tensor(shape=(6, 8), dtype=np.int32), ("image", (6, 8, 1), "float32", False)),
        (tensor(shape=(5,), dtype=np.uint8), ("vector", (5,), "float32", False)),
    ):
        assert described(feature, tmp_path) == expected
    assert described(image(), tmp_path, (4, 5)) == ("image", (4, 5, 3), "uint8", True)
    assert described(image(shape=(4, 5, 1)), tmp_path, (4, 5)) == ("image", (4, 5, 1), "uint8", False)


def one_record(feature: Any, value: Any, folder: pathlib.Path, size: tuple[int, int] | None = None) -> Any:
    """Return what is read of a data set with one record without a label."""
    builder_dir = tfds_builders.prepare(folder, {"train": [{"data": value}]}, features={"data": feature})
    description = tfds_reader.describe(tfds.builder_from_directory(builder_dir), size)
    [(datum, label, _)] = tfds_reader.records(builder_dir, description, tfds_reader.Slice("train", 0, 1))
    assert label is None
    return datum


def test_16_bit_and_colour_images_are_png_files(tmp_path: pathlib.Path) -> None:
    deep = np.arange(48, dtype=np.uint16).reshape(6, 8, 1) * 1000
    read_back = one_record(tfds.features.Image(shape=(6, 8, 1), dtype=np.uint16), deep, tmp_path / "deep")
    np.testing.assert_array_equal(tf.io.decode_png(read_back, dtype=tf.uint16), deep)
    colour = np.arange(144, dtype=np.uint8).reshape(6, 8, 3)
    for number, feature in enumerate((tfds.features.Image, tfds.features.Tensor)):
        read_back = one_record(feature(shape=(6, 8, 3), dtype=np.uint8), colour, tmp_path / str(number))
        np.testing.assert_array_equal(tf.io.decode_png(read_back), colour)


def test_floats_and_integers_are_flat_arrays(tmp_path: pathlib.Path) -> None:
    floats = np.linspace(-3, 7, 48, dtype=np.float32).reshape(6, 8, 1)
    found = one_record(tfds.features.Image(shape=(6, 8, 1), dtype=np.float32), floats, tmp_path / "image")
    np.testing.assert_array_equal(found, floats.ravel())
    row = np.array([3, -1, 2**40])
    found = one_record(tfds.features.Tensor(shape=(3,), dtype=np.int64), row, tmp_path / "row")
    assert (found.dtype, found.tolist()) == (np.float32, [3, -1, 2**40])


@pytest.mark.parametrize(
    ("dtype", "options"),
    [
        (np.uint8, {}),
        (np.int32, {}),
        (np.uint64, {}),
        (np.float16, {}),
        (np.float32, {}),
        (np.float64, {}),
        (np.float32, {"encoding": "zlib"}),
        (np.int64, {"encoding": "bytes"}),
        (np.float32, {"optional": True}),
    ],
)
def test_numbers_of_every_type_and_encoding_are_those_that_tfds_decodes(
    dtype: Any, options: dict[str, Any], tmp_path: pathlib.Path
) -> None:
    feature = tfds.features.Tensor(shape=(5,), dtype=dtype, **options)
    rows = [(np.arange(-1, 4) * number).astype(dtype) / dtype(2) for number in range(1, 4)]  # also above 2 ** 63 - 1
    records = [{"data": row.astype(dtype), "label": number} for number, row in enumerate(rows)]
    features = {"data": feature, "label": tfds.features.ClassLabel(num_classes=3)}
    builder_dir = tfds_builders.prepare(tmp_path, {"train": records}, features=features, in_order=True)
    builder = tfds.builder_from_directory(builder_dir)
    found = list(tfds_reader.records(builder_dir, describe(builder_dir), tfds_reader.Slice("train", 1, 3)))
    for one, decoded in zip(found, tfds.as_numpy(builder.as_dataset("train[1:3]")), strict=True):
        assert one.data.dtype == np.float32
        np.testing.assert_array_equal(one.data, decoded["data"].astype(np.float32))
        assert one.label == decoded["label"]


@pytest.mark.parametrize("dtype", [np.float32, np.uint8])
def test_an_example_without_its_optional_data_is_refused(dtype: Any, tmp_path: pathlib.Path) -> None:
    features = {"row": tfds.features.Tensor(shape=(5,), dtype=dtype, optional=True)}
    records = [{"row": np.ones(5, dtype)}, {"row": np.zeros(5, dtype)}, {"row": None}, {"row": np.ones(5, dtype)}]
    builder_dir = tfds_builders.prepare(tmp_path, {"train": records}, features=features, in_order=True)
    found = tfds_reader.records(builder_dir, describe(builder_dir), tfds_reader.Slice("train", 1, 4))
    with pytest.raises(errors.DataError, match="has no row in record 2 of train, and each example needs one"):
        list(found)
    found = tfds_reader.records(builder_dir, describe(builder_dir), tfds_reader.Slice("train", 0, 2))
    assert [one.data.tolist() for one in found] == [[1] * 5, [0] * 5]  # type: ignore[union-attr]


def test_images_of_another_size_are_resampled(tmp_path: pathlib.Path) -> None:
    halves = np.zeros((4, 8, 3), np.uint8)
    halves[:, 4:] = 200
    read_back = tf.io.decode_png(one_record(tfds.features.Image(), halves, tmp_path, (2, 2)))
    # A triangle of 4 pixels around x = 2 has the weights 5, 7, 7, 5 in the dark half, and 3, 1 in the bright one.
    assert read_back[0, :, 0].numpy().tolist() == [round(200 * 4 / 28), round(200 * 24 / 28)]
    same = one_record(tfds.features.Image(), halves, tmp_path / "same", (4, 8))
    np.testing.assert_array_equal(tf.io.decode_png(same), halves)


def test_floats_of_different_sizes_are_resampled_one_by_one(tmp_path: pathlib.Path) -> None:
    feature = tfds.features.Image(shape=(None, None, 1), dtype=np.float32)
    sizes = [(4, 8), (6, 2), (2, 2)]
    records = [{"data": np.full((*size, 1), number, np.float32)} for number, size in enumerate(sizes)]
    builder_dir = tfds_builders.prepare(tmp_path, {"train": records}, features={"data": feature}, in_order=True)
    description = tfds_reader.describe(tfds.builder_from_directory(builder_dir), (2, 2))
    found = tfds_reader.records(builder_dir, description, tfds_reader.Slice("train", 0, 3))
    assert [one.data.tolist() for one in found] == [[number] * 4 for number in range(3)]


def test_jpeg_files_become_png_files_of_the_same_pixels(tmp_path: pathlib.Path) -> None:
    jpeg = picture("RGB", kind="JPEG")
    found = one_record(tfds.features.Image(shape=(HEIGHT, WIDTH, 3)), io.BytesIO(jpeg), tmp_path)
    np.testing.assert_array_equal(tf.io.decode_png(found), tf.io.decode_jpeg(jpeg))


def test_data_set_of_sequences_of_images_is_refused(tmp_path: pathlib.Path) -> None:
    builder = tfds.dataset_builders.AdhocBuilder(
        name="bands",
        version="1.2.3",
        features=tfds.features.Sequence(tfds_builders.grey()),
        split_datasets={"train": []},
        data_dir=str(tmp_path),
    )
    with pytest.raises(errors.DataError):
        tfds_reader.describe(builder)


@pytest.mark.parametrize(
    ("split", "expected"),
    [
        ("train", [("train", 0, 40), ("train", 40, 80), ("train", 80, 90)]),
        ("train[:40]", [("train", 0, 40)]),
        ("train[50%:]", [("train", 45, 85), ("train", 85, 90)]),
        ("train[-5:]", [("train", 85, 90)]),
        ("train[:1%]+test[30:]", [("train", 0, 1), ("test", 30, 31)]),
        ("train[:0]", []),
        ("train[90:]", []),
    ],
)
def test_split_is_cut_into_slices_that_are_not_longer_than_asked(
    split: str, expected: list[tuple[str, int, int]], ninety: str
) -> None:
    found = tfds_reader.slices(tfds.builder_from_directory(ninety), split, longest=40)
    assert found == [tfds_reader.Slice(*part) for part in expected]


def test_slices_that_follow_each_other_are_joined() -> None:
    parts = [("train", 0, 3), ("train", 3, 5), ("test", 5, 6), ("test", 7, 8)]
    joined = tfds_reader.joined([tfds_reader.Slice(*part) for part in parts])
    assert joined == [tfds_reader.Slice(*part) for part in [("train", 0, 5), ("test", 5, 6), ("test", 7, 8)]]
    assert tfds_reader.joined([]) == []


def test_two_parts_of_a_split_are_together_the_whole(ninety: str) -> None:
    builder = tfds.builder_from_directory(ninety)
    parts = [part for split in ("train[:83%]", "train[83%:]") for part in tfds_reader.slices(builder, split, 7)]
    assert [number for part in parts for number in range(part.start, part.stop)] == list(range(90))


@pytest.mark.parametrize("split", ["validation", "train[", "train[:91]", "", "train[:x]"])
def test_unknown_or_impossible_split_is_refused_with_the_known_ones(split: str, ninety: str) -> None:
    with pytest.raises(errors.DataError) as caught:
        tfds_reader.slices(tfds.builder_from_directory(ninety), split, 10)
    assert str(caught.value).startswith(
        f"{split!r} is not a split of bands/1.2.3: choose from train, test, or a part such as train[:80%]"
    )


@pytest.mark.parametrize(("start", "stop"), [(0, 90), (0, 1), (25, 50), (89, 90)])
def test_records_are_those_of_the_slice_in_order(start: int, stop: int, ninety: str) -> None:
    found = read(ninety, "train", start, stop)
    assert [label for _, label in found] == [number % LABELS for number in range(start, stop)]
    for number, (png, _) in zip(range(start, stop), found, strict=True):
        np.testing.assert_array_equal(decode(png), tfds_builders.band(number))


def test_order_is_that_on_disk_across_files(tmp_path: pathlib.Path) -> None:
    builder_dir = tfds_builders.prepare(tmp_path, {"train": tfds_builders.bands(range(90))}, files=3)
    files = sorted(map(str, pathlib.Path(builder_dir).glob("*.tfrecord-*")))
    assert len(files) == 3
    on_disk = [
        tf.train.Example.FromString(record).features.feature["image"].bytes_list.value[0]
        for record in tf.data.TFRecordDataset(files).as_numpy_iterator()
    ]
    assert [png for png, _ in read(builder_dir, "train", 0, 90)] == on_disk
    assert [png for png, _ in read(builder_dir, "train", 20, 70)] == on_disk[20:70]


def test_png_files_are_handed_on_untouched(tmp_path: pathlib.Path) -> None:
    file = io.BytesIO()
    # Uncompressed, with a resolution: what no encoder would write again.
    Image.fromarray(tfds_builders.band(5)[:, :, 0]).save(file, "PNG", compress_level=0, dpi=(77, 77))
    record = {"image": io.BytesIO(file.getvalue()), "label": 2}
    builder_dir = tfds_builders.prepare(tmp_path, {"train": [record]})
    assert read(builder_dir, "train", 0, 1) == [(file.getvalue(), 2)]


def picture(mode: str = "L", size: tuple[int, int] = (WIDTH, HEIGHT), kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.new(mode, size).save(file, kind)
    return file.getvalue()


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        (
            picture(size=(HEIGHT, WIDTH)),
            "is a PNG of 8x6 pixels, 8-bit, colour type 0; expected 6x8, 8-bit, grey",
        ),
        (picture("I;16"), "is a PNG of 6x8 pixels, 16-bit, colour type 0; expected"),
        (picture("1"), "is a PNG of 6x8 pixels, 1-bit, colour type 0; expected"),
        (picture("RGB"), "is a PNG of 6x8 pixels, 8-bit, colour type 2; expected"),
        (picture("LA"), "is a PNG of 6x8 pixels, 8-bit, colour type 4; expected"),
        (picture(size=(HEIGHT, WIDTH), kind="JPEG"), "has shape (8, 6, 1), expected (6, 8, 1)"),
        (picture(kind="JPEG")[:20], "is neither a PNG nor a JPEG file that can be read"),
        (picture()[:20], "is not a PNG file; only PNG and JPEG images are supported"),
    ],
    ids=["shape", "16 bits", "1 bit", "colour", "alpha", "JPEG", "JPEG cut off", "cut off"],
)
def test_image_that_is_not_what_the_data_set_says_is_refused_with_its_number(
    file: bytes, reason: str, tmp_path: pathlib.Path
) -> None:
    # TFDS takes an image's file as it is.
    records = [*tfds_builders.bands(range(2)), {"image": io.BytesIO(file), "label": 0}]
    builder_dir = tfds_builders.prepare(tmp_path, {"train": records}, in_order=True)
    with pytest.raises(errors.DataError) as caught:
        read(builder_dir, "train", 1, 3)
    assert str(caught.value).startswith(f"record 2 of train of bands {reason}")


def test_damaged_record_is_named(tmp_path: pathlib.Path) -> None:
    builder_dir = tfds_builders.prepare(tmp_path, {"train": tfds_builders.bands(range(20))}, in_order=True)
    file = record_file(builder_dir)
    content = bytearray(file.read_bytes())
    content[record_starts(content)[7] + 40] ^= 1
    file.write_bytes(content)
    with pytest.raises(errors.DataError) as caught:
        read(builder_dir, "train", 0, 20)
    assert re.search(
        r"is damaged at record 7 of train \(corrupted record at \d+\)\. Delete that folder and prepare",
        str(caught.value),
    )


def test_records_before_a_damaged_one_can_be_read(tmp_path: pathlib.Path) -> None:
    builder_dir = tfds_builders.prepare(tmp_path, {"train": tfds_builders.bands(range(20))}, in_order=True)
    file = record_file(builder_dir)
    content = file.read_bytes()
    file.write_bytes(content[: record_starts(content)[7] + 40])
    assert len(read(builder_dir, "train", 0, 7)) == 7


@pytest.mark.parametrize("into_record", [0, 40], ids=["between records", "within a record"])
def test_file_that_was_cut_off_is_damaged_at_its_end(into_record: int, tmp_path: pathlib.Path) -> None:
    builder_dir = tfds_builders.prepare(tmp_path, {"train": tfds_builders.bands(range(20))}, in_order=True)
    file = record_file(builder_dir)
    content = file.read_bytes()
    file.write_bytes(content[: record_starts(content)[7] + into_record])
    with pytest.raises(errors.DataError, match=r"\b7\b"):
        read(builder_dir, "train", 0, 20)


def test_file_that_is_missing_is_damage(tmp_path: pathlib.Path) -> None:
    builder_dir = tfds_builders.prepare(tmp_path, {"train": tfds_builders.bands(range(4))})
    record_file(builder_dir).unlink()
    with pytest.raises(errors.DataError, match="bands"):
        read(builder_dir, "train", 0, 4)


def test_reading_holds_a_part_of_the_slice_in_memory_at_a_time(tmp_path: pathlib.Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (4000, 28, 28, 1), np.uint8)
    records = [{"image": image, "label": 0} for image in noise]
    features = tfds_builders.grey(shape=(28, 28, 1))
    builder_dir = tfds_builders.prepare(tmp_path, {"train": records}, features=features)
    description = describe(builder_dir)
    read(builder_dir, "train", 0, 1)  # what TensorFlow makes once and keeps
    total = 0
    tracemalloc.start()
    try:
        for png, _, _ in tfds_reader.records(builder_dir, description, tfds_reader.Slice("train", 0, 4000)):
            total += len(png)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert total > 4000 * 28 * 28  # noise does not compress
    assert peak < total / 2
