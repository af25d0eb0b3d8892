"""Previews made from the files of other pipelines: what they say, the cache, and files that are damaged or hostile."""

from __future__ import annotations

import os
import pathlib
import random
import shutil
import time

import pytest

from pipeline.artifacts import payload_previews, types
from pipeline.artifacts.payloads import saved_model
from pipeline.artifacts.payloads.files import UnreadableFileError
from pipeline.artifacts.sections import Histograms, Preview, Text
from pipeline.artifacts.types import StoredArtifact
from pipeline.core.pipeline_root import Root
from pipeline.terminal import preview as preview_text
from pipeline.terminal.table import Screen
from tests.builders import foreign_files
from tests.builders.foreign_files import WRITERS
from tests.builders.foreign_stores import TYPES

NAMES = {**TYPES, **foreign_files.TYPES}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A folder with the files of each type, by key."""
    folder = tmp_path_factory.mktemp("files")
    for key, (_, write) in WRITERS.items():
        write(folder / key)
    return folder


@pytest.fixture
def cache(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    monkeypatch.setenv(payload_previews.VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache"


def stored(folder: pathlib.Path, key: str, **properties: str | int) -> StoredArtifact:
    return StoredArtifact(NAMES[key], folder / key, properties)


def shown(folder: pathlib.Path, key: str, **properties: str | int) -> Preview:
    found = payload_previews.read(stored(folder, key, **properties), None)
    assert found is not None
    return found


class TestWhatFilesSay:
    def test_statistics_have_histograms(self, written: pathlib.Path, cache: pathlib.Path) -> None:
        made = shown(written, "statistics")
        assert [one.title for one in made.sections[::2]] == [
            "split train, 10,036 examples",
            "split eval, 4,966 examples",
        ]
        row = made.records("split train, 10,036 examples")[5]
        assert (row["feature"], row["min"], row["zeros"]) == ("fare", 0.0, 20)
        assert isinstance(made.sections[1], Histograms)
        assert sum(one[2] for one in made.sections[1].histograms[4].buckets) == pytest.approx(10_036)

    def test_a_schema_has_rules(self, written: pathlib.Path, cache: pathlib.Path) -> None:
        row = shown(written, "schema").records("features")[1]
        assert (row["feature"], row["shape"], row["presence"]) == ("payment_type", "1 value", "in every example")

    def test_anomalies_are_listed_by_split(self, written: pathlib.Path, cache: pathlib.Path) -> None:
        rows = shown(written, "anomalies").records("anomalies in eval")
        assert [(row["feature"], row["anomaly"]) for row in rows] == [("company", "Unexpected")]

    def test_a_transform_graph_has_features_and_vocabularies(self, written: pathlib.Path, cache: pathlib.Path) -> None:
        made = shown(written, "transform_graph")
        assert {"feature": "company", "type": "string", "shape": None} in made.records("inputs")
        assert {"feature": "fare_xf", "type": "float32", "shape": "(1,)"} in made.records("outputs")
        [other, payment] = made.records("vocabularies")
        assert (other["entries"], payment["entries"]) == (53, 6)
        assert payment["first_entries"] == "Cash, Credit Card, No Charge, Unknown, Pcard"

    def test_a_transform_graph_without_schemas_has_its_signature(
        self, written: pathlib.Path, cache: pathlib.Path, tmp_path: pathlib.Path
    ) -> None:
        shutil.copytree(written / "transform_graph", tmp_path / "transform_graph")
        shutil.rmtree(tmp_path / "transform_graph" / "metadata")
        made = shown(tmp_path, "transform_graph")
        assert [row["feature"] for row in made.records("inputs")][:2] == ["company", "dropoff_census_tract"]
        assert len(made.records("outputs")) == 17

    def test_a_keras_model_has_layers_and_signatures(self, written: pathlib.Path, cache: pathlib.Path) -> None:
        made = shown(written, "model")
        assert [tuple(row.values()) for row in made.records("layers")] == [
            ("dense", 4, 8, "relu", 40), ("dense_1", 8, 8, "relu", 72), ("dense_2", 8, 3, "softmax", 27),
        ]  # fmt: skip
        assert made.records("signatures")[1]["shape"] == "(None, 3)"

    def test_an_estimator_has_layers_without_optimizer_and_of_the_model_that_serves(self, cache: pathlib.Path) -> None:
        found = payload_previews.read(
            StoredArtifact("Model", foreign_files.testdata() / "trainer" / "current", {}), None
        )
        assert found is not None
        rows = {row["layer"]: row for row in found.records("layers")}
        assert (rows["dnn/hiddenlayer_0"]["inputs"], rows["dnn/hiddenlayer_0"]["parameters"]) == (3, 400)
        assert not any("Adagrad" in str(name) for name in rows)
        assert {row["signature"] for row in found.records("signatures")} == {
            "classification", "predict", "regression", "serving_default",
        }  # fmt: skip

    def test_examples_have_splits_and_features(self, written: pathlib.Path, cache: pathlib.Path) -> None:
        made = shown(written, "examples")
        assert [(row["split"], row["files"]) for row in made.records("splits")] == [("train", 1), ("eval", 1)]
        assert {"feature": "species", "type": "int64", "shape": "(1,)"} in made.records("features")

    @pytest.mark.parametrize(("value", "expected"), [(0, False), (1, True)])
    def test_a_blessing_is_a_file_or_a_property(
        self, written: pathlib.Path, cache: pathlib.Path, tmp_path: pathlib.Path, value: int, expected: bool
    ) -> None:
        for folder, verdict in ((written, False), (tmp_path, expected)):
            [text] = shown(folder, "blessing", blessed=value).sections
            assert isinstance(text, Text)
            assert text.passed is verdict

    def test_a_push_names_the_versions_that_are_there(self, cache: pathlib.Path, tmp_path: pathlib.Path) -> None:
        for version in (9, 10):
            (tmp_path / "serving" / str(version)).mkdir(parents=True)
        (tmp_path / "serving" / "10" / saved_model.FILE).touch()
        made = shown(tmp_path, "pushed_model", pushed=1, pushed_destination=str(tmp_path / "serving" / "9"))
        assert [tuple(row.values()) for row in made.records("versions there now")] == [
            ("10", "SavedModel"), ("9", "other files"),
        ]  # fmt: skip
        assert not cache.exists()  # others may push there at any time


class TestCache:
    def test_a_preview_is_made_once_for_the_same_files(
        self, written: pathlib.Path, cache: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        shutil.copytree(written / "schema", tmp_path / "schema")
        first = shown(tmp_path, "schema")
        with monkeypatch.context() as patched:
            patched.setattr(types, "read_payload", None)
            assert shown(tmp_path, "schema") == first
        path = tmp_path / "schema" / "schema.pbtxt"
        path.write_text('feature { name: "new" }')
        assert [row["feature"] for row in shown(tmp_path, "schema").records("features")] == ["new"]
        assert len(list(cache.iterdir())) == 2

    def test_the_oldest_are_removed(
        self, cache: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(payload_previews, "_MOST_ENTRIES", 3)
        for number in range(5):
            (tmp_path / "schema").mkdir(exist_ok=True)
            (tmp_path / "schema" / "schema.pbtxt").write_text(f'feature {{ name: "{number}" }}' + " " * number)
            shown(tmp_path, "schema")
        assert len(list(cache.iterdir())) == 3

    def test_other_files_in_the_folder_stay(
        self, written: pathlib.Path, cache: pathlib.Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A user may have named a folder with other files."""
        monkeypatch.setattr(payload_previews, "_MOST_ENTRIES", 0)
        for name in ("photos", "a" * 63, "A" * 64):
            (cache / name).mkdir(parents=True)
        (cache / "photos" / "one.png").touch()
        shown(written, "schema")
        assert sorted(one.name for one in cache.iterdir()) == ["A" * 64, "a" * 63, "photos"]
        assert (cache / "photos" / "one.png").exists()

    def test_what_a_link_leads_to_is_read_again(self, cache: pathlib.Path, tmp_path: pathlib.Path) -> None:
        """Neither size nor time of a link change with what it leads to."""
        target = tmp_path / "elsewhere.pbtxt"
        (tmp_path / "schema").mkdir()
        (tmp_path / "schema" / "schema.pbtxt").symlink_to(target)
        for name in ("first", "second"):
            target.write_text(f'feature {{ name: "{name}" }}')
            assert [row["feature"] for row in shown(tmp_path, "schema").records("features")] == [name]

    @pytest.mark.parametrize("error", [MemoryError(), UnreadableFileError("schema.pbtxt cannot be read")])
    def test_what_could_not_be_read_is_read_again(
        self, written: pathlib.Path, cache: pathlib.Path, monkeypatch: pytest.MonkeyPatch, error: Exception
    ) -> None:
        """A permission or a lack of memory may change, without a change of the files."""

        def fail(artifact: StoredArtifact) -> None:
            raise error

        with monkeypatch.context() as patched:
            patched.setattr(types, "read_payload", fail)
            assert not shown(written, "schema").records("features")
        assert shown(written, "schema").records("features")

    def test_without_a_cache_all_is_shown(self, written: pathlib.Path, cache: pathlib.Path) -> None:
        cache.write_text("no folder")
        assert shown(written, "schema").records("features")

    def test_that_of_a_root_is_in_the_root(
        self, written: pathlib.Path, cache: pathlib.Path, tmp_path: pathlib.Path
    ) -> None:
        assert payload_previews.read(stored(written, "schema"), Root(tmp_path / "root")) is not None
        assert len(list((tmp_path / "root" / "cache" / "previews").iterdir())) == 1
        assert not cache.exists()

    def test_files_that_were_not_found_are_no_preview(self, cache: pathlib.Path, tmp_path: pathlib.Path) -> None:
        for key in WRITERS:
            assert payload_previews.read(stored(tmp_path, key), None) is None, key


