"""New data of the forms of `sae data add`, as batches: ids, labels, conversion, and each that cannot be encoded."""

from __future__ import annotations

import contextlib
import gzip
import pathlib
import struct
from typing import Any

import numpy as np
import pytest
from PIL import Image

from components.codes import new_data
from components.codes.new_data import Batch, TrainingData
from components.data.own_data import forms
from components.data.own_data.conversion import Conversion
from components.data.own_data.records import Options
from components.errors import DataError

IMAGES = np.arange(5 * 3 * 4, dtype=np.uint8).reshape(5, 3, 4)


def read(path: pathlib.Path, *, label: str = "", pixels: bool = True, **training: Any) -> list[Batch]:
    source = forms.open_source(path, Options(label=label))
    return list(new_data.read(source, TrainingData(**training), pixels))


@pytest.mark.parametrize("array", [IMAGES, IMAGES[..., np.newaxis]], ids=["grey", "with a channel"])
def test_images_come_in_batches_with_the_numbers_of_their_rows(
    array: Any, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(new_data, "BATCH", 2)
    np.save(tmp_path / "a.npy", array)
    batches = read(tmp_path / "a.npy")
    assert [one.ids for one in batches] == [["0", "1"], ["2", "3"], ["4"]]
    np.testing.assert_array_equal(np.concatenate([one.values for one in batches])[..., 0], IMAGES)
    assert batches[0].labels is batches[0].label_names is None


def test_an_idx_file_may_be_compressed(tmp_path: pathlib.Path) -> None:
    header = struct.pack(">4B3I", 0, 0, 8, 3, 5, 3, 4)
    (tmp_path / "images.gz").write_bytes(gzip.compress(header + IMAGES.tobytes()))
    [batch] = read(tmp_path / "images.gz")
    np.testing.assert_array_equal(np.stack(batch.values)[..., 0], IMAGES)


def test_arrays_of_splits_are_read_with_their_labels(tmp_path: pathlib.Path) -> None:
    np.savez(tmp_path / "a.npz", x_train=IMAGES[:3], y_train=[2, 0, 1], x_test=IMAGES[3:], y_test=[1, 11])
    train, test = read(tmp_path / "a.npz", label_names=("0", "1", "2"))
    assert (train.split, train.ids, test.split, test.ids) == (
        "train", ["train 0", "train 1", "train 2"], "test", ["test 0", "test 1"],
    )  # fmt: skip
    assert [batch.labels.tolist() for batch in (train, test) if batch.labels is not None] == [[2, 0, 1], [1, 11]]
    assert train.label_names is None


def test_rows_of_a_table_are_vectors_with_a_column_of_labels(tmp_path: pathlib.Path) -> None:
    (tmp_path / "a.csv").write_text("kind,x,y\nb,1,2.5\na,3,4\n")
    [batch] = read(tmp_path / "a.csv", label="kind", pixels=False)
    np.testing.assert_array_equal(np.stack(batch.values), np.array([[1, 2.5], [3, 4]], np.float32))
    assert batch.values[0].dtype == np.float32  # type: ignore[union-attr]
    assert batch.labels is not None
    assert (batch.labels.tolist(), batch.label_names) == ([1, 0], ["b", "a"])


def test_pictures_have_their_names_and_the_labels_of_their_subfolders(tmp_path: pathlib.Path) -> None:
    for name, image in (("left/b.png", 0), ("up/z.PNG", 1), ("left/a.bmp", 2)):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(IMAGES[image]).save(tmp_path / name)
    [batch] = read(tmp_path, label_names=("down", "left", "right"))
    assert batch.ids == ["left/a.bmp", "left/b.png", "up/z.PNG"]
    assert batch.labels is not None
    assert (batch.labels.tolist(), batch.label_names) == ([1, 1, -1], ["left", "left", "up"])
    np.testing.assert_array_equal(np.stack(batch.values)[..., 0], IMAGES[[2, 0, 1]])


def test_a_single_picture_has_its_name_and_no_label(tmp_path: pathlib.Path) -> None:
    for name, image in (("one.PNG", 0), ("other.png", 1)):
        Image.fromarray(IMAGES[image]).save(tmp_path / name)
    [batch] = read(tmp_path / "one.PNG", label_names=("down", "up"))
    assert (batch.ids, batch.labels) == (["one.PNG"], None)
    np.testing.assert_array_equal(np.stack(batch.values)[..., 0], IMAGES[[0]])


def test_pictures_are_converted_as_those_of_the_training_data(tmp_path: pathlib.Path) -> None:
    Image.fromarray(np.full((6, 8), 7, np.uint8)).save(tmp_path / "a.png")
    Image.fromarray(np.full((4, 9, 3), 9, np.uint8)).save(tmp_path / "b.png")
    conversion = Conversion(size=(2, 3), resampling="bicubic", channels="colour")
    [batch] = read(tmp_path, conversion=conversion)
    np.testing.assert_array_equal(batch.values[0], np.full((2, 3, 3), 7, np.uint8))
    np.testing.assert_array_equal(batch.values[1], np.full((2, 3, 3), 9, np.uint8))


@pytest.mark.parametrize(
    ("shape", "training", "refused"),
    [
        ((5, 3, 4), {}, ""),  # of the model nothing is known
        ((5, 3, 4), {"shape": (3, 4, 1)}, ""),
        ((5, 3, 4), {"shape": (4, 3, 1)}, r"record 0 is 3x4, grey, the model encodes 4x3, grey: .* --size 4x3` makes"),
        ((5, 3, 4), {"shape": (3, 4, 3)}, r"record 0 is 3x4, grey, the model encodes 3x4, colour: .* PATH --colour` "),
        ((5, 3, 4, 3), {"shape": (6, 6, 1)}, r"3x4, colour, the model encodes 6x6, grey: .* --size 6x6 --grey` "),
        ((5, 3, 4), {"shape": (6, 6, 1), "size": (6, 6)}, ""),  # resampled by the encoder
        ((5, 3, 4, 3), {"shape": (6, 6, 1), "size": (6, 6)}, r"6x6, colour, .* 6x6, grey: .*PATH --grey"),
        ((5, 3, 4), {"shape": (6, 6, 1), "conversion": Conversion(size=(6, 6), resampling="box")}, ""),
        ((5, 3, 4), {"shape": (6, 6, 1), "dtype": "uint16"}, ""),  # the encoder names the type
        ((5, 12), {"shape": (6, 6, 1)}, ""),
        ((0, 3, 4), {"shape": (6, 6, 1)}, ""),
    ],
)  # fmt: skip
def test_the_first_image_is_compared_with_those_of_the_model(
    shape: tuple[int, ...], training: dict[str, Any], refused: str, tmp_path: pathlib.Path
) -> None:
    np.save(tmp_path / "a.npy", np.zeros(shape, np.uint8))
    source = forms.open_source(tmp_path / "a.npy", Options())
    with pytest.raises(DataError, match=refused) if refused else contextlib.nullcontext():
        new_data.check_first(source, TrainingData(**training))


@pytest.mark.parametrize(
    ("names", "known", "numbers"),
    [
        (["10", "9"], (), {"9": 9, "10": 10}),
        (["10", "1"], ("0", "1"), {"1": 1, "10": 10}),
        (["7", "5"], ("3", "5", "7"), {"5": 1, "7": 2}),
        (["6"], ("3", "5", "7"), {"6": -1}),
        (["cat", "ant", "3"], (), {"3": 0, "ant": 1, "cat": 2}),
        (["cat", "3"], ("0", "1"), {"3": -1, "cat": -1}),
        ([], ("a", "b"), {}),
    ],
)
def test_labels_have_the_numbers_of_the_training_data(
    names: list[str], known: tuple[str, ...], numbers: dict[str, int]
) -> None:
    assert new_data.label_numbers(names, known) == numbers


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (IMAGES.astype(np.int32), "record 0 is of type int32"),
        (IMAGES.reshape(5, 12), "record 0 is of type uint8"),  # must not pass for floats that are scaled already
        (IMAGES[:0], "contains no records"),
        (
            np.where(np.arange(5)[:, None, None] == 3, np.nan, IMAGES / 64),
            "record 3 cannot be encoded: 12 of its",
        ),
    ],
)
def test_what_cannot_be_encoded_is_named_in_one_line(array: Any, said: str, tmp_path: pathlib.Path) -> None:
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(DataError) as error:
        read(tmp_path / "a.npy")
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_a_model_that_reads_numbers_takes_whole_ones(tmp_path: pathlib.Path) -> None:
    np.save(tmp_path / "a.npy", IMAGES.reshape(5, 12).astype(np.int64))
    [batch] = read(tmp_path / "a.npy", pixels=False)
    np.testing.assert_array_equal(np.stack(batch.values), IMAGES.reshape(5, 12).astype(np.float32))


