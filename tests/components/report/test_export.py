"""Figures as vector graphics and tables as CSV, from the files of a report."""

from __future__ import annotations

import csv
import dataclasses
import pathlib
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from PIL import Image

from components.report import export, figures, page
from components.report.png import png_of
from tests.components.report.test_page import FIGURES, make_data, with_details


def stored(data: page.ReportData, folder: pathlib.Path) -> dict[str, object]:
    """Write the pictures as the node does, and return the summary."""
    images = []
    for number, label in enumerate(data.image_labels):
        names = {"original": f"{number}-original.png", "reconstruction": f"{number}-reconstruction.png"}
        (folder / names["original"]).write_bytes(png_of(data.images[number]))
        (folder / names["reconstruction"]).write_bytes(png_of(data.reconstructions[number]))
        images.append({"label": label, **names})
    return {
        "dataset": data.title,
        "blessed": data.blessed,
        "reasons": list(data.reasons),
        "metrics": {**data.metrics, "pca_mse": data.pca_mse},
        "per_label": data.per_label,
        "images": images,
        "units": [
            {"frequency": float(often), "mean": float(mean)}
            for often, mean in zip(data.unit_frequency, data.unit_mean, strict=True)
        ],
    }


@pytest.fixture
def read(tmp_path: pathlib.Path) -> page.ReportData:
    data = make_data(labels=("a", "b"))
    return export.read_report(stored(data, tmp_path), [dataclasses.asdict(one) for one in data.history], tmp_path)


def test_a_report_is_read_back_but_for_the_rounding_of_its_pictures(read: page.ReportData) -> None:
    written = make_data(labels=("a", "b"))
    assert (read.metrics, read.pca_mse, read.per_label) == (written.metrics, written.pca_mse, written.per_label)
    assert (read.history, read.image_labels, read.title) == (written.history, written.image_labels, written.title)
    np.testing.assert_array_equal(read.unit_frequency, written.unit_frequency)
    np.testing.assert_allclose(read.images, written.images, atol=0.5 / 255 + 1e-6)
    np.testing.assert_allclose(read.reconstructions, written.reconstructions, atol=0.5 / 255 + 1e-6)


def test_figures_are_vector_graphics_and_the_same_each_time(read: page.ReportData, tmp_path: pathlib.Path) -> None:
    folder = tmp_path / "figures"
    folder.mkdir()
    written = export.write_figures(read, folder, ["svg", "pdf", "png"], tmp_path)
    assert sorted(folder.iterdir()) == sorted(written)
    assert {path.name for path in written} == {f"{name}.{form}" for name in FIGURES for form in ("svg", "pdf", "png")}
    assert ElementTree.parse(folder / "curves.svg").getroot().tag == "{http://www.w3.org/2000/svg}svg"
    assert (folder / "curves.pdf").read_bytes().startswith(b"%PDF-1.4")
    with Image.open(folder / "units.png") as picture:
        assert picture.format == "PNG"
    # Between them they have all that could differ: lines, hatches, pictures and text.
    for name in ("reconstructions", "units"):
        for form in ("svg", "pdf", "png"):
            again = figures.render(page.drawings(read)[name], figures.LIGHT, form)
            assert (folder / f"{name}.{form}").read_bytes() == again


def detailed(read: page.ReportData, folder: pathlib.Path, labels: tuple[str, ...]) -> page.ReportData:
    return dataclasses.replace(read, details=with_details(read, folder, labels).details)


@pytest.mark.parametrize("labels", [("cat", "dog"), ()])
def test_pictures_of_units_are_figures_too(
    read: page.ReportData, tmp_path: pathlib.Path, labels: tuple[str, ...]
) -> None:
    details = detailed(read, tmp_path, labels).details
    drawn = export.unit_drawings(details, tmp_path)
    assert list(drawn) == ["unit_images", "traversals"]
    assert ElementTree.fromstring(figures.render(drawn["traversals"], figures.LIGHT, "svg")).tag.endswith("svg")
    figure = drawn["unit_images"](figures.LIGHT)
    assert [text.get_text() for text in figure.texts] == ["2", "5"]
    images = [image.get_array() for axes in figure.axes for image in axes.get_images()]
    # The answer, then the strongest images of each unit, each a sheet of one grey; then the profiles.
    assert [int(image[0, 0, 0]) for image in images[:4]] == [21, 20, 51, 50]
    assert [image.tolist() for image in images[4:]] == ([[[0.25, 1.0], [0.25, 1.0]]] if labels else [])
    assert export.unit_drawings(None, tmp_path) == {}


