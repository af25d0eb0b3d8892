"""Files of artifacts whose URIs are not paths on this machine."""

from __future__ import annotations

import pathlib
import shutil

import pytest

from pipeline.core.errors import UsageError
from pipeline.core.pipeline_root import Root
from pipeline.inspection.file_places import FilePlaces, parse_map
from pipeline.inspection.locations import open_reader
from pipeline.sparse_autoencoder.definition import PIPELINE
from pipeline.terminal import artifact as artifact_text
from pipeline.terminal.table import Screen
from tests.builders import foreign_stores
from tests.builders.foreign_stores import ELSEWHERE

TAIL = {key: "/".join(uri.replace("\\", "/").split("/")[-3:]) for key, uri in ELSEWHERE.items()}


@pytest.fixture
def copied(tmp_path: pathlib.Path) -> pathlib.Path:
    """Return a folder with a store and, in a folder of its own, the files of its artifacts."""
    for tail in TAIL.values():
        folder = tmp_path / "pipelines" / "taxi" / tail
        folder.mkdir(parents=True)
        (folder / "file").write_text(tail)
    (tmp_path / "metadata" / "taxi").mkdir(parents=True)
    return tmp_path


def found(store: pathlib.Path, *maps: tuple[str, str]) -> dict[str, tuple[str, list[str], bool]]:
    with open_reader(PIPELINE, str(store), Root(pathlib.Path("/nowhere")), maps) as reader:
        details = [reader.artifact(row.id) for row in reader.artifacts(limit=9)[0]]
    return {one.row.key: (one.row.uri, [file.name for file in one.files], one.gone) for one in details}


@pytest.mark.parametrize("place", ["metadata.db", "metadata/taxi/metadata.db", "pipelines/metadata.db"])
def test_they_are_found_from_the_folder_of_the_store(copied: pathlib.Path, place: str) -> None:
    expected = {key: (str(copied / "pipelines" / "taxi" / tail), ["file"], False) for key, tail in TAIL.items()}
    assert found(foreign_stores.elsewhere(copied / place)) == expected


def test_they_are_found_below_that_folder(copied: pathlib.Path) -> None:
    shutil.move(copied / "pipelines", copied / "copies" / "pipelines")
    files = found(foreign_stores.elsewhere(copied / "metadata.db"))
    assert {key: one[1] for key, one in files.items()} == {key: ["file"] for key in TAIL}


def test_a_map_says_where_they_are(copied: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("other")
    store = foreign_stores.elsewhere(other / "metadata.db")
    assert {key: one[2] for key, one in found(store).items()} == {**dict.fromkeys(TAIL, True), "schema": False}
    maps = [
        parse_map(f"{old}={copied / 'pipelines'}")
        for old in (
            "pipelines",
            "/home/someone/taxi/pipelines",
            "C:\\Users\\someone\\taxi\\pipelines",
            "gs://bucket/taxi/pipelines",
        )
    ]
    assert {key: one[1:] for key, one in found(store, *maps).items()} == dict.fromkeys(TAIL, (["file"], False))


def test_what_is_not_found_is_not_called_missing(tmp_path: pathlib.Path) -> None:
    store = foreign_stores.elsewhere(tmp_path / "metadata.db")
    with open_reader(PIPELINE, str(store), Root(pathlib.Path("/nowhere"))) as reader:
        text = artifact_text.as_text(Screen(), reader.artifact(2), None, is_alone=True)
    assert "not found from here" in text
    assert "missing" not in text


def test_nothing_outside_is_reached_and_few_parts_do_not_match(tmp_path: pathlib.Path) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "secret").write_text("")
    (tmp_path / "store" / "3").mkdir()
    places = FilePlaces(tmp_path / "store", ())
    assert places.find("../secret") == ""
    assert places.find("/elsewhere/Trainer/model/3") == ""
    assert places.find("") == ""
    assert places.find("3") == str(tmp_path / "store" / "3")


@pytest.mark.parametrize("given", ["old", "=new", "old=", "old=/no/such/folder"])
def test_a_map_that_cannot_be_used_is_refused(given: str) -> None:
    with pytest.raises(UsageError, match=r"OLD=NEW|no folder"):
        parse_map(given)
