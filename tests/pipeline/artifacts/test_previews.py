"""Previews on disk: what is written is read again, and what is not ours is no preview."""

from __future__ import annotations

import dataclasses
import json
import math

import pytest

from components.evaluation.thresholds import EpochLosses
from pipeline.artifacts import previews
from pipeline.artifacts.previews import Picture

PICTURE = Picture("a.png", 28, 20, "label 3")
FEATURE = previews.Feature("image", "bytes", "(1,)")
ONE_OF_EACH = {
    "Examples": previews.Examples((previews.ExamplesSplit("train", 60, (FEATURE,), (PICTURE,)),)),
    "ExampleStatistics": previews.Statistics(
        (
            previews.StatisticsSplit(
                "train",
                60,
                (
                    previews.FeatureStatistics(
                        "label", "int", 59, 1, 0.0, 9.0, 4.5, 2.5, 7, histogram=(previews.Bucket(0.0, 4.5, 30.5),)
                    ),
                    previews.FeatureStatistics("image", "string", 60, 0, unique=58, average_length=278.5),
                ),
            ),
        )
    ),
    "ExampleAnomalies": previews.Anomalies(
        (previews.AnomaliesSplit("test", (previews.Anomaly("label", "out of range", "10 is above 9"),)),)
    ),
    "Schema": previews.Schema((previews.SchemaFeature("label", "int", "in every example", "(1,)", "0 to 9"),)),
    "TransformGraph": previews.TransformGraph((FEATURE,), (previews.Feature("image_xf", "float32", "(784,)"),)),
    "Model": previews.Model(
        12,
        (previews.Layer("code", 3, 3, "relu", 12),),
        (previews.Signature("encode", (FEATURE,), (FEATURE,)),),
        (previews.UnitAnswer(0, 1.5, PICTURE), previews.UnitAnswer(1, 0.0, None)),
    ),
    "ModelRun": previews.ModelRun((EpochLosses(1, 0.5, 0.4, 0.6, 0.5),)),
    "ModelEvaluation": previews.Evaluation(
        {"bce": 0.1},
        {"label 3": {"bce": 0.2}},
        (
            previews.Threshold("bce", "overall", 0.1, 0.12, True),
            previews.Threshold("bce", "label 3", 0.2, None, True),
        ),
    ),
    "ModelBlessing": previews.Blessing(False, ("bce is 0.2, allowed is at most 0.1",)),
    "PushDecision": previews.PushDecision(False, "worse", 0.1, 0.001, 1.05, 3, "r3", 0.08, "recorded"),
    "Report": previews.Report(
        (previews.Reconstruction("3", PICTURE, dataclasses.replace(PICTURE, file="b.png")),),
        (previews.UnitActivity(0, 0.25, 1.5),),
    ),
}
BLESSING = ONE_OF_EACH["ModelBlessing"]


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "previews" / "Node" / "output" / "7"


def test_every_kind_is_among_those_that_are_tested():
    assert {name: type(preview) for name, preview in ONE_OF_EACH.items()} == previews.KINDS


@pytest.mark.parametrize("type_name", ONE_OF_EACH)
def test_what_is_written_is_read_again(folder, type_name):
    previews.write(folder, ONE_OF_EACH[type_name], {"a.png": b"one", "b.png": b"other"})
    assert previews.read(folder, type_name) == ONE_OF_EACH[type_name]
    assert previews.picture_path(folder, "b.png").read_bytes() == b"other"


def test_an_older_preview_is_replaced_with_its_pictures(folder):
    previews.write(folder, BLESSING, {"old.png": b"old"})
    previews.write(folder, previews.Blessing(True, ()), {"new.png": b"new"})
    assert previews.read(folder, "ModelBlessing") == previews.Blessing(True, ())
    assert sorted(path.name for path in folder.parent.rglob("*")) == ["7", "new.png", "preview.json"]


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_a_number_that_json_has_not_leaves_no_preview(folder, number):
    with pytest.raises(ValueError, match="JSON"):
        previews.write(folder, previews.Evaluation({"bce": number}, {}, ()), {})
    assert previews.read(folder, "ModelEvaluation") is None
    assert not folder.parent.exists()


