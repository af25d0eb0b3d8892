"""The report: what it says, that it is self-contained and deterministic, and that it bears unusual data."""

from __future__ import annotations

import base64
import dataclasses
import html.parser
import math
import pathlib
import re
import string
from collections.abc import Callable
from typing import Any

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from components.evaluation import metrics, thresholds
from components.report import figures, png, unit_file
from components.report import page as report_page

FIGURES = ("curves", "reconstructions", "units", "labels", "baselines")
DIGITS = tuple(string.digits)
VOID_TAGS = {"meta", "link", "img", "source", "br"}


def make_metrics(**changes: float) -> dict[str, float]:
    values = {
        "bce": 0.0943,
        "mse": 0.01077,
        "active_units": 17.2,
        "dead_units": 2.0,
        "hoyer": 0.412,
        "gini": 0.637,
        "mean_image_bce": 0.2625,
        "mean_image_mse": 0.0675,
        "entropy_floor": 0.0581,
        "bce_to_mean_image": 0.3592,
        "example_count": 10_000.0,
    }
    return values | changes


def make_history(epochs: int, penalty: float = 0.016) -> tuple[thresholds.EpochLosses, ...]:
    """Losses that fall from 0.26 towards 0.09."""
    losses = [0.09 + 0.17 / (epoch + 1) for epoch in range(epochs)]
    return tuple(
        thresholds.EpochLosses(epoch + 1, loss + penalty, loss, loss + 0.001 + penalty, loss + 0.001)
        for epoch, loss in enumerate(losses)
    )


def make_data(
    labels: tuple[str, ...] = DIGITS,
    units: int = 8,
    dead: int = 2,
    epochs: int = 3,
    height: int = 28,
    width: int = 28,
    **changes: Any,
) -> report_page.ReportData:
    random = np.random.default_rng(0)
    images = random.random((len(labels), height, width), dtype=np.float32)
    active = np.arange(units) >= dead
    data = report_page.ReportData(
        title="mnist 3.0.1",
        notice="",
        blessed=True,
        reasons=(),
        gates=(thresholds.Gate("bce", "", 0.0943, 0.12, True),),
        metrics=make_metrics(dead_units=float(dead)),
        per_label={
            label: make_metrics(bce=0.07 + index / 1000, example_count=1000.0 + index)
            for index, label in enumerate(labels)
        },
        pca_mse=0.01683,
        history=make_history(epochs),
        images=images,
        reconstructions=images / 2,
        image_labels=labels,
        unit_frequency=np.where(active, random.uniform(0.1, 0.9, units), 0.0),
        unit_mean=np.where(active, random.uniform(0.5, 3.0, units), 0.0),
        settings={"data.dataset": "mnist", "model.l1": "0.001"},
        facts={"train images": "50,000"},
    )
    return dataclasses.replace(data, **changes)


class Page(html.parser.HTMLParser):
    """A parsed page: its elements with their attributes, its text, and whether every element was closed."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.source = source
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.rows: list[list[str]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(source)
        self.close()
        self.text = " ".join(" ".join(self.texts).replace(report_page.NO_BREAK, " ").split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID_TAGS:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("th", "td"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "style":
            return
        self.texts.append(data)
        if self.open and self.open[-1] in ("th", "td"):
            self.rows[-1][-1] += data.replace(report_page.NO_BREAK, " ")

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def alt(self, figure: str) -> str:
        """The text that stands for a figure."""
        names = [attributes["id"] for attributes in self.all("figure")]
        return self.all("img")[names.index(figure)]["alt"].replace(report_page.NO_BREAK, " ")


def write(data: report_page.ReportData, folder: pathlib.Path) -> Page:
    report_page.write_report(data, folder)
    return Page((folder / "report.html").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("report")
    report_page.write_report(make_data(), folder)
    return folder


@pytest.fixture(scope="module")
def page(folder: pathlib.Path) -> Page:
    return Page((folder / "report.html").read_text(encoding="utf-8"))


def draw(drawing: Callable[[figures.Theme], Figure]) -> Image.Image:
    """Draw one figure, also where `no_pictures` leaves them out of the page."""
    return PIXELS(drawing, figures.LIGHT)


PIXELS = figures.pixels


@pytest.fixture
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests of the page's words: leaves out the slow part."""
    monkeypatch.setattr(figures, "pixels", lambda draw, theme: Image.new("RGB", (2, 2)))


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def test_same_data_same_bytes_whatever_the_style(folder: pathlib.Path, tmp_path: pathlib.Path) -> None:
    with matplotlib.rc_context({"lines.linewidth": 9, "font.size": 30, "savefig.dpi": 30}):
        report_page.write_report(make_data(), tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        path.name: path.read_bytes() for path in folder.iterdir()
    }


