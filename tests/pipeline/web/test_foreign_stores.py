"""Pages of stores that TFX wrote without this project."""

from __future__ import annotations

import html
import pathlib
import re
import shutil
import tempfile
import urllib.parse
from collections.abc import Callable

import pytest
from starlette.testclient import TestClient

from pipeline.core.pipeline_root import Root
from pipeline.inspection.locations import open_location
from pipeline.sparse_autoencoder.definition import PIPELINE
from pipeline.web import app
from tests.builders.foreign_stores import STORES, opened
from tests.builders.roots import Recorded


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> dict[str, pathlib.Path]:
    folder = tmp_path_factory.mktemp("foreign")
    return {name: make(folder / f"{name}.sqlite") for name, make in STORES.items()}


@pytest.fixture
def pages(stores: dict[str, pathlib.Path], ask: Callable[..., TestClient]) -> Callable[[str], TestClient]:
    """Return a client for the store with a trait."""
    return lambda name: ask(Root(pathlib.Path("/nowhere")), str(stores[name]))


@pytest.mark.parametrize("name", STORES)
def test_each_page_of_each_store_is_shown(pages: Callable[[str], TestClient], name: str) -> None:
    site = pages(name)
    runs = site.get("/runs.json").json()["runs"]
    numbers = [row["id"] for row in site.get("/artifacts.json").json()["artifacts"]]
    addresses = ["/", "/artifacts", "/models", *(f"/runs/{row['id']}" for row in runs)]
    addresses += [f"/artifacts/{number}{part}" for number in numbers for part in ("", "/lineage")]
    for address in addresses:
        assert site.get(address).status_code == 200, address


def test_runs_of_several_pipelines_have_a_column_and_a_filter(pages: Callable[[str], TestClient]) -> None:
    site = pages("several_pipelines")
    view = site.get("/runs.json").json()
    assert view["pipelines"] == ["iris", "taxi"]
    assert 'name="pipeline"' in site.get("/").text
    assert [run["id"] for run in site.get("/runs.json?pipeline=iris").json()["runs"]] == ["iris-1"]
    assert site.get("/runs.json?pipeline=other").status_code == 404
    assert "Pipeline</th>" not in pages("classic").get("/").text


def test_the_page_of_a_dead_run_does_not_reload(pages: Callable[[str], TestClient]) -> None:
    site = pages("dead_runs")
    for run, live in (("killed", False), ("old", False)):
        assert ("data-follow" in site.get(f"/runs/{run}").text) is live
    assert "data-follow" not in site.get("/").text
    assert "data-follow" in pages("running").get("/runs/now").text


def test_a_comparison_does_not_mention_what_no_run_has(pages: Callable[[str], TestClient]) -> None:
    site = pages("models")
    page = site.get("/compare?run=r1&run=r2").text
    assert site.get("/compare.json?run=r1&run=r2").json()["missing"] == []  # TFX has no type ModelRun
    assert "Test BCE" not in page
    assert "Active units" not in page
    assert "was evaluated" not in page  # an Evaluator ran, whose metrics are not recorded


def test_artifacts_are_filtered_by_state(pages: Callable[[str], TestClient]) -> None:
    site = pages("unfinished_outputs")
    view = site.get("/artifacts.json?type=Model").json()
    assert ([row["run"] for row in view["artifacts"]], view["unfinished"]) == (["good"], 2)
    view = site.get("/artifacts.json?state=pending").json()
    assert [(row["run"], row["state"]) for row in view["artifacts"]] == [("failed", "pending")]
    assert site.get("/artifacts.json?state=other").status_code == 400


def test_a_session_of_a_notebook_is_one_row_that_names_its_cells(pages: Callable[[str], TestClient]) -> None:
    site = pages("notebook")
    view = site.get("/runs.json").json()
    assert (view["total"], [len(row["session"]["runs"]) for row in view["runs"]]) == (3, [2, 2, 5])
    page = site.get("/").text
    assert page.count('<details class="session">') == 3
    for one in (cell for row in view["runs"] for cell in row["session"]["runs"]):
        assert f'href="/runs/{one["id"]}">{one["component"]}</a>' in html.unescape(urllib.parse.unquote(page))
    assert "cells=all" in page
    assert "data-compare" not in page  # there is nothing to select; the script needs button and hint
    assert "Trainer: no end is recorded" in page
    view = site.get("/runs.json?cells=all").json()
    assert (view["total"], [row for row in view["runs"] if "session" in row]) == (9, [])
    page = site.get("/?cells=all&sort=seconds").text
    assert "session" not in page.replace("sessions</a>", "")
    assert "sort=started&amp;order=desc" not in page.replace("cells=all&amp;sort=started&amp;order=desc", "")
    assert site.get("/?cells=some").status_code == 400
    assert "Notebook" not in pages("no_notebook").get("/").text


