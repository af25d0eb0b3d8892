"""Sections of a preview with the words that people see for slices."""

from __future__ import annotations

from pipeline.artifacts.sections import (
    BarChart,
    BarValue,
    Pairs,
    Picture,
    Pictures,
    Preview,
    Table,
    TableColumn,
    Text,
    Tile,
    columns,
)

TITLES = {"label 0": "label cat"}


def test_slices_and_labels_are_renamed_where_they_are_shown() -> None:
    given = Preview(
        "p",
        (
            Pairs("a", {"label 0": 1}),
            Table("b", columns("slice", "value"), (("label 0", 0), ("label 1", 1), ("all", None))),
            Table("c", columns("id", "label"), (("0", 0), ("1", 1))),
            BarChart("d", (BarValue("label 0", 2.0), BarValue("label 1", 3.0))),
            Pictures("e", (Tile("label 0", (Picture("f.png", 1, 1, "image of label 0"),)), Tile("unit 0", ()))),
        ),
    )
    pairs, slices, labels, bars, tiles = given.renamed(TITLES).sections
    assert pairs == given.sections[0]
    assert isinstance(slices, Table)
    assert slices.rows == (("label cat", 0), ("label 1", 1), ("all", None))
    assert isinstance(labels, Table)
    assert labels.rows == (("0", "cat"), ("1", 1))
    assert isinstance(bars, BarChart)
    assert [bar.label for bar in bars.bars] == ["label cat", "label 1"]
    assert isinstance(tiles, Pictures)
    assert [(tile.label, [one.label for one in tile.pictures]) for tile in tiles.tiles] == [
        ("label cat", ["image of label cat"]),
        ("unit 0", []),
    ]
    assert given.renamed({}) == given


def test_slices_are_renamed_in_reasons_as_whole_names() -> None:
    reasons = ("bce label 0 is 0.9, allowed is at most 0.2", "bce label 01 is 1", "xlabel 0")
    [text] = Preview("p", (Text("label 0", items=reasons),)).renamed(TITLES).sections
    assert isinstance(text, Text)
    assert text.items == ("bce label cat is 0.9, allowed is at most 0.2", *reasons[1:])


def test_the_form_of_a_column_is_after_its_last_colon() -> None:
    found = columns("slice", "test loss:val:number")  # a name from the store of another pipeline may have one
    assert found == (TableColumn("slice", "text"), TableColumn("test loss:val", "number"))


def test_names_in_a_table_get_labels_and_are_reworded() -> None:
    titles = columns("metric:name", "slice")
    given = Preview("p", (Table("thresholds", titles, (("bce_to_mean_image", "label image"), ("other", "mse"))),))
    [table] = given.labelled({"bce_to_mean_image": "BCE to mean image", "mse": "MSE"}).sections
    assert isinstance(table, Table)
    assert table.rows == (("BCE to mean image", "label image"), ("other", "mse"))
    [table] = given.reworded({"image": "vector"}).sections
    assert isinstance(table, Table)
    assert table.rows == (("bce_to_mean_vector", "label image"), ("other", "mse"))


def test_titles_and_names_are_reworded_but_no_values() -> None:
    given = Preview(
        "p",
        (
            Pairs("images", {"mean image's BCE": "image"}),
            Table("a", columns("slice", "test images:number"), (("label image", 3),)),
            Pictures("test images", (Tile("image", ()),), "of the images"),
        ),
    )
    pairs, table, pictures = given.reworded({"image": "vector"}).sections
    assert pairs == Pairs("vectors", {"mean vector's BCE": "image"})
    assert isinstance(table, Table)
    assert [column.title for column in table.columns] == ["slice", "test vectors"]
    assert table.rows == (("label image", 3),)
    assert pictures == Pictures("test vectors", (Tile("image", ()),), "of the vectors")
