"""Which models of a store of any pipeline were blessed and pushed, and by which runs."""

from __future__ import annotations

import json
import pathlib

import click.testing
import pytest

from pipeline import cli
from pipeline.core.pipeline_root import Root
from pipeline.inspection.locations import open_reader
from pipeline.registry import model_states
from pipeline.registry.model_states import ModelState
from pipeline.sparse_autoencoder.definition import PIPELINE
from tests.builders import foreign_stores


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    return foreign_stores.models(tmp_path_factory.mktemp("foreign") / "models.sqlite")


def states(path: pathlib.Path, start: int = 0, limit: int | None = None) -> tuple[list[ModelState], int]:
    with open_reader(PIPELINE, str(path), Root(pathlib.Path("/nowhere"))) as reader:
        found = model_states.list_states(reader.store, start, limit)
    return list(found.models), found.total


def test_verdicts_and_pushes_name_the_run_that_decided(store: pathlib.Path) -> None:
    found, total = states(store)
    assert total == 3  # the fourth never came to be
    assert [(one.run, one.blessed, one.blessed_in) for one in found] == [
        ("r3", True, "later"), ("r2", False, "r2"), ("r1", True, "r1"),
    ]  # fmt: skip
    assert [[(push.run, push.version, push.destination) for push in one.pushed] for one in found] == [
        [("later", "", "gs://bucket/serving/2")], [], [("r1", "1", "/serving/1")],
    ]  # fmt: skip
    assert [one.not_pushed for one in found] == [False, True, False]


def test_the_verdict_on_another_model_is_not_that_on_its_baseline(tmp_path: pathlib.Path) -> None:
    """Both were read under a key that does not say which is which; the blessing names one."""
    store = foreign_stores.ForeignStore(tmp_path / "store.sqlite")
    old, new = (
        store.artifact(store.execution("taxi", run, "Trainer", began=foreign_stores.minutes(number)), "model")
        for number, run in enumerate(("old", "new"))
    )
    validator = store.execution("taxi", "new", "ModelValidator", inputs={"model": [new], "latest_blessed_model": [old]})
    store.artifact(validator, "blessing", blessed=0, current_model_id=new)
    assert [(one.run, one.blessed) for one in states(store.close())[0]] == [("new", False), ("old", None)]


def test_a_part_of_the_list(store: pathlib.Path) -> None:
    found, total = states(store, 1, 1)
    assert ([one.run for one in found], total) == (["r2"], 3)


def test_the_classic_form(tmp_path: pathlib.Path) -> None:
    [pushed] = states(foreign_stores.classic(tmp_path / "store.sqlite"))[0]
    assert (pushed.run, pushed.blessed, len(pushed.pushed)) == (foreign_stores.CLASSIC_RUN, None, 1)


def test_the_command_lists_them(store: pathlib.Path) -> None:
    runner = click.testing.CliRunner()
    done = runner.invoke(cli.sae, ["models", "--metadata", str(store), "--json"])
    values = json.loads(done.output)
    assert ([one["blessed"] for one in values["models"]], values["store"]) == ([True, False, True], str(store))
    lines = runner.invoke(cli.sae, ["models", "--metadata", str(store)]).output.splitlines()
    assert lines[1].split()[:2] == ["7", "r3"]
    assert "yes in run later" in lines[1]
