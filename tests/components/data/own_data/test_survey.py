"""What is found when all records are read: splits, groups, duplicates, faults; and conversions."""

from __future__ import annotations

import hashlib
import itertools
from typing import Any

import numpy as np
import pytest

from components import errors
from components.data.own_data.convert import convert
from components.data.own_data.records import IMAGE, VECTOR, OptionError, Options, Record, Source, UnreadableRecordError
from components.data.own_data.survey import digest_of, read_again, split_of, survey

HALVES = (("train", 0.5), ("test", 0.5))


def source(arrays: Any, kind: str = VECTOR, **columns: list[Any]) -> Source:
    def record(row: int) -> Record:
        own = {name: column[row] for name, column in columns.items()}
        return Record(f"r{row}", lambda: np.asarray(arrays[row]), **own)

    records = [record(row) for row in range(len(arrays))]
    return Source("made records", kind, lambda: iter(records))


def vectors(count: int, start: int = 0) -> list[Any]:
    return [np.array([row, row * row, 1.0]) for row in range(start, start + count)]


def test_the_split_is_the_hash_of_seed_and_content() -> None:
    key = digest_of(np.array([1.0, 2.0]))
    place = int.from_bytes(hashlib.sha256(b"3:" + key).digest()[:8], "big") / 2**64
    assert split_of(key, Options(fractions=HALVES, seed=3)) == ("train" if place < 0.5 else "test")


def test_splits_stay_when_records_are_added() -> None:
    few, many = (survey(source(vectors(count)), Options()) for count in (100, 150))
    assert [one.split for one in few.entries] == [one.split for one in many.entries[:100]]
    assert sum(many.facts["records"].values()) == 150
    assert 100 <= many.facts["records"]["train"] <= 140
    other = survey(source(vectors(100)), Options(seed=1))
    assert [one.split for one in few.entries] != [one.split for one in other.entries]


def test_no_group_is_in_two_splits() -> None:
    groups = [f"patient {row % 20}" for row in range(200)]
    found = survey(source(vectors(200), group=groups), Options(fractions=HALVES))
    assert len({(groups[one.number], one.split) for one in found.entries}) == 20
    assert found.facts["groups"] == 20
    given = source(vectors(3), group=["a", "a", "b"], split=["train", "test", "train"])
    with pytest.raises(errors.DataError, match="'a' is in two splits: r0 in train, r1 in test"):
        survey(given, Options())


def test_duplicates_are_counted_and_those_across_splits_named() -> None:
    arrays = [[0, 1], [0, 1], [2, 3], [0, 1]]
    found = survey(source(arrays, split=["train", "train", "train", "test"]), Options())
    assert (found.facts["duplicates"], found.facts["duplicates_across_splits"]) == (2, 1)
    assert found.facts["duplicates_named"] == ["r3 of test = r0 of train"]
    assert any("equal to one of another split: r3" in text for text in found.warnings)


def test_range_mean_and_constant_values() -> None:
    found = survey(source([[0, 5, 1], [4, 5, 1], [9, 5, 1]], split=["train", "train", "test"]), Options())
    assert found.facts["range"] == [0, 9]
    assert found.facts["train_mean"] == pytest.approx(16 / 6)
    assert found.facts["train_deviation"] == pytest.approx(np.std([0, 5, 1, 4, 5, 1]))
    assert found.facts["constant_values"] == 2
    assert any(text == "2 of 3 values are the same in all records" for text in found.warnings)


def test_labels_are_sorted_as_numbers_or_texts() -> None:
    kinds = {"label": ["10", "9", "10"], "split": ["train", "test", "train"]}
    found = survey(source(vectors(3), **kinds), Options())
    assert found.label_names == ("9", "10")
    assert found.facts["labels"] == {"train": {"9": 0, "10": 2}, "test": {"9": 1, "10": 0}}


@pytest.mark.parametrize(
    ("arrays", "columns", "reason"),
    [
        ([], {}, "0 usable records"),
        ([[1, 2]], {}, "1 usable record;"),
        ([[1.0], [np.nan]], {}, "1 of 2 records cannot be used: r1: 1 of its values is NaN"),
        ([[1.0], [np.inf]], {}, "infinite"),
        ([[1.0], [1e300]], {}, "beyond float32"),
        ([[1, 2]] * 3, {}, "all records are equal"),
        ([[1], [2]], {"label": ["a", "a"]}, "the one label 'a'"),
        ([[1], [2]], {"split": ["train", "train"], "group": ["a", "b"]}, ""),
        ([[1], [2]], {}, "would be empty"),
    ],
)
def test_records_that_cannot_be_used_are_refused(arrays: Any, columns: dict[str, Any], reason: str) -> None:
    if not reason:
        assert survey(source(arrays, **columns), Options()).facts["records"] == {"train": 2}
        return
    with pytest.raises(errors.DataError, match=reason):
        survey(source(arrays, **columns), Options())


