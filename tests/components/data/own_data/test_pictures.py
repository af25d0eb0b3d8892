"""Folders of pictures: labels, splits, groups, links, and every fault with its message."""

from __future__ import annotations

import os
import pathlib
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image

from components import errors
from components.data.own_data import pictures
from components.data.own_data.records import OptionError, Options, UnreadableRecordError


def save(path: pathlib.Path, values: Any, **options: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(values)).save(path, **options)


def grey(value: int = 7) -> Any:
    return np.full((2, 3), value, np.uint8)


def found(folder: pathlib.Path, **options: Any) -> list[tuple[str, str | None, str | None, str]]:
    source = pictures.source(folder, Options(**options))
    return [(one.id, one.label, one.group, one.split) for one in source.read()]


def test_subfolders_are_labels_at_any_depth_and_other_files_are_named(tmp_path: pathlib.Path) -> None:
    for name in ("dog/b.png", "cat/deep/a.png", "cat/.hidden.png"):
        save(tmp_path / name, grey())
    (tmp_path / "notes.txt").write_text("")
    assert found(tmp_path) == [("cat/deep/a.png", "cat", None, ""), ("dog/b.png", "dog", None, "")]
    assert found(tmp_path, no_labels=True)[0][1] is None
    assert pictures.source(tmp_path, Options()).ignored == ("notes.txt",)


def test_folders_of_splits_contain_labels(tmp_path: pathlib.Path) -> None:
    for name in ("train/cat/a.png", "test/dog/b.png"):
        save(tmp_path / name, grey())
    assert found(tmp_path) == [("test/dog/b.png", "dog", None, "test"), ("train/cat/a.png", "cat", None, "train")]


@pytest.mark.parametrize(
    ("names", "reason"),
    [(["train/a.png"], "only train"), (["train/a.png", "test/b.png", "c.png"], "the folder itself")],
)
def test_incomplete_folders_of_splits_are_refused(tmp_path: pathlib.Path, names: list[str], reason: str) -> None:
    for name in names:
        save(tmp_path / name, grey())
    with pytest.raises(errors.DataError, match=reason):
        found(tmp_path)


def test_a_file_has_labels_and_groups(tmp_path: pathlib.Path) -> None:
    for name in ("a.png", "b.png"):
        save(tmp_path / name, grey())
    labels = tmp_path / "labels.csv"
    labels.write_text("file,kind,patient\nb.png,2,p\n./a.png,1,q\n")
    rows = found(tmp_path, labels=str(labels), label="kind", group="patient")
    assert rows == [("a.png", "1", "q", ""), ("b.png", "2", "p", "")]
    assert pictures.source(tmp_path, Options(labels=str(labels), label="kind")).ignored == ()
    with pytest.raises(OptionError, match="no such column; there are: kind, patient"):
        found(tmp_path, labels=str(labels), label="other")


@pytest.mark.parametrize(
    ("rows", "reason"),
    [("a.png,1", "has no line for b.png"), ("a.png,1\nb.png,1\nc.png,2", "not in the folder: c.png"),
     ("a.png,1\na.png,2\nb.png,1", "names twice a.png"), ("a.png", "line 2 has 1 value,"),
     ("a.png,1\nb.png,", "b.png has no label")],
)  # fmt: skip
def test_a_file_of_labels_that_does_not_fit_is_refused(tmp_path: pathlib.Path, rows: str, reason: str) -> None:
    for name in ("a.png", "b.png"):
        save(tmp_path / name, grey())
    (tmp_path / "labels.csv").write_text(f"file,label\n{rows}\n")
    with pytest.raises((errors.DataError, OptionError), match=reason):
        found(tmp_path, labels=str(tmp_path / "labels.csv"))


