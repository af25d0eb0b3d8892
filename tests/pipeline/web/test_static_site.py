"""The pages as files: complete, all links lead to files, and nothing is half there."""

import json
import pathlib
import shutil
import urllib.parse

import pytest

from pipeline.core import unfinished_folder
from pipeline.core.errors import NotFoundError, UnavailableError, UsageError
from pipeline.core.pipeline_root import Root
from pipeline.inspection.locations import open_location
from pipeline.sparse_autoencoder.definition import PIPELINE
from pipeline.web import static_site
from tests.builders.pages import Seen, artifact_of, png
from tests.builders.roots import STATE, Recorded

pytestmark = pytest.mark.component  # seconds


def write(root, folder, limit=None, metadata=None):
    with open_location(PIPELINE, metadata, root) as place:
        return static_site.export(place, folder, limit)


def dangling(folder):
    """Links of all pages that lead to no file of the folder."""
    found = []
    for page in folder.rglob("*.html"):
        if page.parent.name == "reports":
            continue
        seen = Seen(page.read_text(encoding="utf-8"))
        assert seen.inline == []
        for link in seen.links:
            path = urllib.parse.unquote(urllib.parse.urlsplit(link).path)
            target = (page.parent / path).resolve() if path else page
            if (
                urllib.parse.urlsplit(link).scheme
                or not target.is_file()
                or not target.is_relative_to(folder.resolve())
            ):
                found.append((str(page), link))
    return found


