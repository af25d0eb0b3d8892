"""What the report says of the images and units, worked out by hand, and the node that writes it."""

from __future__ import annotations

import dataclasses
import json
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image

from components.report import png
from pipeline.artifacts.payloads import saved_model
from tests import lazy, nodes
from tests.components.conftest import Trained
from tests.tfds_builders import HEIGHT, WIDTH

adapter = lazy.module("components.model.adapter")
model_preview = lazy.module("pipeline.artifacts.preview_writers.model")
page = lazy.module("components.report.page")
report = lazy.module("components.report.component")
saved_layers = lazy.module("components.model.saved_layers")
tft = lazy.module("tensorflow_transform")
transformed_input = lazy.module("components.data.transformed_input")

pytestmark = pytest.mark.component


@pytest.mark.parametrize(("count", "expected"), [(1, [1, 4, 0]), (2, [1, 2, 4, 0, 3]), (9, [1, 2, 5, 4, 0, 3])])
def test_first_images_of_each_label_come_sorted_by_label(count: int, expected: list[int]) -> None:
    labels = np.array([7, 0, 0, 7, 3, 0])
    assert report.first_of_each_label(labels, count).tolist() == expected


@dataclasses.dataclass(frozen=True)
class Written:
    """The node's artifact, and the data that it gave to the page."""

    artifact: Any
    data: Any

    @property
    def summary(self) -> dict[str, Any]:
        return json.loads(pathlib.Path(self.artifact.uri, report.SUMMARY_FILE).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def make_report(
    trained: Trained, scores: Any, evaluated: Any, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[], Written]:
    """Returns what runs the Report node on the trained model."""
    model = {"examples": trained.examples, "model": trained.model}
    write = page.write_report

    def make() -> Written:
        given: list[Any] = []
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("components.report.page.write_report", lambda *data: given.append(data[0]) or write(*data))
            outputs = nodes.run(
                trained.components["Report"],
                tmp_path_factory.mktemp("report"),
                transform_graph=trained.transform_graph,
                model_run=trained.model_run,
                scores=scores,
                **model,
                **evaluated,
            )
        return Written(outputs["report"], given[0])

    return make


@pytest.fixture(scope="module")
def written(make_report: Callable[[], Written]) -> Written:
    return make_report()


def test_summary_holds_the_verdict_and_the_metrics(written: Written) -> None:
    found = written.summary
    assert found["dataset"] == "bands 1.2.3"
    assert found["blessed"] is True
    assert found["reasons"] == []
    assert {label: values["example_count"] for label, values in found["per_label"].items()} == {
        "top": 10,
        "middle": 11,
        "bottom": 10,
    }
    assert found["metrics"]["example_count"] == 31


def test_summary_and_page_have_the_scores_of_the_probe(written: Written) -> None:
    assert written.summary["probe"] == written.data.probe
    assert written.summary["probe"]["pixels_linear_probe_accuracy"] == 1


def test_pca_with_more_components_than_labels_beats_the_mean_image(written: Written) -> None:
    metrics = written.summary["metrics"]
    assert 0 < metrics["pca_mse"] < metrics["mean_image_mse"]


def test_properties_of_the_artifact_are_the_metrics(written: Written) -> None:
    metrics = written.summary["metrics"]
    assert written.artifact.get_int_custom_property("blessed") == 1
    for name in ("bce", "dead_units", "bce_to_mean_image", "example_count"):
        assert written.artifact.get_float_custom_property(f"test_{name}") == metrics[name]


def test_an_image_is_shown_with_its_label_and_its_own_reconstruction(written: Written) -> None:
    data = written.data
    assert data.image_labels == ("top", "middle", "bottom")
    assert data.images.shape == data.reconstructions.shape == (3, HEIGHT, WIDTH)
    # The bright band of a label lies in rows of its own.
    assert [int(image.mean(axis=1).argmax()) // 2 for image in data.images] == [0, 1, 2]
    assert [int(image.mean(axis=1).argmax()) // 2 for image in data.reconstructions] == [0, 1, 2]


def test_activity_of_the_units_agrees_with_the_metrics(written: Written) -> None:
    metrics = written.summary["metrics"]
    assert written.data.unit_frequency.shape == (4,)
    assert written.data.unit_frequency.sum() == pytest.approx(metrics["active_units"])
    assert (written.data.unit_frequency == 0).sum() == metrics["dead_units"]


def test_page_shows_the_losses_of_every_epoch(written: Written, trained: Trained) -> None:
    history = json.loads(pathlib.Path(trained.model_run.uri, "history.json").read_text(encoding="utf-8"))
    assert [dataclasses.asdict(losses) for losses in written.data.history] == history


def test_each_test_image_and_its_reconstruction_is_a_grey_picture_of_its_own(written: Written) -> None:
    data, folder = written.data, pathlib.Path(written.artifact.uri)
    listed = written.summary["images"]
    assert [one["label"] for one in listed] == ["top", "middle", "bottom"]
    for number, one in enumerate(listed):
        assert one["original"] == f"images/00{number}-original.png"
        for name, image in (("original", data.images[number]), ("reconstruction", data.reconstructions[number])):
            with Image.open(folder / one[name]) as picture:
                assert picture.mode == "L"
                np.testing.assert_array_equal(np.asarray(picture), np.rint(image * 255))
    assert len(list((folder / "images").iterdir())) == 6


def test_summary_holds_the_activity_of_each_unit(written: Written) -> None:
    data = written.data
    assert written.summary["units"] == [
        {"frequency": often, "mean": strength}
        for often, strength in zip(data.unit_frequency.tolist(), data.unit_mean.tolist(), strict=True)
    ]


@dataclasses.dataclass(frozen=True)
class TestSplit:
    """The test images with their codes and labels, computed by NumPy alone from the variables of the model."""

    images: Any
    codes: Any
    labels: Any
    decoder: Any


@pytest.fixture(scope="module")
def expected(trained: Trained) -> TestSplit:
    pattern = str(pathlib.Path(trained.examples.uri, "Split-test", "*"))
    batches = list(transformed_input.transformed([pattern], tft.TFTransformOutput(trained.transform_graph.uri)))
    images = np.concatenate([one["image_xf"].numpy() for one in batches])
    path = next(pathlib.Path(trained.model.uri).rglob("saved_model.pb"))
    activations = {**saved_model.activations_in(saved_model.read(path)), **adapter.ACTIVATIONS}
    layers = saved_layers.layers_of(model_preview.variables_of(path.parent), activations)
    encoder, decoder = saved_layers.halves(layers, adapter.CODE_LAYERS)
    codes = saved_layers.apply(encoder, images)
    labels = np.concatenate([one["label_xf"].numpy() for one in batches])
    return TestSplit(images, codes, labels, lambda code: saved_layers.apply(decoder, np.float32(code)))


def sheet_of(written: Written, name: str) -> Any:
    """Return the grey levels and the alpha of a sheet."""
    with Image.open(pathlib.Path(written.artifact.uri, name)) as picture:
        assert picture.mode == "LA"
        return np.moveaxis(np.asarray(picture), 2, 0)


def enlarged(images: Any) -> Any:
    """Return thumbnails of flat images, which are smaller than half of one."""
    levels = np.rint(np.clip(images, 0, 1) * 255).reshape(-1, HEIGHT, WIDTH)
    times = png.THUMBNAIL // max(HEIGHT, WIDTH)
    return np.kron(levels, np.ones((1, times, times)))


def row_of(levels: Any, row: int, count: int) -> Any:
    """Return the first pictures of a row of a sheet."""
    times = png.THUMBNAIL // max(HEIGHT, WIDTH)
    height, width = HEIGHT * times, WIDTH * times
    top = row * (height + png.GAP)
    lefts = [place * (width + png.GAP) for place in range(count)]
    return np.stack([levels[top : top + height, left : left + width] for left in lefts])


def test_numbers_of_each_unit_are_those_that_numpy_computes(written: Written, expected: TestSplit) -> None:
    found = json.loads(pathlib.Path(written.artifact.uri, "units.json").read_text(encoding="utf-8"))
    codes, labels = expected.codes, expected.labels
    alive = [unit for unit in range(4) if codes[:, unit].max() > 0]
    assert alive
    assert found["kind"] == "image"
    assert found["labels"] == ["top", "middle", "bottom"]
    assert [one["unit"] for one in found["units"]] == alive
    np.testing.assert_allclose(written.data.unit_frequency, (codes > 0).mean(axis=0))
    for one in found["units"]:
        unit = codes[:, one["unit"]]
        strongest = np.argsort(-unit, kind="stable")[:8]
        strongest = strongest[unit[strongest] > 0]
        activations = [top["activation"] for top in one["top"]]
        np.testing.assert_allclose(activations, unit[strongest], rtol=1e-5)
        assert one["largest"] == activations[0]
        # Images whose activations differ in the last bits only may change places.
        np.testing.assert_allclose(unit[[top["number"] for top in one["top"]]], unit[strongest], rtol=1e-5)
        assert [top["label"] for top in one["top"]] == [found["labels"][labels[top["number"]]] for top in one["top"]]
        np.testing.assert_allclose(one["profile"], [unit[labels == label].mean() for label in range(3)], rtol=1e-5)


def test_pictures_of_each_unit_are_those_that_numpy_computes(written: Written, expected: TestSplit) -> None:
    found = json.loads(pathlib.Path(written.artifact.uri, "units.json").read_text(encoding="utf-8"))
    rows = [one["number"] for one in found["traversed"]]
    assert [expected.labels[number] for number in rows] == [0, 1, 2]  # the first of each label
    for one in found["units"]:
        unit, codes = one["unit"], expected.codes
        levels, alpha = sheet_of(written, one["top_images"])
        numbers = [top["number"] for top in one["top"]]
        np.testing.assert_array_equal(row_of(levels, 0, len(numbers)), enlarged(expected.images[numbers]))
        assert (row_of(alpha, 0, len(numbers)) == 255).all()
        assert (alpha == 0).any()  # between the pictures

        mean = codes[codes[:, unit] > 0, unit].mean()
        answer, _ = sheet_of(written, one["answer"])
        np.testing.assert_allclose(answer, enlarged(expected.decoder([mean * np.eye(4)[unit]]))[0], atol=1)

        traversal, _ = sheet_of(written, one["traversal"])
        for row, number in enumerate(rows):
            changed = np.repeat(codes[[number]], 8, axis=0)
            changed[1:, unit] = np.linspace(0, one["largest"], 7)
            np.testing.assert_allclose(row_of(traversal, row, 8), enlarged(expected.decoder(changed)), atol=1)


def test_pca_mse_is_the_mean_square_of_what_the_components_leave_out(
    written: Written, expected: TestSplit, trained: Trained
) -> None:
    with np.load(pathlib.Path(trained.model_run.uri, "pca.npz")) as pca:
        centred = expected.images - pca["mean"]
        rest = centred - centred @ pca["components"].T @ pca["components"]
    assert written.data.pca_mse == pytest.approx(np.square(rest).mean(), rel=1e-4)


def test_images_are_read_in_batches(make_report: Callable[[], Written], written: Written) -> None:
    """A batch of two images gives the same report as one of all, with what is summed over images to the last digits."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("components.data.features._BATCH_BYTES", 2 * 4 * HEIGHT * WIDTH)
        patch.setattr(
            "components.report.figures.pixels", lambda *_: Image.new("L", (2, 2))
        )  # they take most of the time
        small = make_report()
    for name in ("units.json", "units", "images"):
        one, other = (pathlib.Path(made.artifact.uri, name) for made in (written, small))
        files = sorted(one.iterdir()) if one.is_dir() else [one]
        for file in files:
            assert file.read_bytes() == (other / file.name if one.is_dir() else other).read_bytes()
    assert small.data.pca_mse == pytest.approx(written.data.pca_mse, rel=1e-6)
    np.testing.assert_array_equal(small.data.unit_mean, written.data.unit_mean)


def test_report_is_the_same_when_it_is_made_again(written: Written, make_report: Callable[[], Written]) -> None:
    one, other = (
        {path.name: path.read_bytes() for path in pathlib.Path(made.artifact.uri).rglob("*") if path.is_file()}
        for made in (written, make_report())
    )
    assert {"report.html", "summary.json", "000-reconstruction.png", "units.json"} <= one.keys()
    assert one == other