def test_the_error_of_a_failed_run_is_in_the_list_and_on_top_of_the_run(pages: Callable[[str], TestClient]) -> None:
    site = pages("failed")
    error = 'Trainer: ValueError: no label "tips"'
    for address in ("/", "/runs/told"):
        text = html.unescape(site.get(address).text)
        assert error in text, address
        assert "launcher.py" not in text, address
    assert "launcher.py" in site.get("/runs/told/nodes/Trainer").text
    assert "option_39" in site.get("/runs/told/nodes/Trainer").text


def test_a_run_lists_the_parameters_of_its_nodes(pages: Callable[[str], TestClient]) -> None:
    text = html.unescape(pages("failed").get("/runs/told").text)
    assert re.search(r"<td>input_base</td><td[^>]*>/data/taxi</td>", text)
    [cut] = re.findall(r"<summary>(.*option_0.*?)</summary>", text, re.DOTALL)
    assert "option_39" not in cut
    assert "option_39" in text
    assert "Parameters of the nodes" not in pages("importer_and_pusher").get("/runs/r1").text


def test_what_is_not_known_is_not_called_the_same(pages: Callable[[str], TestClient]) -> None:
    site = pages("without_digests")
    for address in ("/compare?run=first&run=again", "/runs/reused", "/runs/again"):
        text = site.get(address).text
        assert not re.search(r"[Tt]he (same|inputs are the same)|same inputs|same outputs", text), address


@pytest.mark.parametrize("name", STORES)
def test_pages_speak_of_no_command_and_have_no_empty_columns(pages: Callable[[str], TestClient], name: str) -> None:
    site = pages(name)
    runs = [row["id"] for row in site.get("/runs.json").json()["runs"]]
    numbers = [row["id"] for row in site.get("/artifacts.json").json()["artifacts"]]
    addresses = ["/", "/artifacts", "/models", "/schedules", f"/runs/{runs[0]}"]
    for address in (*addresses, *(f"/artifacts/{number}" for number in numbers)):
        assert "sae " not in re.sub(r"sae (<span>)?explorer|<title>.*</title>", "", site.get(address).text), address
    heads = re.findall(r"<th scope=\"col\"[^>]*>(?:<a[^>]*>)?([^<]+)", site.get("/").text)
    assert {"Run", "State", "Started"} <= set(heads)
    assert not {"Data set", "Trigger", "Model", "Test BCE"} & set(heads)
    assert "Content</th>" not in site.get("/artifacts").text


def test_columns_that_a_run_of_the_store_needs_are_there(
    filled: Recorded, ask: Callable[..., TestClient], tmp_path: pathlib.Path
) -> None:
    store = shutil.copy(filled.root.metadata, tmp_path / "alone.sqlite")
    site = ask(Root(pathlib.Path("/nowhere")), str(store))
    assert site.get("/runs.json").json()["left_out"] == []
    assert "Model</th>" in site.get("/").text
    assert "Content</th>" in site.get("/artifacts").text


@pytest.mark.parametrize("name", ["classic", "without_digests", "unfinished_outputs"])
def test_an_artifact_that_was_deleted_ends_no_request(
    stores: dict[str, pathlib.Path],
    ask: Callable[..., TestClient],
    tmp_path: pathlib.Path,
    name: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    private = tmp_path / "private"
    private.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(private))
    store = shutil.copy(stores[name], tmp_path / "store.sqlite")
    with opened(store) as database:
        database.execute("DELETE FROM Artifact WHERE id = 1")
    before = store.read_bytes()
    with open_location(PIPELINE, str(store), Root(pathlib.Path("/nowhere"))) as place:
        site = TestClient(app.build(place), base_url="http://localhost:8000")
        runs = [row["id"] for row in site.get("/runs.json").json()["runs"]]
        for address in ("/artifacts", "/artifacts/2", "/artifacts/2/lineage", *(f"/runs/{run}" for run in runs)):
            assert site.get(address).status_code == 200, address
        assert site.get("/artifacts/1").status_code == 404
        assert "artifact 1, removed" in site.get(f"/runs/{runs[-1]}").text
    assert list(private.iterdir()) == []
    assert store.read_bytes() == before


def test_files_beside_the_store_are_shown(pages: Callable[[str], TestClient]) -> None:
    site = pages("payloads")
    rows = site.get("/artifacts.json").json()["artifacts"]
    for row in rows:
        view = site.get(f"/artifacts/{row['id']}.json").json()
        assert view["preview"]["sections"], row["type"]
        assert view["missing"] == ""
    run = site.get("/runs/r1").text
    assert "✗ Not blessed" in run
    assert "auc of hour 5 is 0.5: too low" in run


def test_models_have_verdicts_and_pushes(pages: Callable[[str], TestClient]) -> None:
    site = pages("models")
    view = site.get("/models.json").json()
    assert ([one["blessed"] for one in view["states"]], view["total"], view["models"]) == ([True, False, True], 3, [])
    page = site.get("/models").text
    assert 'in run <a href="/runs/later">' in page
    assert "gs://bucket/serving/2" in page
    assert "No model is served" not in page
    assert [one["run"] for one in site.get("/models.json?start=2").json()["states"]] == ["r1"]
    assert "No models on this page" in site.get("/models?start=9").text
    assert "No run of this store made a model" in pages("notebook").get("/models").text