def test_writes_the_page_and_two_files_of_each_figure(folder: pathlib.Path) -> None:
    pictures = {f"{name}-{theme}.png" for name in FIGURES for theme in ("light", "dark")}
    assert {path.name for path in folder.iterdir()} == pictures | {"report.html"}
    for name in pictures:
        with Image.open(folder / name) as image:
            image.load()
            assert image.format == "PNG"
            assert min(image.size) > 100
            assert set(image.info) == {"dpi"}  # neither a date nor a version


def test_light_and_dark_have_the_colour_of_the_page(folder: pathlib.Path, page: Page) -> None:
    for theme in figures.THEMES:
        assert f"--background: {theme.background};" in page.source
        for name in FIGURES:
            with Image.open(folder / f"{name}-{theme.name}.png") as image:
                corner = image.convert("RGB").getpixel((0, 0))
            assert isinstance(corner, tuple)
            assert "#" + bytes(int(level) for level in corner).hex() == theme.background


def test_page_embeds_the_files(folder: pathlib.Path, page: Page) -> None:
    names = [attributes["id"] for attributes in page.all("figure")]
    assert sorted(names) == sorted(FIGURES)
    prefix = "data:image/png;base64,"
    for name, light, dark in zip(names, page.all("img"), page.all("source"), strict=True):
        assert dark["media"] == "(prefers-color-scheme: dark)"
        for uri, theme in ((light["src"], "light"), (dark["srcset"], "dark")):
            assert uri.startswith(prefix)
            assert base64.b64decode(uri.removeprefix(prefix)) == (folder / f"{name}-{theme}.png").read_bytes()
        with Image.open(folder / f"{name}-light.png") as image:
            assert (int(light["width"]), int(light["height"])) == tuple(size // figures.DENSITY for size in image.size)


def test_page_needs_no_network(page: Page) -> None:
    for _, attributes in page.elements:
        for name in ("src", "srcset", "href", "action", "poster", "data", "background"):
            assert attributes.get(name, "#").startswith(("data:", "#"))
    without_pictures = re.sub(r"data:image/png;base64,[A-Za-z0-9+/=]+", "", page.source)
    assert not re.search(r"https?:|//[a-z]|@import|url\(", without_pictures)
    assert not {tag for tag, _ in page.elements} & {"script", "iframe", "object", "embed"}
    assert {"http-equiv", "content"} in [set(attributes) for attributes in page.all("meta")]


def with_details(data: report_page.ReportData, folder: pathlib.Path, labels: tuple[str, ...]) -> report_page.ReportData:
    """Adds details of the units 2 and 5, whose sheets lie in the folder."""
    (folder / "units").mkdir()
    units = []
    for unit, largest in ((2, 3.0), (5, 8.0)):
        names = [f"units/{unit}-{kind}.png" for kind in ("images", "answer", "traversal")]
        for number, name in enumerate(names):
            (folder / name).write_bytes(png.sheet([[np.full((4, 6), unit * 10 + number, np.uint8)]]))
        top = tuple(unit_file.UnitExample(number, labels[number] if labels else "", largest) for number in (0, 1))
        units.append(unit_file.Unit(unit, largest, top, names[0], (0.5, 2.0)[: len(labels)], *names[1:]))
    traversed = (unit_file.UnitExample(7, labels[1] if labels else ""),)
    details = unit_file.UnitDetails(data.kind, labels, traversed, tuple(units))
    return dataclasses.replace(data, details=details)


@pytest.mark.usefixtures("no_pictures")
def test_units_in_detail_have_a_card_to_which_the_table_links(tmp_path: pathlib.Path) -> None:
    page = write(with_details(make_data(), tmp_path, ("cat", "<b>dog</b>")), tmp_path)
    assert [one["id"] for one in page.all("article")] == ["unit-2", "unit-5"]
    assert sorted(one["href"] for one in page.all("a")) == ["#unit-2", "#unit-5"]
    assert not page.open
    prefix = "data:image/png;base64,"
    shown = [base64.b64decode(one["src"].removeprefix(prefix)) for one in page.all("img") if "Unit" in one["alt"]]
    order = [f"units/{unit}-{kind}.png" for unit in (2, 5) for kind in ("answer", "images", "traversal")]
    assert shown == [(tmp_path / name).read_bytes() for name in order]
    [first, *_] = [one for one in page.all("img") if "Unit" in one["alt"]]
    assert (first["width"], first["height"]) == ("9", "6")
    assert [one["style"] for one in page.all("dd") if "style" in one] == ["width: 25.0%", "width: 100.0%"] * 2
    assert "<b>dog</b>" in page.text  # a text, no element
    assert "largest 8.000" in page.text
    assert "Units 0, 1 are dead" in page.text


@pytest.mark.usefixtures("no_pictures")
def test_units_in_detail_have_no_bars_without_labels(tmp_path: pathlib.Path) -> None:
    page = write(with_details(make_data(per_label={}), tmp_path, ()), tmp_path)
    assert len(page.all("article")) == 2
    assert not [one for one in page.all("dd") if "style" in one]
    assert "with their labels" not in page.text


@pytest.mark.usefixtures("no_pictures")
def test_text_of_the_data_stays_text(tmp_path: pathlib.Path) -> None:
    bad = '<script>alert("1")</script>&amp;'
    page = write(
        make_data(
            labels=(bad, "0"),
            title=bad + "title",
            notice=bad + "notice",
            blessed=False,
            reasons=(bad + "reason",),
            gates=(thresholds.Gate(bad + "gate", bad + "slice", 1.0, 0.5, False),),
            settings={bad + "setting": bad + "value"},
            facts={bad + "fact": bad + "known"},
        ),
        tmp_path,
    )
    assert not page.all("script")
    for what in ("title", "notice", "reason", "gate", "slice", "setting", "value", "fact", "known"):
        assert bad + what in page.text
    assert bad in page.alt("labels")


def test_page_is_well_formed_and_accessible(page: Page) -> None:
    assert not page.open
    assert page.source.startswith("<!doctype html>")
    assert page.all("html") == [{"lang": "en"}]
    assert [len(page.all(tag)) for tag in ("title", "h1", "main")] == [1, 1, 1]
    assert len(page.all("caption")) == len(page.all("table"))
    assert {attributes["scope"] for attributes in page.all("th")} == {"row", "col"}
    assert all(re.search(r"\d", attributes["alt"]) for attributes in page.all("img"))
    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in page.all("meta")


@pytest.mark.usefixtures("no_pictures")
def test_verdict_comes_first(tmp_path: pathlib.Path, page: Page) -> None:
    assert page.text.startswith("mnist 3.0.1: blessed")
    assert page.text.index("✓ Blessed") < page.text.index("The model beside its baselines")
    assert "role" not in " ".join(" ".join(attributes) for attributes in page.all("p"))

    reasons = ("Label 8 is above its limit.", "The loss is above its limit.")
    refused = write(make_data(blessed=False, reasons=reasons, notice="Only a sample."), tmp_path)
    places = [refused.text.index(part) for part in ("Only a sample.", "✗ Not blessed", *reasons, "The model beside")]
    assert places == sorted(places)
    assert "✓ Blessed" not in refused.text


@pytest.mark.usefixtures("no_pictures")
def test_gates_and_no_gate(tmp_path: pathlib.Path) -> None:
    gates = (
        thresholds.Gate("bce", "", 0.09431, 0.12, True),
        thresholds.Gate("bce", "8", 0.17, 0.16, False),
        thresholds.Gate("mse", "", 0.0108, math.inf, True),
    )
    page = write(make_data(gates=gates), tmp_path)
    assert ["BCE", "✓ passed", "0.09431", "0.12", "all test images"] in page.rows
    assert ["BCE", "✗ failed", "0.17", "0.16", "8"] in page.rows
    assert ["MSE", "no gate", "0.0108", "none", "all test images"] in page.rows


def test_model_beside_its_baselines(page: Page) -> None:
    for row in (
        ["Mean image", "0.2625", "0.06750"],
        ["PCA, 8 components", "none", "0.01683"],
        ["Model", "0.0943", "0.01077"],
        ["Entropy floor", "0.0581", "0"],
    ):
        assert row in page.rows
        assert f"{row[0]}: cross-entropy {row[1]}, squared error {row[2]}." in page.alt("baselines")
    for part in (
        "test images 10,000",
        "loss, share of the mean image's 35.9 %",
        "active units per image 17.2 of 8",
        "dead units 2 of 8",
        "Hoyer sparsity 0.412",
        "Gini index 0.637",
    ):
        assert part in page.text


@pytest.mark.usefixtures("no_pictures")
def test_the_scores_of_the_probe_are_shown_where_there_are_any(tmp_path: pathlib.Path, page: Page) -> None:
    assert "linear probe accuracy" not in page.text
    kinds = {"": (0.93, 0.95), "pca_": (0.9, 0.97), "pixels_": (0.9226, 1.0)}
    scores = {
        f"{kind}{name}": value
        for kind, values in kinds.items()
        for name, value in zip(("linear_probe_accuracy", "knn_accuracy"), values, strict=True)
    }
    rows = write(dataclasses.replace(make_data(), probe=scores), tmp_path).rows
    for row in (["Model", "93.0 %", "95.0 %"], ["PCA", "90.0 %", "97.0 %"], ["Raw pixels", "92.3 %", "100.0 %"]):
        assert row in [[cell.replace("\N{NO-BREAK SPACE}", " ") for cell in one] for one in rows]


def test_every_label_is_in_the_table_and_in_words(page: Page) -> None:
    for index, label in enumerate(DIGITS):
        row = next(row for row in page.rows if len(row) == 11 and row[0] == label)
        assert row[1:6] == [f"{1000 + index:,}", f"{0.07 + index / 1000:.4f}", "0.2625", "0.0581", "35.9 %"]
        assert f"{label} {0.07 + index / 1000:.4f}" in page.alt("labels")
    assert page.alt("labels").index("9 0.0790") < page.alt("labels").index("0 0.0700")


def test_curves_in_words_and_numbers(page: Page) -> None:
    assert "From epoch 1 to 3 the training loss goes from 0.2600 to 0.1467" in page.alt("curves")
    assert "the lowest validation loss is 0.1477 in epoch 3" in page.alt("curves")
    assert ["3", "0.1467", "0.1477", "0.1627", "0.1637"] in page.rows


@pytest.mark.usefixtures("no_pictures")
def test_parameters_are_in_the_header(tmp_path: pathlib.Path) -> None:
    source = write(make_data(parameters={"model.l1": "0.001", "training.seed": "<7>"}), tmp_path).source
    header = source[source.index("<header>") : source.index("</header>")]
    found = re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", header)
    assert found == [("model.l1", "0.001"), ("training.seed", "&lt;7&gt;")]


def test_settings_and_facts_are_shown(page: Page) -> None:
    assert ["model.l1", "0.001"] in page.rows
    assert "train images 50,000" in page.text


# Changes of the data, and the figures that they change.
UNUSUAL: dict[str, tuple[dict[str, Any], set[str]]] = {
    "one epoch": ({"epochs": 1}, {"curves"}),
    "fifty epochs": ({"epochs": 50}, {"curves"}),
    "62 labels": ({"labels": tuple(string.digits + string.ascii_letters)}, {"labels", "reconstructions"}),
    "one long label": (
        {"labels": ("a label with a name that is much too long for its place",)},
        {"labels", "reconstructions"},
    ),
    "dollar signs in a label": ({"labels": ("$a_$", "$")}, {"labels", "reconstructions"}),
    "256 units": ({"units": 256, "dead": 100}, {"units", "baselines"}),
    "256 units, all dead": ({"units": 256, "dead": 256}, {"units"}),
    "256 units, none dead": ({"units": 256, "dead": 0}, {"units"}),
    "no dead unit": ({"units": 8, "dead": 0}, {"units"}),
    "all units dead": ({"units": 8, "dead": 8}, {"units"}),
    "one unit": ({"units": 1, "dead": 0}, {"units", "baselines"}),
    "oblong images": ({"height": 14, "width": 20}, {"reconstructions"}),
    "one pixel": ({"height": 1, "width": 1}, {"reconstructions"}),
    "losses of 0": (
        {
            "history": (thresholds.EpochLosses(1, 0.0, 0.0, 0.0, 0.0),),
            "metrics": dict.fromkeys(make_metrics(), 0.0),
            "per_label": {"0": dict.fromkeys(make_metrics(), 0.0)},
            "pca_mse": 0.0,
        },
        {"baselines", "curves", "labels"},
    ),
    "nothing optional": ({"settings": {}, "facts": {}, "gates": ()}, set()),
}


@pytest.mark.parametrize(("changes", "changed"), UNUSUAL.values(), ids=UNUSUAL)
@pytest.mark.filterwarnings("error")
@pytest.mark.usefixtures("no_pictures")
def test_bears_unusual_data(changes: dict[str, Any], changed: set[str], tmp_path: pathlib.Path) -> None:
    data = make_data(**changes)
    page = write(data, tmp_path)
    assert not page.open
    assert [row[0] for row in page.rows if len(row) == 11] == ["label", *data.per_label]
    drawings = report_page.drawings(data)
    assert drawings.keys() == set(FIGURES)
    for name in changed:
        assert min(draw(drawings[name]).size) > 100


def make_mse(**changes: Any) -> report_page.ReportData:
    """Return data of a model that was trained with the squared error, on vectors without labels."""
    only_bce = {"bce", "mean_image_bce", "entropy_floor", "bce_to_mean_image"}
    values = {name: value for name, value in make_metrics().items() if name not in only_bce}
    vectors = np.linspace(0, 1, 20, dtype=np.float32).reshape(2, 10)
    data = {
        "loss": "mse",
        "metrics": values | {"mse_to_mean_image": 0.16},
        "per_label": {},
        "images": vectors,
        "reconstructions": vectors[::-1],
        "image_labels": ("0", "1"),
    }
    return make_data(**(data | changes))


@pytest.mark.usefixtures("no_pictures")
def test_squared_errors_and_vectors_without_labels(tmp_path: pathlib.Path) -> None:
    data = make_mse()
    page = write(data, tmp_path)
    assert not page.open
    assert "nats" not in page.source
    assert "cross-entropy" not in page.text
    assert "Loss per label" not in page.text
    assert ["Model", "0.01077"] in page.rows
    assert ["loss, share of the mean image's", "16.0 %"] not in page.rows
    assert "16.0 %" in page.text
    assert "the training loss goes from" in page.alt("curves")
    assert page.alt("reconstructions") == (
        "2 test vectors, each with its reconstruction; over all test vectors the squared error is 0.01077."
    )
    drawings = report_page.drawings(data)
    assert sorted(drawings) == ["baselines", "curves", "reconstructions", "units"]
    assert sorted(path.name for path in tmp_path.glob("*-light.png")) == [
        f"{name}-light.png" for name in sorted(drawings)
    ]
    for name in ("baselines", "reconstructions"):
        assert min(draw(drawings[name]).size) > 100


@pytest.mark.usefixtures("no_pictures")
@pytest.mark.parametrize("loss", ["bce", "mse"])
def test_a_report_on_vectors_names_neither_images_nor_pixels(tmp_path: pathlib.Path, loss: str) -> None:
    vectors = np.linspace(0, 1, 20, dtype=np.float32).reshape(2, 10)
    shown = {"images": vectors, "reconstructions": vectors, "image_labels": ("0", "1"), "settings": {}, "facts": {}}
    data = make_data(**shown) if loss == "bce" else make_mse(settings={}, facts={})
    data = dataclasses.replace(data, reasons=(), gates=(), per_label={"0": data.metrics, "1": data.metrics})
    page = write(data, tmp_path)
    texts = [page.text, *map(page.alt, ("baselines", "curves", "reconstructions", "units", "labels"))]
    assert not [text for text in texts if re.search("image|pixel", text, re.IGNORECASE)]
    assert "Mean vector" in page.text
    assert ("nats per value" in page.text) == (loss == "bce")
    with_words = (figures.draw_units(figures.LIGHT, data.unit_frequency, data.unit_mean, data.words), "vectors")
    without = (figures.draw_units(figures.LIGHT, data.unit_frequency, data.unit_mean), "images")
    for figure, word in (with_words, without):
        assert figure.axes[0].get_title() == f"active on % of {word}"


@pytest.mark.usefixtures("no_pictures")
def test_squared_errors_by_label(tmp_path: pathlib.Path) -> None:
    data = make_mse()
    page = write(dataclasses.replace(data, per_label={"0": data.metrics, "1": data.metrics}), tmp_path)
    assert page.alt("labels") == (
        "The model's loss for each label, squared error, the largest first: 0 0.0108, 1 0.0108."
    )


BETWEEN = "the model lies between"


@pytest.mark.usefixtures("no_pictures")
@pytest.mark.parametrize("make", [make_data, make_mse])
def test_the_caption_of_losses_by_label_says_where_the_model_is(
    make: Callable[..., report_page.ReportData], tmp_path: pathlib.Path
) -> None:
    data = make()
    terms = data.terms
    loss, mean = terms.metric.name, terms.mean_image.name
    good = {**data.metrics, loss: 0.4, mean: 0.5}
    if terms.floor:
        good[terms.floor.name] = 0.3
    bad = {**good, loss: 0.667, mean: 0.455}
    page = write(dataclasses.replace(data, per_label={"0": good, "1": good}), tmp_path)
    assert (BETWEEN in page.text) == bool(terms.floor)
    assert "above its mean" not in page.text
    page = write(dataclasses.replace(data, per_label={"0": good, "1": bad, "2": bad}), tmp_path)
    assert BETWEEN not in page.text
    assert f"Each label’s test {data.kind}s have" in page.text
    assert f"the model is above its mean {data.kind}’s on 2 of 3." in page.text


def test_each_vector_has_a_panel_with_two_lines() -> None:
    data = make_mse()
    figure = figures.draw_reconstructions(figures.LIGHT, data.images, data.reconstructions, data.image_labels)
    assert [axes.get_title() for axes in figure.axes] == ["0", "1"]
    for axes, vector, reconstruction in zip(figure.axes, data.images, data.reconstructions, strict=True):
        drawn = [np.asarray(line.get_ydata()) for line in axes.lines]
        np.testing.assert_array_equal(drawn, [vector, reconstruction])


def test_colour_images_are_drawn_in_colour() -> None:
    images = np.random.default_rng(0).random((10, 5, 4, 3), np.float32)
    figure = figures.draw_reconstructions(figures.LIGHT, images, images / 2, DIGITS)
    tiled = np.asarray(figure.axes[0].images[0].get_array())
    np.testing.assert_allclose(tiled[:5, :4] / 255, images[0], atol=0.5 / 255 + 1e-6)
    np.testing.assert_allclose(tiled[6:, :4] / 255, images[0] / 2, atol=0.5 / 255 + 1e-6)


def test_images_larger_than_their_place_are_made_smaller() -> None:
    images = np.zeros((10, 200, 100), np.float32)
    figure = figures.draw_reconstructions(figures.LIGHT, images, images, DIGITS)
    assert figure.bbox.width <= (figures.IMAGES_WIDTH + 2 * figures.IMAGES_MARGIN) * figures.DENSITY


def test_each_image_is_above_its_reconstruction() -> None:
    data = make_data()
    figure = figures.draw_reconstructions(figures.DARK, data.images, data.reconstructions, DIGITS)
    tiled = np.asarray(figure.axes[0].images[0].get_array())
    assert tiled.shape == (28 + 2 + 28, 10 * 28 + 9 * 2, 3)
    for index in range(10):
        column = tiled[:, index * 30 : index * 30 + 28, 0]
        np.testing.assert_allclose(column[:28] / 255, data.images[index], atol=0.5 / 255 + 1e-6)
        np.testing.assert_allclose(column[30:] / 255, data.reconstructions[index], atol=0.5 / 255 + 1e-6)
    names = sorted((text.get_position()[0], text.get_text()) for text in figure.texts if len(text.get_text()) == 1)
    assert [name for _, name in names] == list(DIGITS)


def test_dead_units_are_marked_by_a_cross_and_a_word() -> None:
    data = make_data(units=8, dead=2)
    figure = figures.draw_units(figures.LIGHT, data.unit_frequency, data.unit_mean)
    (crosses,) = [line for axes in figure.axes for line in axes.lines if line.get_marker() == "x"]
    assert list(np.asarray(crosses.get_ydata())) == [6, 7]
    assert f"{figures.DEAD_MARK} 2 dead" in texts(figure)
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()][-2:] == ["0", "1"]

    many = make_data(units=256, dead=100)
    figure = figures.draw_units(figures.LIGHT, many.unit_frequency, many.unit_mean)
    assert f"{figures.DEAD_MARK} 100 dead" in texts(figure)
    none = make_data(units=8, dead=0)
    assert not texts(figures.draw_units(figures.LIGHT, none.unit_frequency, none.unit_mean))