def test_a_write_that_breaks_off_leaves_the_older_preview_and_nothing_else(folder):
    previews.write(folder, BLESSING, {})
    with pytest.raises(OSError, match="no-such-folder"):
        previews.write(folder, previews.Blessing(True, ()), {"a.png": b"png", "no-such-folder/b.png": b"png"})
    assert previews.read(folder, "ModelBlessing") == BLESSING
    assert [path.name for path in folder.parent.iterdir()] == ["7"]


@pytest.mark.parametrize(
    "change",
    [
        {"schema_version": 2},
        {"type": "Model"},
        {"blessed": "yes"},
        {"blessed": None},
        {"reasons": "none"},
        {"reasons": [1]},
    ],
    ids=str,
)
def test_another_version_type_or_value_is_no_preview(folder, change):
    previews.write(folder, BLESSING, {})
    values = json.loads((folder / previews.FILE).read_text())
    (folder / previews.FILE).write_text(json.dumps(values | change))
    assert previews.read(folder, "ModelBlessing") is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b'"text"',
        b"[" * 100_000,
        b'{"schema_version": 1, "type": "ModelBlessing"}',
    ],
    ids=["empty", "cut", "list", "null", "no text", "a text", "deep", "without values"],
)
def test_a_damaged_or_foreign_file_is_no_preview(folder, content):
    folder.mkdir(parents=True)
    (folder / previews.FILE).write_bytes(content)
    assert previews.read(folder, "ModelBlessing") is None


def test_a_value_that_this_version_does_not_know_is_passed_over(folder):
    previews.write(folder, BLESSING, {})
    values = json.loads((folder / previews.FILE).read_text())
    (folder / previews.FILE).write_text(json.dumps({**values, "later": 1}))
    assert previews.read(folder, "ModelBlessing") == BLESSING


def test_there_is_none_where_nothing_was_written_or_for_another_type(folder):
    assert previews.read(folder, "ModelBlessing") is None
    previews.write(folder, BLESSING, {})
    assert previews.read(folder, "PushedModel") is None
    assert previews.read(folder, "Model") is None


def test_a_file_that_is_too_large_is_not_read(folder, monkeypatch):
    previews.write(folder, BLESSING, {})
    size = (folder / previews.FILE).stat().st_size
    monkeypatch.setattr(previews, "_LARGEST", size)
    assert previews.read(folder, "ModelBlessing") == BLESSING
    monkeypatch.setattr(previews, "_LARGEST", size - 1)
    assert previews.read(folder, "ModelBlessing") is None


@pytest.mark.parametrize("name", ["a.png", "split0-label3-0.png", "000-original.png"])
def test_a_picture_lies_in_the_folder(folder, name):
    assert previews.picture_path(folder, name) == folder / name


@pytest.mark.parametrize(
    "name",
    ["", ".png", "..png", "a.jpg", "a.png.html", "preview.json", "../a.png", "a/b.png", "/a.png", "a.png\n", "a\0.png"],
)
def test_what_is_no_name_of_a_picture_is_nowhere(folder, name):
    assert previews.picture_path(folder, name) is None


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("artifacts/Trainer/model/7", "previews/Trainer/model/7"),
        ("artifacts/Trainer/../Report/report/7/", "previews/Report/report/7"),
        ("artifacts/../serving/1", None),
        ("serving/1", None),
        ("../other/artifacts/Trainer/model/7", None),
    ],
)
def test_a_preview_lies_as_its_artifact_does(tmp_path, uri, expected):
    found = previews.folder_of(tmp_path, f"{tmp_path}/{uri}")
    assert found == (tmp_path / expected if expected else None)
