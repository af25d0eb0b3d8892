"""The table of codes: columns, row groups, and equal bytes for equal rows."""

from __future__ import annotations

import pathlib

import numpy as np
import pytest

from components.codes import table

CODES = np.float32([[0, 1.5], [2, 0], [0.25, 3]])


def test_columns_are_id_split_label_and_one_for_each_unit() -> None:
    rows = table.to_table(["a", "b", "c"], "train", CODES, np.array([7, 0, 7]))
    assert rows.to_pydict() == {
        "id": ["a", "b", "c"],
        "split": ["train"] * 3,
        "label": [7, 0, 7],
        "code_0": [0, 2, 0.25],
        "code_1": [1.5, 0, 3],
    }
    assert [str(kind) for kind in rows.schema.types] == ["string", "string", "int64", "float", "float"]


def test_without_labels_and_split_there_are_no_such_columns() -> None:
    assert table.to_table(["a", "b", "c"], "", CODES).column_names == ["id", "code_0", "code_1"]


@pytest.mark.parametrize("sizes", [[3, 3, 3, 1], [10], [1] * 10, [0, 9, 1]])
def test_row_groups_and_bytes_do_not_depend_on_how_rows_arrive(
    sizes: list[int], tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table, "ROW_GROUP", 4)
    codes = np.arange(20, dtype=np.float32).reshape(10, 2)

    def write(name: str, sizes: list[int]) -> pathlib.Path:
        start = 0
        with table.Writer(tmp_path / name) as writer:
            for size in sizes:
                part = slice(start, start + size)
                writer.add(table.to_table([f"train/{n}" for n in range(10)[part]], "train", codes[part]))
                start += size
        return tmp_path / name

    path = write("a.parquet", sizes)
    assert [group.num_rows for group in table.row_groups(path)] == [4, 4, 2]
    assert np.concatenate([table.codes_of(group) for group in table.row_groups(path)]).tolist() == codes.tolist()
    assert path.read_bytes() == write("b.parquet", [10]).read_bytes()


def test_codes_come_in_the_order_of_the_units_also_above_ten(tmp_path: pathlib.Path) -> None:
    codes = np.arange(24, dtype=np.float32).reshape(2, 12)
    assert table.codes_of(table.to_table(["a", "b"], "train", codes)).tolist() == codes.tolist()