def test_tables_of_units_have_their_strongest_images_and_profiles(
    read: page.ReportData, tmp_path: pathlib.Path
) -> None:
    export.write_tables(detailed(read, tmp_path, ("cat", "dog")), tmp_path)
    assert (tmp_path / "top_images.csv").read_text().splitlines() == [
        "unit,rank,number,label,activation", "2,1,0,cat,3.0", "2,2,1,dog,3.0", "5,1,0,cat,8.0", "5,2,1,dog,8.0",
    ]  # fmt: skip
    assert (tmp_path / "profiles.csv").read_text().splitlines() == ["unit,cat,dog", "2,0.5,2.0", "5,0.5,2.0"]


def test_tables_have_all_digits(read: page.ReportData, tmp_path: pathlib.Path) -> None:
    export.write_tables(read, tmp_path)

    def rows(name: str) -> list[list[str]]:
        with open(tmp_path / name, encoding="utf-8", newline="") as file:
            return list(csv.reader(file))

    assert ["bce", "0.0943"] in rows("metrics.csv")
    assert rows("metrics.csv")[-1] == ["pca_mse", "0.01683"]
    assert [row[:2] for row in rows("labels.csv")] == [["label", "bce"], ["a", str(0.07)], ["b", str(0.07 + 1 / 1000)]]
    assert rows("epochs.csv")[0] == ["epoch", "loss", "val_loss", "reconstruction", "val_reconstruction"]
    assert [float(row[3]) for row in rows("epochs.csv")[1:]] == [one.reconstruction for one in read.history]
    assert [float(row[1]) for row in rows("units.csv")[1:]] == read.unit_frequency.tolist()


def some_sheets(count: int, height: int, width: int) -> np.ndarray:
    sheets = np.random.default_rng(0).integers(0, 256, (count, height, width, 4), np.uint8)
    sheets[..., 3] = 255
    return sheets


def is_at(picture: np.ndarray, sheet: np.ndarray, left: float, top: float) -> bool:
    """Whether a sheet is at a place in px or half a px beside it, each of its pixels as large as the others."""
    large = sheet.repeat(figures.DENSITY, 0).repeat(figures.DENSITY, 1)
    x, middle = round(left * figures.DENSITY), round(top * figures.DENSITY)
    found = (picture[y : y + large.shape[0], x : x + large.shape[1]] for y in range(middle - 1, middle + 2))
    return any(np.array_equal(one, large) for one in found)


def test_each_pixel_of_a_traversal_is_a_px() -> None:
    count, height, width = 32, 28, 100
    sheets = some_sheets(count, height, width)
    drawn = figures.pixels(lambda theme: figures.draw_traversals(theme, range(count), list(sheets)), figures.LIGHT)
    across, down = width + 2 * figures.IMAGES_MARGIN, height + figures.IMAGES_HEADING + figures.IMAGES_MARGIN
    columns = figures.TRAVERSALS_WIDTH // across
    for place, sheet in enumerate(sheets):
        band, column = divmod(place, columns)
        left, top = figures.IMAGES_MARGIN + column * across, figures.IMAGES_HEADING + band * down
        assert is_at(np.asarray(drawn), sheet, left, top), place


def test_each_pixel_of_the_images_of_a_unit_is_a_px() -> None:
    count, height, width = 90, 28, 50
    sheets = some_sheets(count, height, width)
    rows, profiles = [[one] for one in sheets], np.ones((count, 1))
    drawn = figures.pixels(
        lambda theme: figures.draw_unit_images(theme, range(count), rows, profiles, ["a"]), figures.LIGHT
    )
    for place, sheet in enumerate(sheets):
        # Not a whole number of px: the width of the label.
        top = figures.IMAGES_HEADING + figures.CHARACTER_WIDTH * figures.SMALL_FONT
        top += place * (height + figures.IMAGES_MARGIN)
        assert is_at(np.asarray(drawn), sheet, 40, top), place
