"""Killed runs are closed by the next command that writes."""

from __future__ import annotations

import pytest

from pipeline.core import event_log
from pipeline.core.events import NodeStarted, NodeState
from pipeline.metadata import run_properties
from pipeline.metadata.run_properties import Headline, RunOptions
from pipeline.metadata.store import open_store
from pipeline.metadata.writer import MetadataWriter
from pipeline.orchestration import recovery
from pipeline.sparse_autoencoder.definition import PIPELINE
from tests.builders.roots import STATE, tree


def begin(recorded, run_id):
    properties = run_properties.headline_properties(Headline(dataset="mnist 3.0.1", profile="mnist", trigger="manual"))
    MetadataWriter(recorded.root).begin_run(PIPELINE.name, run_id, properties)


def close(recorded):
    return recovery.close_killed_runs(recorded.root, open_store(recorded.root))


def headline(recorded, run_id):
    return run_properties.headline_of(recorded.store().run_properties(run_id))


def test_a_running_node_is_closed_as_failed_and_its_output_removed(recorded):
    begin(recorded, "r1")
    kept = recorded.run("r1", names=["SchemaGen"])
    execution = recorded.writer.execution("r1", "Trainer", STATE.RUNNING)
    for folder in (recorded.root.artifacts, recorded.root.previews):
        half = folder / "Trainer" / "model" / str(execution)
        half.mkdir(parents=True)
        (half / "half").touch()
    before = tree(recorded.root.artifacts / "SchemaGen")

    assert list(close(recorded)) == ["r1"]

    executions = recorded.store().executions("r1")
    assert (executions["Trainer"].state, executions["Trainer"].error) == (NodeState.FAILED, recovery.REASON)
    assert executions["SchemaGen"].id == kept["SchemaGen"]
    assert executions["SchemaGen"].state == NodeState.EXECUTED
    assert tree(recorded.root.artifacts / "SchemaGen") == before
    assert not list(recorded.root.path.glob("*/Trainer/model/*"))
    end = headline(recorded, "r1")
    assert (end.state, end.executed, end.cached) == ("failed", 1, 0)
    assert end.error == f"died in Trainer: {recovery.REASON}"
    [told] = event_log.read(recorded.root.path, "r1")
    assert "the unfinished output of Trainer was removed; `sae resume r1` resumes it" in told.event.text
    assert close(recorded) == {}


def test_nodes_that_were_recorded_together_are_counted_and_nothing_of_them_was_removed(recorded):
    begin(recorded, "r1")
    for node in PIPELINE.names:
        recorded.writer.execution("r1", node, STATE.RUNNING)
    text = close(recorded)["r1"]
    assert headline(recorded, "r1").error == f"died while it recorded 14 cached nodes: {recovery.REASON}"
    assert text == f"run r1 died while it recorded 14 cached nodes: {recovery.REASON}; `sae resume r1` resumes it"


def test_an_execution_that_belongs_to_no_node_is_no_node_in_which_the_run_died(recorded):
    begin(recorded, "r1")
    MetadataWriter(recorded.root).record_decision("sae.Pin", "r1", {}, {}, ended=False)
    close(recorded)
    assert headline(recorded, "r1").error == f"died before its first node: {recovery.REASON}"


def test_a_partial_run_is_repeated_rather_than_resumed(recorded):
    begin(recorded, "r1")
    MetadataWriter(recorded.root).end_run("r1", RunOptions(part="--from-node Trainer").properties())
    path = recorded.root.manifests / "r1.json"
    assert close(recorded)["r1"].endswith(RunOptions(part="--from-node Trainer").next_step("r1", path))


def test_between_two_nodes_and_before_the_first_there_is_nothing_to_remove(recorded):
    begin(recorded, "early")
    begin(recorded, "between")
    recorded.run("between", names=["SchemaGen"])
    assert {run_id: headline(recorded, run_id).error for run_id in close(recorded)} == {
        "between": f"died after SchemaGen: {recovery.REASON}",
        "early": f"died before its first node: {recovery.REASON}",
    }
    assert headline(recorded, "early").state == "failed"


def test_the_duration_lasts_until_the_last_event(recorded):
    begin(recorded, "r1")
    began = recorded.store().run_began("r1")
    event_log.append(recorded.root.path, "r1", NodeStarted("SchemaGen"))
    last = event_log.read(recorded.root.path, "r1")[-1].when
    close(recorded)
    assert headline(recorded, "r1").seconds == pytest.approx((last - began).total_seconds(), abs=1e-6)


def test_a_half_written_event_does_not_damage_the_note(recorded):
    begin(recorded, "r1")
    path = event_log.path_of(recorded.root.path, "r1")
    path.parent.mkdir()
    path.write_text('{"when": "2026-11-24T12:0')
    close(recorded)
    [told] = event_log.read(recorded.root.path, "r1")
    assert told.event.text.startswith("run r1 died")


def test_runs_that_ended_and_those_of_others_are_left_alone(recorded):
    begin(recorded, "ended")
    MetadataWriter(recorded.root).end_run("ended", run_properties.headline_properties(Headline(state="cancelled")))
    recorded.writer.execution("of plain TFX", "Trainer", STATE.RUNNING)
    assert close(recorded) == {}
    assert recorded.store().executions("of plain TFX")["Trainer"].state is None
    assert headline(recorded, "ended").state == "cancelled"