def test_a_picture_that_cannot_be_read_is_named(tmp_path: pathlib.Path) -> None:
    Image.fromarray(IMAGES[0]).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes((tmp_path / "a.png").read_bytes()[:40])
    with pytest.raises(DataError, match=r"^record b\.png cannot be encoded: "):
        read(tmp_path)


def test_records_that_cannot_be_read_are_left_out_and_named_on_request(tmp_path: pathlib.Path) -> None:
    for name in ("b/2.png", "b/3.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(IMAGES[0]).save(tmp_path / name)
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "1.png").write_bytes((tmp_path / "b" / "2.png").read_bytes()[:40])
    source, training = forms.open_source(tmp_path, Options()), TrainingData(shape=(3, 4, 1), label_names=("a", "b"))
    with pytest.raises(DataError, match=r"a/1\.png cannot be encoded: .*, or leave such .* with --skip-unreadable$"):
        new_data.check_first(source, training)
    new_data.check_first(source, training, skip_unreadable=True)
    skipped: list[str] = []
    [batch] = new_data.read(source, training, True, skipped)
    assert batch.ids == ["b/2.png", "b/3.png"]
    assert batch.labels is not None
    assert batch.labels.tolist() == [1, 1]
    [left_out] = skipped
    assert left_out.startswith("a/1.png: ")


def test_a_source_without_a_record_that_can_be_read_is_an_error(tmp_path: pathlib.Path) -> None:
    np.save(tmp_path / "a.npy", np.full((2, 3), np.nan))
    source = forms.open_source(tmp_path / "a.npy", Options())
    with pytest.raises(DataError, match=r"contains no records that can be used: 0: .*, 1: "):
        list(new_data.read(source, TrainingData(), False, []))
