"""Stores with many runs."""

from __future__ import annotations

import datetime
import json
import pathlib
from typing import Any

import pytest
from click.testing import CliRunner

from pipeline.sparse_autoencoder.definition import PIPELINE


@pytest.mark.component
def test_multiplied_runs_are_read_like_those_before(tmp_path: pathlib.Path) -> None:
    from benchmarks import histories
    from pipeline import cli

    def shown(*arguments: str) -> dict[str, Any]:
        ended = CliRunner().invoke(cli.sae, [*arguments, "--json", "--metadata", str(tmp_path / "store.sqlite")])
        assert ended.exit_code == 0, ended.output
        return dict(json.loads(ended.stdout))

    histories.executed_runs(tmp_path / "store.sqlite", 2)
    histories.multiply(tmp_path / "store.sqlite", 3)
    runs = shown("runs")["runs"]
    assert [one["id"] for one in runs] == [f"run-0000{number}" for number in reversed(range(6))]
    started = [datetime.datetime.fromisoformat(one["started"]) for one in runs]
    assert started == sorted(started, reverse=True)
    last, first = shown("show", "latest"), shown("show", "run-00001")
    assert last["row"]["id"] == "run-00005"
    assert len(last["nodes"]) == len(PIPELINE.nodes)
    for one, other in zip(last["nodes"], first["nodes"], strict=True):
        made, before = ([put["artifact"] for put in node["outputs"]] for node in (one, other))
        assert [artifact["type"] for artifact in made] == [artifact["type"] for artifact in before]
        assert [artifact["content"] for artifact in made] == [artifact["content"] for artifact in before]
        assert not {artifact["id"] for artifact in made} & {artifact["id"] for artifact in before}
        assert {artifact["run"] for artifact in made} <= {"run-00005"}
        assert {put["artifact"]["run"] for put in one["inputs"]} <= {"run-00005"}
