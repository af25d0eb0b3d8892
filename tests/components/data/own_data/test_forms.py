"""Arrays, IDX files and tables."""

from __future__ import annotations

import gzip
import pathlib
import re
import struct
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from components import errors
from components.data.own_data import forms
from components.data.own_data.conversion import Conversion
from components.data.own_data.records import OptionError, Options, UnreadableRecordError

VECTORS = np.arange(6, dtype=np.float64).reshape(3, 2)


def read(path: pathlib.Path, **options: Any) -> list[tuple[str, str | None, str | None, str, Any]]:
    source = forms.open_source(path, Options(**options))
    return [(one.id, one.label, one.group, one.split, one.load().tolist()) for one in source.read()]


def test_npy_is_vectors_or_images(tmp_path: pathlib.Path) -> None:
    np.save(tmp_path / "a.npy", VECTORS)
    assert read(tmp_path / "a.npy")[1] == ("1", None, None, "", [2, 3])
    np.save(tmp_path / "b.npy", np.zeros((2, 4, 5), np.uint8))
    source = forms.open_source(tmp_path / "b.npy", Options())
    assert (source.kind, next(source.read()).load().shape) == ("image", (4, 5, 1))


@pytest.mark.parametrize(
    ("array", "reason"),
    [(np.zeros(3), "shape"), (np.zeros((2, 3, 3, 2)), "shape"), (np.array([["a"]]), "type"),
     (np.zeros((2, 2), complex), "type"), (np.array([[{}]]), "cannot be read as an array")],
)  # fmt: skip
def test_other_arrays_are_refused(tmp_path: pathlib.Path, array: Any, reason: str) -> None:
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(errors.DataError, match=reason):
        read(tmp_path / "a.npy")


@pytest.mark.parametrize("channels", [1, 3])
def test_the_refusal_of_channels_before_pixels_names_the_call_that_moves_them(
    tmp_path: pathlib.Path, channels: int
) -> None:
    array = np.zeros((2, channels, 5, 4), np.uint8)
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(errors.DataError, match=r"numpy\.moveaxis\(array, 1, -1\)"):
        read(tmp_path / "a.npy")
    np.save(tmp_path / "a.npy", np.moveaxis(array, 1, -1))
    source = forms.open_source(tmp_path / "a.npy", Options())
    assert next(source.read()).load().shape == (5, 4, channels)


@pytest.mark.parametrize("channels", [1, 3])
def test_the_refusal_of_transparency_names_what_leaves_it_out(tmp_path: pathlib.Path, channels: int) -> None:
    array = np.zeros((2, 5, 6, channels + 1), np.uint8)
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(errors.DataError, match=r"array\[\.\.\., :-1\]"):
        read(tmp_path / "a.npy")
    np.save(tmp_path / "a.npy", array[..., :-1])
    source = forms.open_source(tmp_path / "a.npy", Options())
    assert next(source.read()).load().shape == (5, 6, channels)


@pytest.mark.parametrize("shape", [(2, 4, 5, 2), (2, 5, 4, 5, 3)])
def test_other_shapes_are_refused_without_that_call(tmp_path: pathlib.Path, shape: tuple[int, ...]) -> None:
    np.save(tmp_path / "a.npy", np.zeros(shape, np.uint8))
    with pytest.raises(errors.DataError, match="shape") as caught:
        read(tmp_path / "a.npy")
    assert "moveaxis" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "hint"),
    [("a.tsv", "with commas"), ("a.XLSX", "with commas"), ("a.zip", "unpack"), ("a.h5", "give a picture")],
)
def test_the_refusal_of_another_form_says_what_to_make_of_it(tmp_path: pathlib.Path, name: str, hint: str) -> None:
    (tmp_path / name).write_bytes(b"a\t1\n")
    with pytest.raises(errors.DataError, match=f"no known form: .*{hint}"):
        read(tmp_path / name)


def test_a_row_of_a_table_with_too_few_values_is_named(tmp_path: pathlib.Path) -> None:
    (tmp_path / "a.csv").write_text("x,y,z\n1,2,3\n1,2\n1,2,3\n")
    with pytest.raises(errors.DataError, match=r"[Rr]ow #3.* 3 columns, got 2"):
        read(tmp_path / "a.csv")