def test_dead_units_are_in_the_table_and_in_words(page: Page) -> None:
    assert [row[0] for row in page.rows if row[-1] == f"{figures.DEAD_MARK} dead"] == ["0", "1"]
    assert len([row for row in page.rows if row[-1] == "active"]) == 6
    assert page.alt("units").startswith("2 of 8 units are dead.")


@pytest.mark.parametrize(("penalty", "shown"), [(0.016, True), (0.0001, False), (0.0, False)])
def test_penalty_is_drawn_only_if_it_can_be_seen(penalty: float, shown: bool) -> None:
    losses = np.linspace(0.25, 0.09, 5)
    figure = figures.draw_curves(
        figures.LIGHT,
        range(1, 6),
        training=losses,
        validation=losses,
        training_with_penalty=losses + penalty,
        validation_with_penalty=losses + penalty,
        floor=0.0581,
    )
    assert ("with penalty" in texts(figure)) == shown


@pytest.mark.parametrize(("epochs", "panels"), [(1, 1), (11, 1), (12, 2), (50, 2)])
def test_many_epochs_have_their_second_half_enlarged(epochs: int, panels: int) -> None:
    losses = np.linspace(0.25, 0.09, epochs)
    figure = figures.draw_curves(
        figures.LIGHT,
        range(1, epochs + 1),
        training=losses,
        validation=losses,
        training_with_penalty=losses,
        validation_with_penalty=losses,
        floor=0.0581,
    )
    assert len(figure.axes) == panels


