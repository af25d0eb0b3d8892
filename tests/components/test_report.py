"""What the report says of the images and units, worked out by hand, and the node that writes it."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests import lazy, nodes
from tests.components.conftest import Trained

report = lazy.module("components.report")

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


@pytest.fixture(scope="module")
def make_report(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Any]:
    """Evaluates the trained model; returns what runs the Report node on it and returns its artifact."""
    model = {"examples": trained.examples, "model": trained.model}
    evaluator = trained.components["Evaluator"]
    evaluated = nodes.run(evaluator, tmp_path_factory.mktemp("evaluator"), schema=trained.schema, **model)

    def make() -> Any:
        rest = {"transform_graph": trained.transform_graph, "model_run": trained.model_run}
        outputs = nodes.run(
            trained.components["Report"], tmp_path_factory.mktemp("report"), **model, **rest, **evaluated
        )
        return outputs["report"]

    return make


@pytest.fixture(scope="module")
def written(make_report: Callable[[], Any]) -> Any:
    return make_report()


def summary_of(written: Any) -> dict[str, Any]:
    return json.loads(pathlib.Path(written.uri, report.SUMMARY_FILE).read_text(encoding="utf-8"))


def test_summary_holds_the_verdict_and_the_metrics(written: Any) -> None:
    found = summary_of(written)
    assert found["dataset"] == "bands 1.2.3"
    assert found["blessed"] is True
    assert found["reasons"] == []
    assert set(found["per_label"]) == {"top", "middle", "bottom"}
    assert [values["example_count"] for values in found["per_label"].values()] == [10, 11, 10]
    assert found["metrics"]["example_count"] == 31


def test_pca_with_as_many_components_as_labels_beats_the_mean_image(written: Any) -> None:
    metrics = summary_of(written)["metrics"]
    assert 0 < metrics["pca_mse"] < metrics["mean_image_mse"]


def test_properties_of_the_artifact_are_the_metrics(written: Any) -> None:
    metrics = summary_of(written)["metrics"]
    assert written.get_int_custom_property("blessed") == 1
    for name in ("bce", "dead_units", "bce_to_mean_image", "example_count"):
        assert written.get_float_custom_property(f"test_{name}") == metrics[name]


def test_page_shows_one_image_of_each_label(written: Any) -> None:
    page = pathlib.Path(written.uri, "report.html").read_text(encoding="utf-8")
    for label in ("top", "middle", "bottom"):
        assert label in page


def test_report_is_the_same_when_it_is_made_again(written: Any, make_report: Callable[[], Any]) -> None:
    one, other = (
        {path.name: path.read_bytes() for path in pathlib.Path(made.uri).iterdir()} for made in (written, make_report())
    )
    assert {"report.html", "summary.json"} <= one.keys()
    assert one == other