def test_npz_has_labels_and_groups(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, x=VECTORS, y=np.array([1.0, 2.0, 1.0]), who=np.array(["p", "q", "p"]))
    assert [row[1:3] for row in read(path, group="who")] == [("1", "p"), ("2", "q"), ("1", "p")]
    assert [row[1] for row in read(path, label="who")] == ["p", "q", "p"]
    assert [row[1] for row in read(path, no_labels=True)] == [None] * 3
    with pytest.raises(OptionError, match=r"--label 'z'.* has no such column"):
        read(path, label="z")
    np.savez(path, x=VECTORS, z=VECTORS)
    with pytest.raises(OptionError, match=r"x \(3, 2\), z \(3, 2\): name .* --array"):
        read(path)
    assert len(read(path, array="z")) == 3


def test_npz_may_have_arrays_for_each_split(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, x_test=VECTORS[2:], y_test=np.array([7]), x_train=VECTORS[:2], y_train=np.array([8, 9]))
    assert read(path) == [
        ("train 0", "8", None, "train", [0, 1]),
        ("train 1", "9", None, "train", [2, 3]),
        ("test 0", "7", None, "test", [4, 5]),
    ]
    np.savez(path, x_train=VECTORS)
    with pytest.raises(errors.DataError, match="both train and test"):
        read(path)


@pytest.mark.parametrize(("labels", "reason"), [([1, 2], "2 rows, the data has 3"), ([1.5, 2, 3], "whole numbers")])
def test_labels_that_do_not_fit_are_refused(tmp_path: pathlib.Path, labels: list[float], reason: str) -> None:
    np.savez(tmp_path / "a.npz", x=VECTORS, y=np.array(labels))
    with pytest.raises((errors.DataError, OptionError), match=reason):
        read(tmp_path / "a.npz")


def test_an_empty_label_in_a_file_of_labels_is_refused(tmp_path: pathlib.Path) -> None:
    np.save(tmp_path / "a.npy", VECTORS)
    (tmp_path / "labels.csv").write_text("label,who\na,x\n ,y\nb,z\n")
    with pytest.raises(OptionError, match=r"row 1 of .*labels\.csv has no label"):
        read(tmp_path / "a.npy", labels=str(tmp_path / "labels.csv"))


def test_labels_are_in_another_file(tmp_path: pathlib.Path) -> None:
    np.save(tmp_path / "a.npy", VECTORS)
    np.save(tmp_path / "y.npy", np.array([3, 4, 5]))
    (tmp_path / "y.csv").write_text("label,who\na,1\nb,1\nc,2\n")
    assert [row[1] for row in read(tmp_path / "a.npy", labels=str(tmp_path / "y.npy"))] == ["3", "4", "5"]
    rows = read(tmp_path / "a.npy", labels=str(tmp_path / "y.csv"), group="who")
    assert [row[1:3] for row in rows] == [("a", "1"), ("b", "1"), ("c", "2")]


