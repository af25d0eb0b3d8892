"""Previews on disk: what is written is read again, and what is not ours is no preview."""

from __future__ import annotations

import json
import math

import pytest

from pipeline.artifacts import previews, sections, types
from pipeline.artifacts.sections import Pairs, Preview, Text
from pipeline.artifacts.types import ArtifactType
from pipeline.definition.spec import Pipeline
from pipeline_config import PipelineConfig
from tests.pipeline.artifacts.samples import PREVIEWS, THRESHOLDS

BLESSING = PREVIEWS["ModelBlessing"]
BLESSED = Preview("blessing", (Text("", "blessed", True),))


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "previews" / "Node" / "output" / "7"


def test_every_kind_of_section_is_among_those_that_are_tested():
    tested = {type(section) for preview in PREVIEWS.values() for section in preview.sections}
    assert tested == set(sections._KINDS.values())


@pytest.mark.parametrize("type_name", PREVIEWS)
def test_what_is_written_is_read_again(folder, type_name):
    previews.write(folder, type_name, PREVIEWS[type_name], {"a.png": b"one", "b.png": b"other"})
    assert previews.read(folder, type_name) == PREVIEWS[type_name]
    assert previews.picture_path(folder, "b.png").read_bytes() == b"other"


def test_an_older_preview_is_replaced_with_its_pictures(folder):
    previews.write(folder, "ModelBlessing", BLESSING, {"old.png": b"old"})
    previews.write(folder, "ModelBlessing", BLESSED, {"new.png": b"new"})
    assert previews.read(folder, "ModelBlessing") == BLESSED
    assert sorted(path.name for path in folder.parent.rglob("*")) == ["7", "new.png", "preview.json"]


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_a_number_that_json_has_not_leaves_no_preview(folder, number):
    with pytest.raises(ValueError, match="JSON"):
        previews.write(folder, "ModelEvaluation", Preview("evaluation", (Pairs("metrics", {"bce": number}),)), {})
    assert previews.read(folder, "ModelEvaluation") is None
    assert not folder.parent.exists()


def test_a_write_that_breaks_off_leaves_the_older_preview_and_nothing_else(folder):
    previews.write(folder, "ModelBlessing", BLESSING, {})
    with pytest.raises(OSError, match="no-such-folder"):
        previews.write(folder, "ModelBlessing", BLESSED, {"a.png": b"png", "no-such-folder/b.png": b"png"})
    assert previews.read(folder, "ModelBlessing") == BLESSING
    assert [path.name for path in folder.parent.iterdir()] == ["7"]


@pytest.mark.parametrize(
    "change",
    [
        {"schema_version": 3},
        {"schema_version": 1},  # it has not the values of that version
        {"type": "Model"},
        {"title": 1},
        {"sections": None},
        {"sections": "none"},
        {"sections": [1]},
        {"sections": [{"kind": "song"}]},
        {"sections": [{"kind": "text"}]},
        {"sections": [{"kind": "pairs", "title": "x", "values": {"a": []}}]},
    ],
    ids=str,
)
def test_another_version_type_or_value_is_no_preview(folder, change):
    previews.write(folder, "ModelBlessing", BLESSING, {})
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
        b'{"schema_version": 2, "type": "ModelBlessing"}',
    ],
    ids=["empty", "cut", "list", "null", "no text", "a text", "deep", "without values"],
)
def test_a_damaged_or_foreign_file_is_no_preview(folder, content):
    folder.mkdir(parents=True)
    (folder / previews.FILE).write_bytes(content)
    assert previews.read(folder, "ModelBlessing") is None


def test_a_value_that_this_version_does_not_know_is_passed_over(folder):
    previews.write(folder, "ModelBlessing", BLESSING, {})
    values = json.loads((folder / previews.FILE).read_text())
    (folder / previews.FILE).write_text(json.dumps({**values, "later": 1}))
    assert previews.read(folder, "ModelBlessing") == BLESSING


def test_there_is_none_where_nothing_was_written_or_for_another_type(folder):
    assert previews.read(folder, "ModelBlessing") is None
    previews.write(folder, "ModelBlessing", BLESSING, {})
    assert previews.read(folder, "PushedModel") is None
    assert previews.read(folder, "Model") is None


def test_a_file_that_is_too_large_is_not_read(folder, monkeypatch):
    previews.write(folder, "ModelBlessing", BLESSING, {})
    size = (folder / previews.FILE).stat().st_size
    monkeypatch.setattr(previews, "_MAX_BYTES", size)
    assert previews.read(folder, "ModelBlessing") == BLESSING
    monkeypatch.setattr(previews, "_MAX_BYTES", size - 1)
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


def test_rows_become_records_by_the_titles_of_their_columns():
    assert Preview("evaluation", (THRESHOLDS,)).records("thresholds")[0] == {
        "metric": "bce",
        "slice": "overall",
        "value": 0.1,
        "limit": 0.12,
        "passed": True,
    }
    assert Preview("evaluation", ()).records("thresholds") == []


def test_a_pipeline_adds_types_of_its_own(monkeypatch):
    monkeypatch.setattr(types, "_TYPES", dict(types._TYPES))
    assert types.find("Forest") == ArtifactType("Forest")
    mine = ArtifactType("Forest", "mine.fingerprint", "mine.preview", on_run=("trees",))
    Pipeline("forest", (), PipelineConfig, data=None, artifact_types=(mine,))
    assert types.find("Forest") == mine
    assert types.shown_on_run()[-1] == mine


def test_what_the_page_of_a_run_shows_is_in_the_previews():
    for kind in types.shown_on_run():
        if not kind.on_run:
            continue  # of other pipelines
        titles = {section.title for section in PREVIEWS[kind.name].sections}
        assert set(kind.on_run) <= titles, kind.name