@pytest.fixture(scope="module")
def exported(filled, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported") / "site"
    return folder, write(filled.root, folder)


class TestSite:
    def test_every_link_leads_to_a_file(self, exported):
        assert dangling(exported[0]) == []

    def test_it_has_all_pages_with_their_json(self, exported, filled):
        folder, said = exported
        pages = [path.relative_to(folder) for path in folder.rglob("*.html") if path.parent.name != "reports"]
        assert (said.folder, said.pages, said.runs) == (folder, len(pages), 4)
        model = artifact_of(filled, "good", "Trainer", "model")
        for name in ("index", "artifacts", "models", "schedules", "compare", "runs/good", "runs/bad",
                     "nodes/good/Trainer", f"artifacts/{model}", f"lineage/{model}", "compare/better"):  # fmt: skip
            assert pathlib.Path(f"{name}.html") in pages
        for page in pages:
            values = json.loads((folder / page).with_suffix(".json").read_text(encoding="utf-8"))
            assert values["schema_version"] == 2

    def test_pictures_reports_logs_and_manifests_come_along(self, exported, filled):
        folder, _ = exported
        number = artifact_of(filled, "good", "ExampleGen", "examples")
        assert (folder / "pictures" / str(number) / "a.png").read_bytes() == png()
        report = artifact_of(filled, "good", "Report", "report")
        assert (folder / "reports" / f"{report}.html").is_file()
        assert (folder / "logs" / "good.txt").read_text() == "first line\nlast line\n"
        assert json.loads((folder / "manifests" / "good.json").read_text())["run_id"] == "good"

    def test_there_are_no_forms_and_nothing_is_followed(self, exported, recorded, tmp_path):
        for page in exported[0].rglob("*.html"):
            assert "<form" not in page.read_text(encoding="utf-8")
        recorded.writer.execution("now", "Trainer", STATE.RUNNING)
        (tmp_path / "mlmd.db").write_bytes(recorded.root.metadata.read_bytes())
        write(Root(tmp_path / "no root"), tmp_path / "site", metadata=str(tmp_path / "mlmd.db"))
        assert "In progress." in (tmp_path / "site" / "runs" / "now.html").read_text(encoding="utf-8")
        for name in ("index", "runs/now"):
            assert "data-follow" not in (tmp_path / "site" / f"{name}.html").read_text(encoding="utf-8")


class TestLimit:
    def test_the_newest_runs(self, filled, tmp_path):
        said = write(filled.root, tmp_path / "site", 1)
        assert said.runs == 1
        assert sorted(path.name for path in (tmp_path / "site" / "runs").iterdir()) == ["better.html", "better.json"]
        assert not list((tmp_path / "site").glob("compare*"))  # the run before is not there
        assert dangling(tmp_path / "site") == []

    def test_below_one_is_refused(self, filled, tmp_path):
        with pytest.raises(UsageError, match=r"--limit 0.*1"):
            write(filled.root, tmp_path / "site", 0)


class TestNames:
    def test_every_id_gets_a_file_of_its_own(self, recorded, tmp_path):
        odd = [
            "Run",
            "run",
            "RUN",
            "a/b",
            "a?b",
            "..",
            "<script>",
            "x" * 5000,
            "x" * 5001,
            "con.html",
            "run-8c1d0d0e",
            "é",
        ]
        for name in odd:
            recorded.writer.execution(name, "Trainer", STATE.COMPLETE)
        folder = tmp_path / "site"
        assert write(recorded.root, folder).runs == len(odd)
        names = [path.stem.casefold() for path in (folder / "runs").glob("*.html")]
        assert len(set(names)) == len(odd)
        assert all(len(name) < 100 and name.isascii() for name in names)
        found = {
            json.loads(path.read_text(encoding="utf-8"))["run"]["row"]["id"]
            for path in (folder / "runs").glob("*.json")
        }
        assert found == set(odd)
        assert dangling(folder) == []


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A root with one node in one run."""
    recorded = Recorded(tmp_path_factory.mktemp("small"))
    recorded.run("r1", names=["SchemaGen"])
    return recorded


class TestFolder:
    def test_one_that_holds_something_else_is_left_alone(self, small, tmp_path):
        (tmp_path / "mine.txt").write_text("mine")
        with pytest.raises(UsageError):
            write(small.root, tmp_path)
        assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]

    def test_neither_is_a_file_or_a_link(self, small, tmp_path):
        (tmp_path / "file").write_text("mine")
        (tmp_path / "link").symlink_to(tmp_path)
        for name in ("file", "link"):
            with pytest.raises(UsageError):
                write(small.root, tmp_path / name)

    def test_an_empty_one_is_small_and_an_earlier_export_replaced(self, small, tmp_path):
        folder = tmp_path / "site"
        folder.mkdir()
        write(small.root, folder, 1)
        (folder / "stale.html").write_text("")
        write(small.root, folder, 1)
        assert not (folder / "stale.html").exists()
        assert (folder / "index.html").is_file()
        assert [path.name for path in tmp_path.iterdir()] == ["site"]

    def test_what_fails_half_way_leaves_the_earlier_one(self, small, tmp_path, monkeypatch):
        folder = tmp_path / "site"
        write(small.root, folder, 1)
        before = sorted(folder.rglob("*"))

        def full(*_):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(static_site.rendering, "page_json", full)
        with pytest.raises(UnavailableError, match="No space left on device"):
            write(small.root, folder, 1)
        assert sorted(folder.rglob("*")) == before
        assert [path.name for path in tmp_path.iterdir()] == ["site"]

    def test_what_killed_exports_left_goes_with_the_next_one(self, small, tmp_path):
        for name in (".site.0123abcd.unfinished", ".site.0123abcd.old", ".site.1.old"):
            (tmp_path / name).mkdir()
            (tmp_path / name / "index.html").write_text("left")
        others = {".sites.0123abcd.unfinished", ".site.unfinished", ".my.site.0123abcd.unfinished"}
        for name in others:
            (tmp_path / name).mkdir()
        with unfinished_folder.create(tmp_path / "site") as live:
            write(small.root, tmp_path / "site", 1)
            assert {path.name for path in tmp_path.iterdir()} == {"site", live.name, *others}

    def test_nothing_to_export_makes_nothing(self, tmp_path):
        with pytest.raises(NotFoundError):
            write(Root(tmp_path / "root"), tmp_path / "site")
        assert list(tmp_path.iterdir()) == []

    def test_a_store_alone(self, filled, tmp_path):
        shutil.copy(filled.root.metadata, tmp_path / "mlmd.db")
        write(Root(tmp_path / "no root"), tmp_path / "site", 2, metadata=str(tmp_path / "mlmd.db"))
        assert dangling(tmp_path / "site") == []
