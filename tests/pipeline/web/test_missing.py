"""Stores without runs, without a root, without previews: pages say what is missing, and show the rest."""

import json
import shutil

import pytest
from click.testing import CliRunner

from pipeline.cli.group import sae
from pipeline.core.errors import UnavailableError
from pipeline.core.pipeline_root import Root
from tests.builders.pages import Seen, artifact_of
from tests.builders.roots import Recorded, Writer


class TestEmpty:
    def test_a_root_in_which_nothing_ran_shows_the_command_that_fills_it(self, tmp_path, ask):
        client = ask(Root(tmp_path / "new root"))
        page = Seen(client.get("/").text)
        assert "No runs yet" in page.text
        assert f"sae run --root '{tmp_path}/new root'" in page.text
        assert client.get("/runs.json").json()["empty"] is True
        assert "No artifacts yet" in Seen(client.get("/artifacts").text).text
        assert client.get("/runs/x").status_code == 404
        assert not (tmp_path / "new root").exists()

    def test_it_shows_the_first_run_once_there_is_one(self, tmp_path, ask):
        client = ask(Root(tmp_path / "root"))
        assert client.get("/runs.json").json()["runs"] == []
        Recorded(tmp_path).run("r1", names=["SchemaGen"])
        assert [run["id"] for run in client.get("/runs.json").json()["runs"]] == ["r1"]

    def test_health_is_503_without_the_root(self, tmp_path, ask):
        client = ask(Root(tmp_path / "root"))
        assert client.get("/health.json").status_code == 200  # the default root before the first run
        Recorded(tmp_path).run("r1", names=["SchemaGen"])
        assert client.get("/health.json").json()["runs"] == 1
        (tmp_path / "root").rename(tmp_path / "moved")
        answer = client.get("/health.json")
        assert answer.status_code == 503
        assert str(tmp_path / "root") in answer.json()["error"]
        (tmp_path / "root").mkdir()  # the empty folder on which it was mounted
        assert client.get("/health.json").status_code == 503

    def test_health_is_503_if_the_root_that_was_named_does_not_exist(self, tmp_path, monkeypatch):
        monkeypatch.setenv("SAE_ROOT", str(tmp_path / "new"))
        arguments = ["serve", "--get", "/health.json"]
        assert json.loads(CliRunner().invoke(sae, arguments).output)["status"] == "ok"
        result = CliRunner().invoke(sae, [*arguments, "--root", str(tmp_path / "new")])
        assert isinstance(result.exception, UnavailableError)
        assert str(tmp_path / "new") in str(result.exception)

    def test_a_root_without_runs_is_healthy(self, tmp_path, ask):
        assert ask(Root(tmp_path)).get("/health.json").status_code == 200

    def test_a_store_without_runs(self, tmp_path, ask):
        Writer(tmp_path / "store.sqlite").context("pipeline", "p")
        client = ask(Root(tmp_path), metadata=str(tmp_path / "store.sqlite"))
        assert "no pipeline runs" in Seen(client.get("/").text).text
        assert "No artifacts yet" in Seen(client.get("/artifacts").text).text


@pytest.fixture
def alone(filled, tmp_path, ask):
    """The filled root's store, without the root."""
    shutil.copy(filled.root.metadata, tmp_path / "mlmd.db")
    return ask(Root(tmp_path / "elsewhere"), metadata=str(tmp_path / "mlmd.db"))


class TestStoreAlone:
    def test_every_page_is_there_and_links_only_to_what_is(self, alone):
        found = set()
        for path in ("/", "/runs/good", "/runs/bad", "/runs/good/nodes/Trainer", "/compare?run=good&run=better",
                     "/artifacts", "/artifacts/1", "/artifacts/1/lineage", "/schedules"):  # fmt: skip
            answer = alone.get(path)
            assert answer.status_code == 200
            found |= {link for link in Seen(answer.text).links if not link.startswith("#")}
        for link in found - {"/compare"}:
            assert alone.get(link).status_code == 200, link

    def test_what_is_missing_is_said(self, alone):
        text = Seen(alone.get("/runs/good").text).text
        assert "This store has no pipeline root: no manifests or logs are available." in text
        assert "This run has no manifest." in text
        assert "BCE 0.0943" in text  # of ML Metadata itself
        text = Seen(alone.get("/compare?run=good&run=better").text).text
        assert "compared instead: each node's properties in ML Metadata" in text

    def test_previews_are_those_of_the_root_in_which_the_artifacts_were_found(self, alone, filled):
        answer = alone.get(f"/artifacts/{artifact_of(filled, 'good', 'Report', 'report')}")
        pictures = [link for link in Seen(answer.text).links if "/pictures/" in link]
        assert pictures
        assert {alone.get(link).status_code for link in pictures} == {200}

    def test_files_are_listed_but_not_opened(self, alone):
        answer = alone.get("/artifacts/1")
        assert "part-0" in answer.text
        assert "/files/" not in answer.text
        assert alone.get("/artifacts/1/files/part-0").status_code == 404


@pytest.fixture
def copy(filled, tmp_path):
    """A copy of the filled root, to be damaged."""
    shutil.copytree(filled.root.path, tmp_path / "copy")
    return Root(tmp_path / "copy")


class TestRootOfAnOlderVersion:
    def test_without_previews_and_manifests(self, copy, filled, ask):
        for folder in (copy.previews, copy.manifests, copy.progress):
            shutil.rmtree(folder)
        client = ask(copy)
        text = Seen(client.get("/runs/good").text).text
        assert "There is no preview of ModelRun, ModelEvaluation, PushDecision, ProbeScores, Report" in text
        assert "This run has no manifest" in text
        number = artifact_of(filled, "good", "Report", "report")
        assert "There is no preview of this artifact" in Seen(client.get(f"/artifacts/{number}").text).text
        number = artifact_of(filled, "good", "Pusher", "pushed_model")
        assert "type PushedModel have no preview" in Seen(client.get(f"/artifacts/{number}").text).text

    def test_a_damaged_preview_is_a_missing_one(self, copy, ask):
        for path in copy.previews.rglob("preview.json"):
            path.write_text("[" * 10_000)
        for path in copy.manifests.iterdir():
            path.write_text("{")
        client = ask(copy)
        for path in ("/runs/good", "/compare?run=good&run=better", "/artifacts/1"):
            assert client.get(path).status_code == 200

    def test_a_store_that_is_damaged_later_is_named(self, copy, ask):
        client = ask(copy)
        assert client.get("/").status_code == 200
        copy.metadata.write_bytes(b"no store at all" * 1000)
        answer = client.get("/runs.json")
        assert answer.status_code == 503
        assert "metadata.sqlite" in answer.json()["error"]
        assert "Store unavailable" in client.get("/").text
