"""A run that is killed in every node, and between nodes, ends as an unbroken one."""

from __future__ import annotations

import json
import pathlib

import pytest

from pipeline.core.pipeline_root import Root
from pipeline.maintenance import fsck
from pipeline.metadata.store import open_store
from pipeline.sparse_autoencoder.definition import PIPELINE
from tests.chaos import kill_points


def test_a_run_that_is_killed_in_every_node_ends_as_an_unbroken_one(
    request: pytest.FixtureRequest, tmp_path: pathlib.Path
) -> None:
    asked = request.config.option
    options = ["--profile", asked.chaos_profile, *(word for one in asked.chaos_set for word in ("--set", one))]
    whole = json.loads(kill_points.run_to_the_end(kill_points.command(tmp_path / "whole", *options)))
    seconds = {node["id"]: node["seconds"] for node in whole["nodes"]}
    root = Root(tmp_path / "broken")
    wanted, kills = kill_points.command(root.path, *options), 0
    for point in kill_points.draw(asked.chaos_seed, seconds, root.serving):
        killed = kill_points.run_until(wanted, root.path, point)
        kills += killed
        print(f"{point.name}: {'killed' if killed else 'ended before that'}", flush=True)
        if root.metadata.exists():
            wanted = kill_points.command(root.path, name="resume")
    summary = json.loads(kill_points.run_to_the_end(wanted))

    store = open_store(root, read_only=True)
    tried = {node: len(store.executions_of(summary["run_id"], node)) for node in PIPELINE.names}
    print(f"killed {kills} times, {sum(tried.values())} executions of {len(tried)} nodes: {tried}")
    assert kills > 0
    assert store.run_ids() == [summary["run_id"]]
    broken = kill_points.contents(root, summary["run_id"])
    assert broken == kill_points.contents(Root(tmp_path / "whole"), whole["run_id"])
    assert fsck.check(root).exit_code == 0