def idx(values: Any, kind: int) -> bytes:
    array = np.asarray(values)
    header = bytes([0, 0, kind, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.astype({8: ">u1", 0x0D: ">f4"}[kind]).tobytes()


def test_idx_folder_has_splits_and_labels(tmp_path: pathlib.Path) -> None:
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(np.full((2, 1, 1), 9), 8)))
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx([4, 5], 8))
    (tmp_path / "t10k-images-idx3-ubyte").write_bytes(idx([[[8]]], 8))
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(idx([6], 8))
    assert read(tmp_path) == [
        ("0", "6", None, "test", [[[8]]]),
        ("1", "4", None, "train", [[[9]]]),
        ("2", "5", None, "train", [[[9]]]),
    ]
    (tmp_path / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(errors.DataError, match="no file t10k-labels"):
        read(tmp_path)


def test_one_idx_file_of_floats(tmp_path: pathlib.Path) -> None:
    (tmp_path / "a").write_bytes(idx(VECTORS, 0x0D))
    (tmp_path / "y").write_bytes(idx([1, 2, 3], 8))
    assert read(tmp_path / "a", labels=str(tmp_path / "y"))[2] == ("2", "3", None, "", [4, 5])


@pytest.mark.parametrize("content", [idx(VECTORS, 8)[:-1], idx(VECTORS, 8) + b"0", b"\0\0\x08\x02\0\0"])
def test_a_damaged_idx_file_is_refused(tmp_path: pathlib.Path, content: bytes) -> None:
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(errors.DataError, match="damaged"):
        read(tmp_path / "a")


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_tables_are_vectors(tmp_path: pathlib.Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    if suffix == "csv":
        path.write_text("u,v,kind,who\n1,.5,a,7\n2,-3,b,8\n")
    else:
        pa.parquet.write_table(pa.table({"u": [1, 2], "v": [0.5, -3], "kind": ["a", "b"], "who": [7, 8]}), path)
    assert read(path, label="kind", group="who") == [("0", "a", "7", "", [1, 0.5]), ("1", "b", "8", "", [2, -3])]
    with pytest.raises(
        errors.DataError, match=r"the column kind is not of numbers.*--label.*--leave-out kind, or mend"
    ):
        read(path)
    with pytest.raises(OptionError, match="no such column; there are: u, v, kind, who"):
        read(path, label="x")


def test_columns_of_a_table_are_left_out(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("name,u,v\nx,1,.5\ny,2,-3\n")
    assert [row[4] for row in read(path, leave_out=("name",))] == [[1, 0.5], [2, -3]]
    assert [row[4] for row in read(path, leave_out=("name", "u"))] == [[0.5], [-3]]
    with pytest.raises(OptionError, match=r"--leave-out 'nam': .* no such column; there are: name, u, v"):
        read(path, leave_out=("nam",))
    # Those of the training data need not be there, and may be read as labels.
    again = forms.open_source(path, Options(label="name"), Conversion(left_out=("name", "gone", "v")))
    assert [(one.label, one.load().tolist()) for one in again.read()] == [("x", [1]), ("y", [2])]
    np.save(tmp_path / "a.npy", VECTORS)
    with pytest.raises(OptionError, match=r"--leave-out names a column of a .csv or .parquet file"):
        read(tmp_path / "a.npy", leave_out=("name",))


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
@pytest.mark.parametrize(
    ("names", "values"),
    [
        (("u", "v"), [1, 2]),
        (("v", "u"), [2, 1]),  # the columns of the training data, in its order
        (("v", "extra", "u"), [3, 1]),  # and no others
        (("u", "v", "extra"), [1, 2]),
        (("x", "y"), [1, 2]),  # none of its names: by their places
    ],
)
def test_columns_of_new_data_are_found_by_their_names(
    tmp_path: pathlib.Path, suffix: str, names: tuple[str, ...], values: list[int]
) -> None:
    path = tmp_path / f"a.{suffix}"
    if suffix == "csv":
        path.write_text(f"{','.join(names)}\n{','.join(str(number + 1) for number in range(len(names)))}\n")
    else:
        pa.parquet.write_table(pa.table({name: [number + 1] for number, name in enumerate(names)}), path)
    source = forms.open_source(path, Options(), Conversion(columns=("u", "v")))
    assert [one.load().tolist() for one in source.read()] == [values]


def test_a_text_beside_the_columns_of_the_training_data_is_left_out(tmp_path: pathlib.Path) -> None:
    (tmp_path / "a.csv").write_text("v,name,u\n1,first,2\n")
    source = forms.open_source(tmp_path / "a.csv", Options(), Conversion(columns=("u", "v")))
    assert [one.load().tolist() for one in source.read()] == [[2, 1]]
    labelled = forms.open_source(tmp_path / "a.csv", Options(label="name"), Conversion(columns=("u", "v")))
    assert [(one.label, one.load().tolist()) for one in labelled.read()] == [("first", [2, 1])]


@pytest.mark.parametrize("text", ["u,w\n1,2\n", "u\n1\n", "w,u,x\n1,2,3\n"])
def test_new_data_without_some_columns_of_the_training_data_is_refused(tmp_path: pathlib.Path, text: str) -> None:
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(errors.DataError, match=r"lacks the column v of the training data"):
        forms.open_source(tmp_path / "a.csv", Options(), Conversion(columns=("u", "v")))


@pytest.mark.parametrize("options", [{"label": "kind"}, {"label": "kind", "group": "who"}])
def test_a_column_without_a_name_is_never_data(tmp_path: pathlib.Path, options: dict[str, str]) -> None:
    """As pandas writes the numbers of rows, and spreadsheets an empty last column."""
    path = tmp_path / "a.csv"
    path.write_text(",u,kind,who\n0,5,a,7\n1,6,b,8\n")
    left_out = () if "group" in options else ("who",)
    assert [row[4] for row in read(path, leave_out=left_out, **options)] == [[5], [6]]


@pytest.mark.parametrize("mark", [";", "\t", "|"])
@pytest.mark.parametrize("label", ["", "kind"])
def test_another_separator_than_the_comma_is_named(tmp_path: pathlib.Path, mark: str, label: str) -> None:
    (tmp_path / "a.csv").write_text(f"u{mark}kind\n1{mark}a\n2{mark}b\n")
    with pytest.raises(errors.DataError, match="with commas") as raised:
        read(tmp_path / "a.csv", label=label)
    assert repr(mark) in str(raised.value)


def test_a_csv_file_may_have_no_line_of_names(tmp_path: pathlib.Path) -> None:
    (tmp_path / "a.csv").write_text("1,2\n3,4\n")
    assert [row[4] for row in read(tmp_path / "a.csv")] == [[1, 2], [3, 4]]


@pytest.mark.parametrize("value", ["", "nan", "NaN", "inf", "-Infinity", "1e39"])
@pytest.mark.parametrize(("names", "line"), [("u,v\n", 5), ("", 4)])
def test_a_value_of_a_csv_file_that_is_not_finite_is_named_with_line_and_column(
    tmp_path: pathlib.Path, value: str, names: str, line: int
) -> None:
    """Empty lines count as lines, though they are no rows."""
    (tmp_path / "a.csv").write_text(f"{names}1,2\n\n3,4\n5,{value}\n")
    good, other, bad = forms.open_source(tmp_path / "a.csv", Options()).read()
    assert (good.load().tolist(), other.load().tolist()) == ([1, 2], [3, 4])
    with pytest.raises(UnreadableRecordError, match=f"line {line}, column {'v' if names else 'f1'}: {value!r}"):
        bad.load()


@pytest.mark.parametrize("value", [None, np.nan, np.inf, -1e39])
def test_a_value_of_a_parquet_file_that_is_not_finite_is_named_with_row_and_column(
    tmp_path: pathlib.Path, value: Any
) -> None:
    pa.parquet.write_table(pa.table({"u": [1, 2], "v": [0.5, value]}), tmp_path / "a.parquet")
    good, bad = forms.open_source(tmp_path / "a.parquet", Options()).read()
    assert good.load().tolist() == [1, 0.5]
    with pytest.raises(UnreadableRecordError, match=re.escape(f"row 1, column v: {value!r}")):
        bad.load()


def test_a_text_among_numbers_and_a_missing_label_are_named_with_line_and_column(tmp_path: pathlib.Path) -> None:
    (tmp_path / "a.csv").write_text('u,v,kind\n1,"2",a\n\n3,4,b\n5,6 mm,\n')
    with pytest.raises(errors.DataError, match=r"the column v is not of numbers \(line 5: '6 mm'"):
        read(tmp_path / "a.csv", label="kind")
    (tmp_path / "a.csv").write_text("u,v,kind\n1,2,a\n\n3,4,b\n5,6,\n")
    with pytest.raises(OptionError, match=r"line 5, column kind of .* has no label"):
        read(tmp_path / "a.csv", label="kind")
    pa.parquet.write_table(pa.table({"u": [1, 2], "v": ["3", "x"]}), tmp_path / "a.parquet")
    with pytest.raises(errors.DataError, match=r"the column v is not of numbers \(row 1: 'x'"):
        read(tmp_path / "a.parquet")


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.npy", b"x"), ("a.npz", b"PK"), ("a.csv", b""), ("a.csv", b"a,b\n1\n"), ("a.parquet", b"PAR1"), ("a.txt", b"x"),
     ("a.npz", b"")],
)  # fmt: skip
def test_damaged_and_unknown_files_are_refused(tmp_path: pathlib.Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(errors.DataError, match=name):
        read(tmp_path / name)
