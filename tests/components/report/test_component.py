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

from tests import lazy, nodes
from tests.components.conftest import Trained
from tests.tfds_builders import HEIGHT, WIDTH

report = lazy.module("components.report.component")

pytestmark = pytest.mark.component


@pytest.mark.parametrize(("count", "expected"), [(1, [1, 4, 0]), (2, [1, 2, 4, 0, 3]), (9, [1, 2, 5, 4, 0, 3])])
def test_first_images_of_each_label_come_sorted_by_label(count: int, expected: list[int]) -> None:
    labels = np.array([7, 0, 0, 7, 3, 0])
    assert report.first_of_each_label(labels, count).tolist() == expected


def test_a_unit_s_frequency_is_a_share_of_all_images_and_its_mean_one_of_those_where_it_is_active() -> None:
    codes = np.float32([[0, 1, 0], [0, 2, 0], [0, 3, 8], [0, 0, 0]])
    frequency, mean = report.unit_activity(codes)
    assert frequency.tolist() == [0, 0.75, 0.25]
    assert mean.tolist() == [0, 2, 8]


def test_pca_mse_is_the_mean_square_of_what_the_components_leave_out(tmp_path: pathlib.Path) -> None:
    np.savez(tmp_path / "pca.npz", mean=np.float32([1, 1, 1]), components=np.float32([[1, 0, 0], [0, 1, 0]]))
    images = np.float32([[5, 5, 1], [1, 1, 4], [0, 0, 2]])  # what is left: 0, 3 and 1, in the last pixel
    assert report.pca_mse(tmp_path / "pca.npz", images) == pytest.approx((0 + 9 + 1) / 9)


@dataclasses.dataclass(frozen=True)
class Written:
    """The node's artifact, and the data that it gave to the page."""

    artifact: Any
    data: Any

    @property
    def summary(self) -> dict[str, Any]:
        return json.loads(pathlib.Path(self.artifact.uri, report.SUMMARY_FILE).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def make_report(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Written]:
    """Evaluates the trained model; returns what runs the Report node on it."""
    model = {"examples": trained.examples, "model": trained.model}
    evaluator = trained.components["Evaluator"]
    evaluated = nodes.run(evaluator, tmp_path_factory.mktemp("evaluator"), schema=trained.schema, **model)
    write = report.page.write_report

    def make() -> Written:
        given: list[Any] = []
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(report.page, "write_report", lambda *data: given.append(data[0]) or write(*data))
            outputs = nodes.run(
                trained.components["Report"],
                tmp_path_factory.mktemp("report"),
                transform_graph=trained.transform_graph,
                model_run=trained.model_run,
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


def test_report_is_the_same_when_it_is_made_again(written: Written, make_report: Callable[[], Written]) -> None:
    one, other = (
        {path.name: path.read_bytes() for path in pathlib.Path(made.artifact.uri).rglob("*") if path.is_file()}
        for made in (written, make_report())
    )
    assert {"report.html", "summary.json", "000-reconstruction.png"} <= one.keys()
    assert one == other
