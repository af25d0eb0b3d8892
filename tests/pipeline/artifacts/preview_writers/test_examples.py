"""Examples: counts, features, and the first images of each label."""

from __future__ import annotations

import pathlib

import pytest

from pipeline.artifacts import preview_writers, previews
from pipeline.artifacts.previews import Feature
from tests import lazy
from tests.pipeline.artifacts.preview_writers.artifacts import artifact, example, grey, tfrecord

examples = lazy.module("pipeline.artifacts.preview_writers.examples")

pytestmark = pytest.mark.component


def image(label: int, value: float) -> bytes:
    return example(image=grey(value), label=label, height=2, width=3)


def test_the_first_images_of_each_label_are_shown_as_they_are_sorted_by_label(tmp_path: pathlib.Path) -> None:
    greys = {(7, 0): 0.1, (0, 0): 0.2, (7, 1): 0.3, (7, 2): 0.4, (0, 1): 0.5, (3, 0): 0.6}
    records = [image(label, value) for (label, _), value in greys.items()]
    tfrecord(tmp_path / "Split-train" / "train-00000-of-00002", records[:2], packed=True)
    tfrecord(tmp_path / "Split-train" / "train-00001-of-00002", records[2:])

    shown, pictures = examples.make(artifact("Examples", tmp_path))

    [split] = shown.splits
    assert [picture.label for picture in split.pictures] == ["label 0", "label 0", "label 3", "label 7", "label 7"]
    assert {(picture.width, picture.height) for picture in split.pictures} == {(3, 2)}
    wanted = [(0, 0), (0, 1), (3, 0), (7, 0), (7, 1)]  # the third 7 is one too many
    assert [pictures[picture.file] for picture in split.pictures] == [grey(greys[one]) for one in wanted]
    assert len(pictures) == 5
    assert all(previews.picture_path(tmp_path, name) for name in pictures)


def test_splits_come_in_the_pipeline_s_order_with_the_counts_that_were_noted(tmp_path: pathlib.Path) -> None:
    for name in ("test", "extra", "train", "validation", "aside"):
        tfrecord(tmp_path / f"Split-{name}" / "data", [image(0, 0.5)] * 3)
    made, pictures = examples.make(artifact("Examples", tmp_path, train_examples=60, test_examples=31))
    assert [(split.name, split.count) for split in made.splits] == [
        ("train", 60),
        ("validation", 3),
        ("test", 31),
        ("aside", 3),
        ("extra", 3),
    ]
    assert len(pictures) == 5 * 2  # no split's picture takes the place of another's


def test_features_are_those_of_the_first_example(tmp_path: pathlib.Path) -> None:
    first = example(zero=[], text=[b"a", b"b"], number=7, fraction=[0.5, 1.5, 2.5])
    tfrecord(tmp_path / "Split-train" / "data", [first, example(other=1)])
    [split] = examples.make(artifact("Examples", tmp_path))[0].splits
    assert split.features == (
        Feature("fraction", "float32", "(3,)"),
        Feature("number", "int64", "(1,)"),
        Feature("text", "bytes", "(2,)"),
        Feature("zero", "empty"),
    )
    assert (split.count, split.pictures) == (2, ())


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
    [split] = examples.make(artifact("Examples", tmp_path))[0].splits
    assert (split.count, split.pictures) == (len(odd), ())


def test_a_large_split_is_read_only_so_far(tmp_path: pathlib.Path) -> None:
    records = [image(0, 0.5)] * examples.RECORDS + [image(9, 0.5)]
    tfrecord(tmp_path / "Split-train" / "data", records)
    [split] = examples.make(artifact("Examples", tmp_path))[0].splits
    assert {picture.label for picture in split.pictures} == {"label 0"}
    assert split.count == len(records)


def test_of_many_labels_a_hundred_pictures_are_kept(tmp_path: pathlib.Path) -> None:
    tfrecord(tmp_path / "Split-train" / "data", [image(label, 0.5) for label in range(150)])
    [split] = examples.make(artifact("Examples", tmp_path))[0].splits
    assert [picture.label for picture in split.pictures] == [f"label {label}" for label in range(100)]


def test_an_empty_split_has_nothing_to_show(tmp_path: pathlib.Path) -> None:
    tfrecord(tmp_path / "Split-train" / "data", [])
    assert examples.make(artifact("Examples", tmp_path)) == (
        previews.Examples((previews.ExamplesSplit("train", 0, (), ()),)),
        {},
    )


def test_a_type_that_is_not_known_has_no_preview(tmp_path: pathlib.Path) -> None:
    assert preview_writers.make(artifact("PushedModel", tmp_path)) is None


def test_every_kind_of_preview_has_a_maker() -> None:
    assert preview_writers._MAKERS.keys() == previews.KINDS.keys()