def test_a_regular_expression_finds_groups(tmp_path: pathlib.Path) -> None:
    for name in ("p1_a.png", "p2_b.png"):
        save(tmp_path / name, grey())
    assert [row[2] for row in found(tmp_path, group=r"p(\d)_")] == ["1", "2"]
    assert [row[2] for row in found(tmp_path, group=r"p\d")] == ["p1", "p2"]
    with pytest.raises(OptionError, match=r"does not match p2_b\.png"):
        found(tmp_path, group="p1")
    with pytest.raises(OptionError, match="no regular expression"):
        found(tmp_path, group="(")


def test_names_may_be_any_bytes(tmp_path: pathlib.Path) -> None:
    name = os.fsdecode(b"a\xff\n.png")
    save(tmp_path / "b.png", grey())
    os.rename(tmp_path / "b.png", tmp_path / name)
    [record] = pictures.source(tmp_path, Options()).read()
    assert record.id == "a\\xff\n.png"
    assert record.load().shape == (2, 3, 1)


def test_links_lead_nowhere_outside(tmp_path: pathlib.Path) -> None:
    folder = tmp_path / "folder"
    save(folder / "a.png", grey())
    save(tmp_path / "outside.png", grey())
    (folder / "b.png").symlink_to("a.png")
    assert len(found(folder)) == 2
    (folder / "c.png").symlink_to("../outside.png")
    with pytest.raises(errors.DataError, match=r"c\.png is a link out of the folder"):
        found(folder)
    (folder / "c.png").unlink()
    (folder / "loop").symlink_to(".")
    with pytest.raises(errors.DataError, match="loop is a link to a folder"):
        found(folder)


def test_an_empty_folder_is_refused(tmp_path: pathlib.Path) -> None:
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(errors.DataError, match=r"holds no pictures.*it holds notes\.txt"):
        found(tmp_path)


def test_a_picture_beside_labelled_ones_is_refused(tmp_path: pathlib.Path) -> None:
    save(tmp_path / "cat" / "a.png", grey())
    save(tmp_path / "b.png", grey())
    with pytest.raises(errors.DataError, match=r"in none: b\.png"):
        found(tmp_path)


@pytest.mark.parametrize("suffix", ["png", "tif", "bmp", "webp"])
def test_pixels_of_lossless_formats_are_exact(tmp_path: pathlib.Path, suffix: str) -> None:
    colour = np.arange(18, dtype=np.uint8).reshape(2, 3, 3)
    save(tmp_path / f"a.{suffix}", colour, **({"lossless": True} if suffix == "webp" else {}))
    np.testing.assert_array_equal(pictures.decode(tmp_path / f"a.{suffix}"), colour)


@pytest.mark.parametrize(("suffix", "kind"), [("png", np.uint16), ("tif", np.uint16), ("tif", np.float32)])
def test_deep_grey_pixels_are_exact(tmp_path: pathlib.Path, suffix: str, kind: Any) -> None:
    values = np.array([[0, 1000], [40_000, 65_535]], kind)
    save(tmp_path / f"a.{suffix}", values)
    read = pictures.decode(tmp_path / f"a.{suffix}")
    assert read.dtype == kind
    np.testing.assert_array_equal(read[..., 0], values)


