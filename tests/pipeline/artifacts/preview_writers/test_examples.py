"""Examples: counts, features, and the first images of each label."""

from __future__ import annotations

import importlib
import io
import pathlib
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipeline.artifacts import previews, types
from pipeline.artifacts.sections import Pictures, Table
from tests import lazy
from tests.pipeline.artifacts.preview_writers.artifacts import artifact, example, grey, tfrecord

examples = lazy.module("pipeline.artifacts.preview_writers.examples")

pytestmark = pytest.mark.component


def pictures_of(made: Any) -> list[Pictures]:
    return [section for section in made.sections if isinstance(section, Pictures)]


def image(label: int, value: float) -> bytes:
    return example(image=grey(value), label=label, height=2, width=3)


def test_the_first_images_of_each_label_are_shown_as_they_are_sorted_by_label(tmp_path: pathlib.Path) -> None:
    greys = {(7, 0): 0.1, (0, 0): 0.2, (7, 1): 0.3, (7, 2): 0.4, (0, 1): 0.5, (3, 0): 0.6}
    records = [image(label, value) for (label, _), value in greys.items()]
    tfrecord(tmp_path / "Split-train" / "train-00000-of-00002", records[:2], packed=True)
    tfrecord(tmp_path / "Split-train" / "train-00001-of-00002", records[2:])

    shown, pictures = examples.make(artifact("Examples", tmp_path))

    [found] = pictures_of(shown)
    assert found.title == "images of train"
    assert [tile.label for tile in found.tiles] == ["label 0", "label 0", "label 3", "label 7", "label 7"]
    shown_pictures = [tile.pictures[0] for tile in found.tiles]
    assert {(picture.width, picture.height) for picture in shown_pictures} == {(3, 2)}
    wanted = [(0, 0), (0, 1), (3, 0), (7, 0), (7, 1)]  # the third 7 is one too many
    assert [pictures[picture.file] for picture in shown_pictures] == [grey(greys[one]) for one in wanted]
    assert len(pictures) == 5
    assert all(previews.picture_path(tmp_path, name) for name in pictures)


def test_splits_come_in_the_pipeline_s_order_with_the_counts_that_were_noted(tmp_path: pathlib.Path) -> None:
    for name in ("test", "extra", "train", "validation", "aside"):
        tfrecord(tmp_path / f"Split-{name}" / "data", [image(0, 0.5)] * 3)
    made, pictures = examples.make(artifact("Examples", tmp_path, train_examples=60, test_examples=31))
    assert made.section("splits").rows == (("train", 60), ("validation", 3), ("test", 31), ("aside", 3), ("extra", 3))
    assert len(pictures) == 5 * 2  # no split's picture takes the place of another's


def test_features_are_those_of_the_first_example(tmp_path: pathlib.Path) -> None:
    first = example(zero=[], text=[b"a", b"b"], number=7, fraction=[0.5, 1.5, 2.5])
    tfrecord(tmp_path / "Split-train" / "data", [first, example(other=1)])
    made, _ = examples.make(artifact("Examples", tmp_path))
    assert made.section("features").rows == (
        ("fraction", "float32", "(3,)"),
        ("number", "int64", "(1,)"),
        ("text", "bytes", "(2,)"),
        ("zero", "empty", None),
    )
    assert (made.section("splits").rows, pictures_of(made)) == ((("train", 2),), [])


def test_splits_with_other_features_have_a_table_of_their_own(tmp_path: pathlib.Path) -> None:
    for name in ("train", "validation", "test"):
        tfrecord(tmp_path / f"Split-{name}" / "data", [example(other=1) if name == "test" else example(label=1)])
    made, _ = examples.make(artifact("Examples", tmp_path))
    assert [section.title for section in made.sections] == [
        "splits",
        "features of train, validation",
        "features of test",
    ]


def test_what_is_no_labelled_png_is_not_shown(tmp_path: pathlib.Path) -> None:
    odd = [
        example(image=b"GIF89a" + bytes(30), label=1),
        example(image=grey(0.5)[:20], label=1),
        example(image=grey(0.5) + bytes(64 * 1024), label=1),
        example(image=grey(0.5)),
        example(image=[grey(0.5), grey(0.5)], label=1),
        example(image=grey(0.5), label=-1),
        example(image=grey(0.5), label=[1, 2]),
        example(image=3, label=1),
        example(image=grey(0.5), label=b"one"),
        example(),
    ]
    tfrecord(tmp_path / "Split-train" / "data", odd)
    made, _ = examples.make(artifact("Examples", tmp_path))
    assert (made.section("splits").rows, pictures_of(made)) == ((("train", len(odd)),), [])