class TestDamage:
    @pytest.mark.parametrize("key", WRITERS)
    def test_damaged_files_are_a_line(self, written: pathlib.Path, key: str, tmp_path: pathlib.Path) -> None:
        """Bytes flipped, files cut: nothing raises, all is quick, and what is shown can be written as text and JSON."""
        chance = random.Random(key)
        shutil.copytree(written / key, tmp_path / key)
        paths = sorted(path for path in (tmp_path / key).rglob("*") if path.is_file() and path.stat().st_size)
        screen = Screen(100, False)
        for _ in range(60 if paths else 0):
            path = chance.choice(paths)
            whole = path.read_bytes()
            content = bytearray(whole[: chance.choice((len(whole), chance.randrange(len(whole))))])
            for _ in range(chance.choice((0, 1, 5)) if content else 0):
                content[chance.randrange(len(content))] = chance.randrange(256)
            path.write_bytes(content)
            began = time.monotonic()
            found = payload_previews.read(stored(tmp_path, key), Root(tmp_path / "root"))
            assert time.monotonic() - began < 30
            if found is not None:
                assert isinstance(preview_text.lines(screen, found, ""), list)
            path.write_bytes(whole)

    @pytest.mark.parametrize("key", ["schema", "statistics", "anomalies", "model", "evaluation", "transform_graph"])
    def test_a_pipe_in_place_of_each_file_is_a_line(
        self, written: pathlib.Path, key: str, tmp_path: pathlib.Path, cache: pathlib.Path
    ) -> None:
        shutil.copytree(written / key, tmp_path / key)
        for path in [path for path in (tmp_path / key).rglob("*") if path.is_file()]:
            path.unlink()
            os.mkfifo(path)
        made = shown(tmp_path, key)
        assert isinstance(made.sections[0], Text)
        assert "\n" not in made.sections[0].text

    def test_any_error_of_a_library_is_a_line(
        self, written: pathlib.Path, cache: pathlib.Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(artifact: StoredArtifact) -> None:
            raise MemoryError(artifact.folder)

        monkeypatch.setattr(types, "read_payload", fail)
        [text] = shown(written, "schema").sections
        assert isinstance(text, Text)
        assert "MemoryError" in text.text