def test_labels_of_curves_do_not_overlap() -> None:
    spread = figures._spread
    assert spread([0.1, 0.5], 0.2) == [0.1, 0.5]
    assert spread([0.5, 0.5], 0.2) == pytest.approx([0.4, 0.6])
    assert spread([0.1, 0.5, 0.5], 0.2) == pytest.approx([0.1, 0.4, 0.6])
    assert spread([0.3, 0.5, 0.5], 0.2) == pytest.approx([0.7 / 3 + 0.0, 1.3 / 3, 1.9 / 3])


@pytest.mark.usefixtures("no_pictures")
def test_long_tables_are_cut_and_say_so(tmp_path: pathlib.Path) -> None:
    page = write(make_data(epochs=1000), tmp_path)
    epochs = [row[0] for row in page.rows if len(row) == 5 and row[0].isdigit()]
    assert len(epochs) == len(set(epochs)) == report_page.MAX_TABLE_ROWS
    assert (epochs[0], epochs[-1]) == ("1", "1000")
    assert "Cut: 300 of 1,000 rows" in page.text


def test_percentages_never_hide_a_small_rest() -> None:
    shown = [report_page._percent(share).replace(report_page.NO_BREAK, " ") for share in (0, 1e-6, 0.5, 0.99999, 1)]
    assert shown == ["0.0 %", "< 0.1 %", "50.0 %", "> 99.9 %", "100.0 %"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("history", ()),
        ("images", np.zeros((10, 28, 28, 2), np.float32)),
        ("reconstructions", np.zeros((10, 28, 27), np.float32)),
        ("image_labels", ("0",)),
        ("unit_frequency", np.zeros(0)),
        ("unit_mean", np.zeros(3)),
    ],
)
def test_data_that_does_not_fit_is_refused_by_name(field: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"^{field} "):
        make_data(**{field: value})


def test_a_metric_that_is_declared_is_on_the_page(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, no_pictures: None
) -> None:
    added = metrics.Metric("psnr", "peak signal to noise", "decibels", decimals=1)
    monkeypatch.setattr(metrics, "METRICS", (*metrics.METRICS, added))
    data = make_data()
    data = dataclasses.replace(
        data,
        metrics={**data.metrics, "psnr": 20.04},
        per_label={label: {**values, "psnr": 19.96} for label, values in data.per_label.items()},
    )
    report_page.write_report(data, tmp_path)
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<dt>peak signal to noise</dt><dd>20.0</dd>" in text
    assert text.count("<td>20.0</td>") == len(data.per_label)