def test_too_few_groups_for_the_splits_are_counted() -> None:
    with pytest.raises(errors.DataError, match=r"would be empty.*20 records in 2 groups"):
        survey(source(vectors(20), group=["a", "b"] * 10), Options())


@pytest.mark.parametrize(
    ("shapes", "kind", "reason"),
    [
        ([(2, 2, 1), (2, 3, 1), (2, 2, 1)], np.uint8, r"2 sizes: 2x2 \(2, such as r0\), 2x3 .*--size"),
        ([(2, 2, 1), (2, 2, 3)], np.uint8, r"grey \(1, such as r0\), colour .*--grey or --colour"),
    ],
)
def test_mixed_images_name_an_example_of_each(shapes: Any, kind: Any, reason: str) -> None:
    with pytest.raises(errors.DataError, match=reason):
        survey(source([np.zeros(shape, kind) for shape in shapes], IMAGE), Options())


@pytest.mark.parametrize("kinds", itertools.permutations(["uint8", "uint16", "float32"], 2))
def test_mixed_types_are_refused(kinds: tuple[str, str]) -> None:
    with pytest.raises(errors.DataError, match=rf"{kinds[0]} \(1, such as r0\), {kinds[1]} \(1, such as r1\)"):
        survey(source([np.zeros((2, 2, 1), kind) for kind in kinds], IMAGE), Options())


def test_unreadable_records_are_left_out_and_counted() -> None:
    arrays = [*vectors(100), np.array([np.nan, 1, 1])]
    read: list[int] = []
    found = survey(source(arrays), Options(skip_unreadable=True), read.append)
    assert read == [*range(1, 102)]
    assert (len(found.entries), found.facts["unreadable"]) == (100, 1)
    assert found.warnings[0].startswith("left out 1 record that cannot be used: r100: 1 of its values is NaN")


def test_a_record_that_changes_after_the_survey_is_found() -> None:
    arrays = vectors(100)
    given = source(arrays)
    found = survey(given, Options())
    assert sum(len(list(read_again(given, found, Options(), split))) for split in found.facts["records"]) == 100
    split = found.entries[0].split
    arrays[0][0] = 77
    with pytest.raises(errors.DataError, match="r0 changed while it was read"):
        list(read_again(given, found, Options(), split))


def test_options_of_images_are_refused_for_vectors() -> None:
    with pytest.raises(OptionError, match="vectors"):
        survey(source(vectors(9)), Options(size=(2, 2)))


def test_colour_becomes_grey_by_luma_and_grey_three_channels() -> None:
    image = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255]]], np.uint8)
    grey = convert(image, IMAGE, Options(colour=False))
    assert grey.dtype == np.uint8
    assert grey[..., 0].tolist() == [[76, 150, 29]]  # 255 times 0.299, 0.587 and 0.114
    assert convert(grey, IMAGE, Options(colour=True)).tolist() == [[[76] * 3, [150] * 3, [29] * 3]]


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
def test_resizing_keeps_the_type(kind: Any) -> None:
    image = np.array([[0, 100], [100, 200]], kind)[..., np.newaxis]
    small = convert(image, IMAGE, Options(size=(1, 1), resampling="box"))
    assert (small.dtype, small.tolist()) == (kind, [[[100]]])
    assert convert(image, IMAGE, Options(size=(4, 6))).shape == (4, 6, 1)


def test_other_numbers_become_float32() -> None:
    assert convert(np.array([[[5]]]), IMAGE, Options()).dtype == np.float32
    assert convert(np.array([True]), VECTOR, Options()).tolist() == [1.0]
    with pytest.raises(UnreadableRecordError):
        convert(np.array([np.nan]), VECTOR, Options())


def test_images_of_booleans_are_black_and_white_as_pictures_of_one_bit_are() -> None:
    values = convert(np.array([[[True], [False]]]), IMAGE, Options())
    assert (values.dtype, values.tolist()) == (np.uint8, [[[255], [0]]])
    resized = convert(np.array([[[True], [False]]]), IMAGE, Options(size=(1, 1)))
    assert (resized.dtype, resized.tolist()) == (np.uint8, [[[128]]])
    assert convert(np.array([True, False]), VECTOR, Options()).tolist() == [1, 0]