def test_without_labels_the_first_images_are_shown(tmp_path: pathlib.Path) -> None:
    records = [example(image=grey(0.5)), example(image=b"no picture"), example(image=grey(0.25))]
    tfrecord(tmp_path / "Split-train" / "data", records)
    made, pictures = examples.make(artifact("Examples", tmp_path))
    [shown] = pictures_of(made)
    assert [tile.label for tile in shown.tiles] == ["0", "2"]
    assert list(pictures.values()) == [grey(0.5), grey(0.25)]


def decoded(png: bytes) -> Any:
    with Image.open(io.BytesIO(png)) as picture:
        return np.asarray(picture)


def test_images_of_floats_and_of_16_bit_are_scaled_to_the_range_of_the_split(tmp_path: pathlib.Path) -> None:
    floats = [example(values=[-1.0, 0.0, 1.0, 3.0, 3.0, 3.0], label=0, height=2, width=3)]
    colour = [example(values=[0.5] * 6 + [1.5] * 6, height=2, width=2, channels=3)]
    file = io.BytesIO()
    Image.fromarray(np.array([[400, 500, 600]], np.uint16)).save(file, "PNG")
    deep = [example(image=file.getvalue(), label=1, height=1, width=3)]
    for name, records in (("a", floats), ("b", colour), ("c", deep)):
        tfrecord(tmp_path / f"Split-{name}" / "data", records)
    made, pictures = examples.make(artifact("Examples", tmp_path))
    assert [section.title for section in pictures_of(made)] == ["images of a", "images of b", "images of c"]
    levels = [decoded(pictures[section.tiles[0].pictures[0].file]).tolist() for section in pictures_of(made)]
    assert levels == [[[0, 64, 128], [255] * 3], [[[0] * 3] * 2, [[255] * 3] * 2], [[0, 128, 255]]]


def test_vectors_are_lines(tmp_path: pathlib.Path) -> None:
    tfrecord(
        tmp_path / "Split-train" / "data", [example(values=[0.0, 2.0], label=4), example(values=[2.0, 1.0], label=5)]
    )
    made, pictures = examples.make(artifact("Examples", tmp_path))
    [section] = pictures_of(made)
    assert section.title == "vectors of train"
    assert [(tile.label, tile.pictures[0].label) for tile in section.tiles] == [
        ("label 4", "vector of label 4"),
        ("label 5", "vector of label 5"),
    ]
    rising, falling = (decoded(pictures[tile.pictures[0].file]) for tile in section.tiles)
    assert rising[:, 0].argmax() > rising[:, -1].argmax()
    assert falling[:, 0].argmax() < falling[:, -1].argmax() < rising[:, 0].argmax()


def test_values_that_are_not_finite_or_do_not_fit_are_not_shown(tmp_path: pathlib.Path) -> None:
    odd = [
        example(values=[float("nan"), 1.0], label=0),
        example(values=[1.0, 2.0], label=0, height=2, width=3),
        example(values=[0.5] * (64 * 1024 + 1), label=0),
    ]
    tfrecord(tmp_path / "Split-train" / "data", odd)
    assert pictures_of(examples.make(artifact("Examples", tmp_path))[0]) == []


def test_a_large_split_is_read_only_so_far(tmp_path: pathlib.Path) -> None:
    records = [image(0, 0.5)] * examples.RECORDS + [image(9, 0.5)]
    tfrecord(tmp_path / "Split-train" / "data", records)
    made, _ = examples.make(artifact("Examples", tmp_path))
    assert {tile.label for tile in pictures_of(made)[0].tiles} == {"label 0"}
    assert made.section("splits").rows == (("train", len(records)),)


def test_of_many_labels_a_hundred_pictures_are_kept(tmp_path: pathlib.Path) -> None:
    tfrecord(tmp_path / "Split-train" / "data", [image(label, 0.5) for label in range(150)])
    [found] = pictures_of(examples.make(artifact("Examples", tmp_path))[0])
    assert [tile.label for tile in found.tiles] == [f"label {label}" for label in range(100)]


def test_an_empty_split_has_nothing_to_show(tmp_path: pathlib.Path) -> None:
    tfrecord(tmp_path / "Split-train" / "data", [])
    made, pictures = examples.make(artifact("Examples", tmp_path))
    [table] = made.sections
    assert isinstance(table, Table)
    assert (table.rows, pictures) == ((("train", 0),), {})


def test_a_type_without_a_preview_has_none(tmp_path: pathlib.Path) -> None:
    assert types.make_preview(artifact("PushedModel", tmp_path)) is None
    assert types.make_preview(artifact("Forest", tmp_path)) is None


def test_every_type_has_its_modules() -> None:
    for kind in types._TYPES.values():
        assert not kind.fingerprint or importlib.import_module(kind.fingerprint).FORM
        assert all(importlib.import_module(module).make for module in (kind.preview, kind.payload) if module)
