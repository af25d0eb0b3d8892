"""What commands and pages show of a store, compared with an independent reading of its tables by SQL."""

from __future__ import annotations

import pathlib
import time
from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from pipeline.core.pipeline_root import Root
from pipeline.core.serialization import jsonable
from pipeline.inspection.locations import open_location, open_reader
from pipeline.inspection.reader import Reader
from pipeline.sparse_autoencoder.definition import PIPELINE
from pipeline.terminal import json_documents
from pipeline.web import app
from tests.builders.foreign_stores import STORES
from tests.builders.random_stores import RandomStore, empty
from tests.builders.store_tables import Node, Run, Tables

NOWHERE = Root(pathlib.Path("/nowhere"))
SEEDS = range(100, 160)  # of random stores
Ask = Callable[..., Any]  # for a document, by its name and that of a run or artifact


def now() -> int:
    return int(time.time() * 1000)


def by_commands(reader: Reader) -> Ask:
    """Return JSON documents as commands print them."""

    def ask(what: str, wanted: str = "") -> Any:
        if what == "runs":
            return jsonable(json_documents.runs(*reader.runs(limit=999)))["runs"]
        if what == "sessions":
            return jsonable(json_documents.runs(*reader.runs(limit=999, sessions=True)))["runs"]
        if what == "run":
            return json_documents.run(reader.run(wanted), None, None, {})
        if what == "artifacts":
            return jsonable(json_documents.artifacts(*reader.artifacts(limit=999)))["artifacts"]
        return jsonable(reader.lineage(int(wanted)))

    return ask


def by_pages(site: TestClient) -> Ask:
    """Return the same from the JSON of pages."""

    def ask(what: str, wanted: str = "") -> Any:
        if what == "runs":
            return site.get("/runs.json?cells=all&limit=999").json()["runs"]
        if what == "sessions":
            return site.get("/runs.json?limit=999").json()["runs"]
        if what == "run":
            return site.get(f"/runs/{wanted}.json").json()["run"]
        if what == "artifacts":
            return site.get("/artifacts.json?limit=999").json()["artifacts"]
        return site.get(f"/artifacts/{wanted}/lineage.json").json()["lineage"]

    return ask


def check(ask: Ask, tables: Tables) -> None:
    rows = ask("runs")
    assert [shown_row(row) for row in rows] == [expected_row(run) for run in tables.runs]
    for run in tables.runs:
        assert [shown_node(node) for node in ask("run", run.name)["nodes"]] == [expected_node(one) for one in run.nodes]
    artifacts = {row["id"]: row for row in ask("artifacts")}
    shown = {
        number: tuple(row[one] for one in ("type", "state", "run", "node", "key")) for number, row in artifacts.items()
    }
    assert shown == tables.artifacts
    for number in list(artifacts)[:: max(1, len(artifacts) // 4)]:
        found = ask("lineage", str(number))
        assert {step["execution"] for step in found["up"]} == tables.lineage(number, up=True)
        assert {step["execution"] for step in found["down"]} == tables.lineage(number, up=False)
    cells = [cell["id"] for row in ask("sessions") for cell in row.get("session", {"runs": [row]})["runs"]]
    assert sorted(cells) == sorted(run.name for run in tables.runs)


def shown_row(row: dict[str, Any]) -> tuple[Any, ...]:
    return (row["id"], row["pipeline"], row["state"], *(row[name] or 0 for name in ("executed", "cached", "skipped")))


def expected_row(run: Run) -> tuple[Any, ...]:
    return (run.name, run.pipeline, run.state, *(run.count(state) for state in ("executed", "cached", "skipped")))


def shown_node(node: dict[str, Any]) -> tuple[Any, ...]:
    uses = [[(use["key"], use["index"], use["artifact"]["id"]) for use in node[side]] for side in ("inputs", "outputs")]
    return (node["node"], node["state"], node["execution"], *uses)


def expected_node(node: Node) -> tuple[Any, ...]:
    return (node.name, node.state, node.execution, node.inputs, node.outputs)


@pytest.mark.parametrize("name", STORES)
def test_commands_and_pages_show_what_the_tables_contain(name: str, tmp_path: pathlib.Path) -> None:
    path = STORES[name](tmp_path / "store.sqlite")
    tables = Tables(path, now())
    with open_reader(PIPELINE, str(path), NOWHERE) as reader:
        check(by_commands(reader), tables)
    with open_location(PIPELINE, str(path), NOWHERE) as place:
        check(by_pages(TestClient(app.build(place, "127.0.0.1"), base_url="http://localhost:8000")), tables)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    return empty(tmp_path_factory.mktemp("template") / "store.sqlite")


@pytest.mark.parametrize("seeds", [SEEDS[:10], pytest.param(SEEDS[10:], marks=pytest.mark.chaos)], ids=str)
def test_commands_show_what_the_tables_of_random_stores_contain(
    template: pathlib.Path, tmp_path: pathlib.Path, seeds: range
) -> None:
    for seed in seeds:
        path = RandomStore(template, tmp_path / f"{seed}.sqlite", seed, now()).write()
        tables = Tables(path, now())
        with open_reader(PIPELINE, str(path), NOWHERE) as reader:
            try:
                check(by_commands(reader), tables)
            except AssertionError as error:
                raise AssertionError(f"seed {seed}: {error}") from error
