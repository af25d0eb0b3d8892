"""A rerun that changes nothing, recorded without TFX."""

from __future__ import annotations

import pytest

from pipeline.core.errors import ExitCode
from pipeline.core.events import NOT_IN_PART, NodeEnded, NodeState, Note, RunStarted
from pipeline.metadata.types import Artifact
from pipeline.metadata.writer import MetadataWriter
from pipeline.orchestration import partial_run, replay
from pipeline.sparse_autoencoder.definition import PIPELINE
from tests.builders.roots import change_bytes


def replayed(recorded, run_id):
    told = []
    recorder = MetadataWriter(recorded.root)
    recorder.begin_run(PIPELINE.name, run_id, {})
    result = replay.replay(PIPELINE, recorded.decider().decide_all(), recorder, run_id, told.append)
    return result, told


def test_every_node_is_recorded_and_told_as_cached(recorded):
    recorded.run("r1")
    result, told = replayed(recorded, "r2")
    ended = tuple(NodeEnded(name, NodeState.CACHED, 0.0) for name in PIPELINE.names)
    assert (result.run_id, result.nodes, result.exit_code, result.error) == ("r2", ended, ExitCode.DONE, "")
    assert told == [RunStarted("r2", PIPELINE.names), *ended]
    executions = recorded.store().executions("r2")
    assert {name: execution.state for name, execution in executions.items()} == dict.fromkeys(
        PIPELINE.names, NodeState.CACHED
    )
    assert result.executions == {name: execution.id for name, execution in executions.items()}
    for node in PIPELINE.nodes:
        inputs = recorded.store().inputs(executions[node.name].id)
        assert inputs == {key: recorded.outputs("r1", name)[output] for key, (name, output) in node.inputs.items()}
        assert recorded.outputs("r2", node.name) == recorded.outputs("r1", node.name)


def test_a_pusher_that_had_nothing_to_push_is_skipped_again(recorded):
    recorded.run("r1", blessed=False)
    result, _ = replayed(recorded, "r2")
    [pusher] = [node for node in result.nodes if node.node == "Pusher"]
    assert pusher == NodeEnded("Pusher", NodeState.SKIPPED, 0.0, "the model is not blessed")


def test_nodes_without_a_decision_are_skipped_as_in_a_run_of_a_part(recorded):
    recorded.run("r1")
    told = []
    recorder = MetadataWriter(recorded.root)
    recorder.begin_run(PIPELINE.name, "r2", {})
    part, reused = partial_run.nodes_of(PIPELINE, "", "Evaluator,Probe")
    assert (set(PIPELINE.names) - set(part), reused) == ({"PushGate", "Pusher", "Report"}, [])
    result = replay.replay(PIPELINE, recorded.decider().decide_all(part), recorder, "r2", told.append)
    states = {node.node: (node.state, node.reason) for node in result.nodes}
    left_out = dict.fromkeys(("PushGate", "Pusher", "Report"), (NodeState.SKIPPED, NOT_IN_PART))
    assert states == {**dict.fromkeys(part, (NodeState.CACHED, "")), **left_out}
    assert [node.node for node in result.nodes] == list(PIPELINE.names)
    assert set(recorded.store().executions("r2")) == set(part)


def test_a_rerun_can_be_rerun(recorded):
    recorded.run("r1")
    replayed(recorded, "r2")
    result, _ = replayed(recorded, "r3")
    assert {node.state for node in result.nodes} == {NodeState.CACHED}
    assert recorded.store().run_ids() == ["r3", "r2", "r1"]


def test_a_damaged_copy_for_which_another_stands_in_is_out_of_use_and_named(recorded):
    recorded.run("r1")
    recorded.run("r2")
    folder = recorded.folder_of("r2", "ExampleGen", "examples")
    change_bytes(folder / "part-0")
    _, told = replayed(recorded, "r3")
    reason = f"{folder}/part-0 holds other bytes than it was published with"
    assert [event for event in told if isinstance(event, Note)] == [
        Note(f"ExampleGen's examples is damaged and out of use: {reason}", warning=True)
    ]
    harmed = recorded.outputs("r2", "ExampleGen")["examples"]
    assert (harmed.live, harmed.properties["out_of_use"]) == (False, reason)
    assert recorded.outputs("r3", "ExampleGen") == recorded.outputs("r1", "ExampleGen")
    _, told = replayed(recorded, "r4")
    assert not any(isinstance(event, Note) for event in told)


PUSHED = {"pushed_model": Artifact("/pushed", {"pushed": 1})}
NOT_PUSHED = {"pushed_model": Artifact("/pushed", {"pushed": 0})}
PUSHER, TRAINER = PIPELINE.by_name["Pusher"], PIPELINE.by_name["Trainer"]


@pytest.mark.parametrize("state", [NodeState.EXECUTED, NodeState.CACHED])
def test_a_node_ended_as_recorded(state):
    assert replay.node_ended(TRAINER, state, {}, 2.5) == NodeEnded("Trainer", state, 2.5, "")
    assert replay.node_ended(PUSHER, state, PUSHED, 2.5) == NodeEnded("Pusher", state, 2.5, "")


def test_a_pusher_says_why_it_pushed_nothing():
    rejected = {"pushed_model": Artifact("/pushed", {"pushed": 0, "not_pushed": "worse than version 3"})}
    assert replay.node_ended(PUSHER, NodeState.EXECUTED, rejected, 0.5).reason == "worse than version 3"


def test_a_pusher_that_had_nothing_to_push_was_skipped():
    for state in (NodeState.EXECUTED, NodeState.CACHED):
        ended = NodeEnded("Pusher", NodeState.SKIPPED, 2.5, "the model is not blessed")
        assert replay.node_ended(PUSHER, state, NOT_PUSHED, 2.5) == ended
    unknown = {"pushed_model": Artifact("/pushed", {})}  # of a Pusher that does not say
    assert replay.node_ended(PUSHER, NodeState.EXECUTED, unknown, 2.5).state == NodeState.EXECUTED
