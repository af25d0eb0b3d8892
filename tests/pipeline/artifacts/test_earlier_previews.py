"""Previews that earlier versions wrote are read as sections. The files are cut from a run of the sample profile."""

from __future__ import annotations

import json
import pathlib

import pytest

from pipeline.artifacts import earlier_previews, previews, types
from pipeline.artifacts.sections import BarChart, Diagram, LineChart, Pairs, Pictures, Table, Text

FILES = {path.stem: path for path in (pathlib.Path(__file__).parent / "earlier_previews").glob("*.json")}


@pytest.fixture
def read(tmp_path):
    def read(type_name, **changes):
        values = json.loads(FILES[type_name].read_text(encoding="utf-8")) | changes
        (tmp_path / previews.FILE).write_text(json.dumps(values), encoding="utf-8")
        return previews.read(tmp_path, type_name)

    return read


def test_each_type_has_a_file():
    assert FILES.keys() == earlier_previews._TYPES.keys()


@pytest.mark.parametrize(
    "kind", [kind for kind in types.shown_on_run() if kind.name in FILES], ids=lambda kind: kind.name
)
def test_the_page_of_a_run_finds_its_sections(read, kind):
    assert set(kind.on_run) <= {section.title for section in read(kind.name).sections}


@pytest.mark.parametrize(
    ("type_name", "titles"),
    [
        ("Examples", ["splits", "features", "images of train", "images of validation"]),
        ("ExampleAnomalies", [""] * 2),
        ("Schema", ["features"]),
        ("TransformGraph", ["transform", "inputs", "outputs"]),
        ("Model", ["size", "layers of the model", "layers", "signatures", "the decoder's answer to each unit"]),
        (
            "ExampleStatistics",
            [
                "split train, 3,572 examples",
                "histograms of train, counts are approximate",
                "split validation, 714 examples",
                "histograms of validation, counts are approximate",
            ],
        ),
    ],
)
def test_sections_have_the_titles_of_todays_previews(read, type_name, titles):
    assert [section.title for section in read(type_name).sections] == titles


def test_examples_keep_counts_features_and_pictures(read):
    preview = read("Examples")
    assert preview.records("splits")[0] == {"split": "train", "examples": 3572}
    assert preview.records("features")[0] == {"feature": "height", "type": "int64", "shape": "(1,)"}
    tile = preview.section("images of train").tiles[0]
    assert (tile.label, tile.pictures[0].file) == ("label 0", "split0-label0-0.png")
    assert tile.pictures[0].label == "image of label 0"


def test_splits_with_other_features_have_a_table_each(read):
    splits = json.loads(FILES["Examples"].read_text())["splits"]
    splits[1]["features"] = [{"name": "sound", "type": "bytes", "shape": ""}]
    preview = read("Examples", splits=splits)
    assert preview.records("features of validation") == [{"feature": "sound", "type": "bytes", "shape": None}]


def test_a_model_keeps_layers_signatures_and_units(read):
    preview = read("Model")
    assert preview.sections[0] == Pairs("size", {"parameters": 419_120})
    assert isinstance(preview.section("layers of the model"), Diagram)
    assert [row["layer"] for row in preview.records("layers")] == ["decoder_hidden", "logits"]
    assert preview.records("signatures")[0]["shape"] == "(None, 784)"
    units = preview.section("the decoder's answer to each unit").tiles
    assert [len(unit.pictures) for unit in units] == [1, 1, 0]
    assert (units[0].note[:4], units[2].note) == ("1.01", "dead")


def test_a_model_of_another_kind_has_signatures_alone(read):
    assert [one.title for one in read("Model", layers=[], units=[]).sections] == ["size", "signatures"]


def test_training_keeps_curves_and_losses(read):
    chart, table = read("ModelRun").sections
    assert isinstance(chart, LineChart)
    assert isinstance(table, Table)
    assert table.rows[0][:2] == (1, 0.33997351381959034)
    assert chart.curves[0].points[0] == (1.0, 0.33997351381959034)


def test_an_evaluation_keeps_metrics_thresholds_and_slices(read):
    preview = read("ModelEvaluation")
    assert list(preview.sections[0].values) == ["BCE", "BCE to mean image"]
    assert next(iter(preview.records("thresholds")))["passed"] is True
    assert {row["slice"] for row in preview.records("metrics by slice")} == {"label 0", "label 1"}
    chart = preview.section("BCE by label")
    assert isinstance(chart, BarChart)
    assert (len(chart.bars), chart.limit) == (2, 0.25)


def test_a_blessing_keeps_its_reasons(read):
    assert read("ModelBlessing").sections[0].passed is True
    refused = read("ModelBlessing", blessed=False, reasons=["bce overall is 0.3"]).sections[0]
    assert (refused.passed, refused.items) == (False, ("bce overall is 0.3",))


def test_a_rejected_push_keeps_the_model_it_was_compared_with(read):
    preview = read(
        "PushDecision",
        push=False,
        reason="worse",
        version=3,
        run="r3",
        baseline_bce=0.1,
        baseline_evaluation="by its Evaluator",
    )
    assert preview.sections[0].passed is False
    assert preview.records("models compared")[1] == {
        "model": "version 3",
        "run": "r3",
        "test_BCE": 0.1,
        "measured": "by its Evaluator",
    }


def test_anomalies_become_a_table(read):
    anomaly = {"feature": "", "summary": "few", "description": "fewer examples"}
    found = read(
        "ExampleAnomalies", splits=[{"name": "train", "anomalies": [anomaly]}, {"name": "test", "anomalies": []}]
    )
    assert found.records("anomalies in train")[0]["feature"] == "the data set"
    assert isinstance(found.sections[1], Text)


def test_a_report_keeps_its_images_and_units(read):
    text, pictures, bars = read("Report").sections
    assert text.file == "report.html"
    assert isinstance(pictures, Pictures)
    assert [one.file for one in pictures.tiles[0].pictures] == ["000-original.png", "000-reconstruction.png"]
    assert bars.bars[0].value == pytest.approx(0.8095, abs=1e-4)


@pytest.mark.parametrize("value", [1, "x", [1], [{"name": 1}], {"a": []}], ids=str)
@pytest.mark.parametrize(
    ("type_name", "key"),
    [
        ("Examples", "splits"),
        ("Model", "layers"),
        ("Report", "images"),
        ("ModelEvaluation", "metrics"),
        ("ModelRun", "history"),
    ],
)
def test_a_value_of_another_type_is_no_preview(read, type_name, key, value):
    assert read(type_name, **{key: value}) is None


def test_a_type_without_an_earlier_form_has_no_preview(tmp_path):
    (tmp_path / previews.FILE).write_text('{"schema_version": 1, "type": "Forest"}', encoding="utf-8")
    assert previews.read(tmp_path, "Forest") is None