def test_jpeg_is_turned_as_exif_says(tmp_path: pathlib.Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees
    Image.new("L", (16, 8)).save(tmp_path / "a.jpg", exif=exif)
    assert pictures.decode(tmp_path / "a.jpg").shape == (16, 8, 1)


def transparent(mode: str) -> Image.Image:
    """A picture of one pixel that is seen and one that is not."""
    return Image.fromarray(np.array([[[200, 100, 50, 255], [200, 100, 50, 0]]], np.uint8)).convert(mode)


@pytest.mark.parametrize(
    ("suffix", "image", "options"),
    [
        ("png", transparent("RGBA"), {}),
        ("tif", transparent("RGBA"), {}),
        ("webp", transparent("RGBA"), {"lossless": True}),
        ("png", transparent("LA"), {}),
        ("png", transparent("RGB"), {"transparency": (200, 100, 50)}),
        ("png", transparent("L"), {"transparency": int(transparent("L").getpixel((0, 0)))}),  # type: ignore[arg-type]
        ("png", transparent("P"), {"transparency": int(transparent("P").getpixel((0, 0)))}),  # type: ignore[arg-type]
        ("png", Image.fromarray(np.array([[0, 1000]], np.uint16)), {"transparency": 1000}),
    ],
    ids=["RGBA", "TIFF", "WebP", "grey", "a colour", "a grey", "a place of the palette", "a grey of 16 bit"],
)
def test_pictures_with_transparent_pixels_are_refused(
    tmp_path: pathlib.Path, suffix: str, image: Image.Image, options: dict[str, Any]
) -> None:
    path = tmp_path / f"a.{suffix}"
    image.save(path, **options)
    with pytest.raises(UnreadableRecordError, match="transparent pixels"):
        pictures.decode(path)


def test_a_channel_of_transparency_in_which_no_pixel_is_transparent_is_left_out(tmp_path: pathlib.Path) -> None:
    colour = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    opaque = Image.fromarray(colour).convert("RGBA")
    opaque.save(tmp_path / "a.png")
    np.testing.assert_array_equal(pictures.decode(tmp_path / "a.png"), colour)
    opaque.convert("LA").save(tmp_path / "b.png")
    assert pictures.decode(tmp_path / "b.png").shape == (2, 2, 1)
    deep = np.array([[0, 1000]], np.uint16)
    Image.fromarray(deep).save(tmp_path / "c.png", transparency=7)
    np.testing.assert_array_equal(pictures.decode(tmp_path / "c.png")[..., 0], deep)


@pytest.mark.parametrize("suffix", ["png", "tif", "bmp"])
def test_a_palette_of_greys_is_grey_and_another_is_colour(tmp_path: pathlib.Path, suffix: str) -> None:
    values = np.arange(6, dtype=np.uint8).reshape(2, 3)
    palette = Image.fromarray(values).convert("P")
    palette.save(tmp_path / f"a.{suffix}")
    np.testing.assert_array_equal(pictures.decode(tmp_path / f"a.{suffix}")[..., 0], values)
    assert pictures.decode(tmp_path / f"a.{suffix}").shape == (2, 3, 1)
    palette.putpalette([200, 0, 0] * 6)
    palette.save(tmp_path / f"b.{suffix}")
    np.testing.assert_array_equal(pictures.decode(tmp_path / f"b.{suffix}"), np.full((2, 3, 3), (200, 0, 0)))


def png_of(width: int, height: int, depth: int = 8, colour: int = 0) -> bytes:
    """A PNG file whose header says a size, with hardly any pixels."""
    chunks = b""
    for kind, body in ((b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)),
                       (b"IDAT", zlib.compress(bytes(100))), (b"IEND", b"")):  # fmt: skip
        chunks += struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    return b"\x89PNG\r\n\x1a\n" + chunks


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not a picture"),
        (b"GIF89a", "not a picture"),
        (png_of(10, 10)[:60], "."),
        (png_of(50_000, 50_000), "decompression bombs"),
        (png_of(10_000, 10_000), "decompression bombs"),
        (png_of(1, 1, 16, 2), "16 bits in each of several channels"),
    ],
)
def test_pictures_that_cannot_be_read_say_why(tmp_path: pathlib.Path, content: bytes, reason: str) -> None:
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(UnreadableRecordError, match=reason):
        pictures.decode(tmp_path / "a.png")


def test_a_pipe_and_a_stack_of_pages_are_refused(tmp_path: pathlib.Path) -> None:
    os.mkfifo(tmp_path / "a.png")
    with pytest.raises(UnreadableRecordError, match="not a regular file"):
        pictures.decode(tmp_path / "a.png")
    page = Image.fromarray(grey())
    page.save(tmp_path / "b.tif", save_all=True, append_images=[page])
    with pytest.raises(UnreadableRecordError, match="2 pages"):
        pictures.decode(tmp_path / "b.tif")
