"""Arrays and folders of pictures, and each that cannot be encoded."""

from __future__ import annotations

import io
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image

from components.codes import inputs
from components.errors import DataError

IMAGES = np.arange(5 * 3 * 4, dtype=np.uint8).reshape(5, 3, 4)


def pixels(png: bytes) -> Any:
    return np.asarray(Image.open(io.BytesIO(png)))


def saved(folder: pathlib.Path, array: Any = None, **arrays: Any) -> pathlib.Path:
    path = folder / ("a.npz" if arrays else "a.npy")
    if arrays:
        np.savez(path, **arrays)
    else:
        np.save(path, array)
    return path


@pytest.mark.parametrize("array", [IMAGES, IMAGES[..., np.newaxis]], ids=["grey", "with a channel"])
def test_uint8_images_become_png_files_in_batches(
    array: Any, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inputs, "_BATCH", 2)
    batches = list(inputs.read_array(saved(tmp_path, array), 12))
    assert [one.ids for one in batches] == [["0", "1"], ["2", "3"], ["4"]]
    assert [pixels(png).tolist() for one in batches for png in one.pngs] == IMAGES.tolist()
    assert batches[0].labels is None


@pytest.mark.parametrize("shape", [(5, 3, 4), (5, 12)])
def test_floats_are_flattened(shape: tuple[int, ...], tmp_path: pathlib.Path) -> None:
    [batch] = inputs.read_array(saved(tmp_path, (IMAGES / 64).reshape(shape)), 12)
    assert batch.floats is not None
    assert batch.floats.dtype == np.float32
    np.testing.assert_array_equal(batch.floats, IMAGES.reshape(5, 12) / np.float32(64))


def test_an_npz_file_may_have_labels(tmp_path: pathlib.Path) -> None:
    [batch] = inputs.read_array(saved(tmp_path, images=IMAGES, labels=np.array([1, 0, 2, 1, 1], np.uint8)), 12)
    assert batch.labels is not None
    assert batch.labels.tolist() == [1, 0, 2, 1, 1]


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"array": IMAGES[:, :2]}, "has shape 5 x 2 x 4 and dtype uint8: the model encodes images of 12 numbers"),
        ({"array": np.uint8(3)}, "has shape  and dtype uint8"),
        ({"array": IMAGES[:0]}, "it contains no images"),
        ({"array": IMAGES.reshape(5, 12)}, "uint8 images need their height and width"),
        ({"array": IMAGES.astype(np.int32)}, "dtype int32: convert it to uint8, or to floats in"),
        ({"array": IMAGES.astype(np.float32)}, "row 0 has a value"),
        (
            {"array": np.where(np.arange(5)[:, None, None] == 3, np.nan, IMAGES / 64)},
            "row 3 has a value",
        ),
        ({"array": np.array([{}])}, "cannot be read as an array of NumPy"),
        ({"x": IMAGES, "y": IMAGES}, "has the arrays x, y: name the images 'images'"),
        ({"images": IMAGES, "labels": np.arange(4)}, "labels must be 5 integers"),
        ({"images": IMAGES, "labels": np.zeros(5)}, "labels must be 5 integers"),
    ],
)
def test_an_array_that_cannot_be_encoded_is_refused_in_one_line(
    arrays: dict[str, Any], said: str, tmp_path: pathlib.Path
) -> None:
    path = saved(tmp_path, **arrays)
    with pytest.raises(DataError) as error:
        list(inputs.read_array(path, 12))
    assert str(path) in str(error.value)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", [b"", b"x", b"PK\3\4", b"\x93NUMPY\1\0"])
def test_a_file_that_is_no_array_is_refused(content: bytes, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "a.npy"
    path.write_bytes(content)
    with pytest.raises(DataError, match="cannot be read as an array of NumPy"):
        list(inputs.read_array(path, 12))


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> pathlib.Path:
    for name, image in (("b.png", IMAGES[0]), ("a/z.PNG", IMAGES[1]), ("a/y.bmp", IMAGES[2])):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(image).save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no picture")
    return tmp_path


def test_pictures_come_sorted_by_their_relative_names(folder: pathlib.Path) -> None:
    [batch] = inputs.read_folder(folder)
    assert batch.ids == ["a/y.bmp", "a/z.PNG", "b.png"]
    assert [pixels(png).tolist() for png in batch.pngs] == IMAGES[[2, 1, 0]].tolist()


def _with_alpha(path: pathlib.Path) -> None:
    Image.new("RGBA", (4, 3)).save(path)


def _damaged(path: pathlib.Path) -> None:
    path.write_bytes(path.read_bytes()[:40])


@pytest.mark.parametrize(
    ("change", "said"), [(_with_alpha, "is a picture of mode RGBA"), (_damaged, "cannot be read as a picture")]
)
def test_a_picture_that_cannot_be_encoded_is_named(
    change: Callable[[pathlib.Path], None], said: str, folder: pathlib.Path
) -> None:
    change(folder / "b.png")
    with pytest.raises(DataError, match=said) as error:
        list(inputs.read_folder(folder))
    assert str(folder / "b.png") in str(error.value)


def test_a_folder_without_pictures_is_refused(tmp_path: pathlib.Path) -> None:
    with pytest.raises(DataError, match="contains no pictures"):
        list(inputs.read_folder(tmp_path))
