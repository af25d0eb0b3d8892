"""Nodes that do not run, recorded as cached without TensorFlow and TFX; and a rerun in which that is all of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from pipeline.core.errors import ExitCode
from pipeline.core.events import Listener, NodeEnded, NodeState, Note, RunStarted
from pipeline.definition.spec import Node, Pipeline
from pipeline.metadata.types import Artifact
from pipeline.metadata.writer import MetadataWriter
from pipeline.orchestration.cache import CacheDecision, Damage
from pipeline.orchestration.summary import RunResult


def replay(
    pipeline: Pipeline, decisions: Sequence[CacheDecision], recorder: MetadataWriter, run_id: str, tell: Listener
) -> RunResult:
    """Records all nodes, each decided to be cached, and returns how the run ended."""
    tell(RunStarted(run_id, tuple(decision.node for decision in decisions)))
    ended = []
    made = {decision.node: decision for decision in decisions}
    for decision in decisions:
        node = pipeline.by_name[decision.node]
        inputs = {key: made[upstream].outputs[output] for key, (upstream, output) in node.inputs.items()}
        use_no_more(decision.damage, recorder, tell)  # an older copy of the same stands in for it
        record(pipeline, decision, inputs, recorder, run_id)
        ended.append(node_ended(node, NodeState.CACHED, decision.outputs, 0.0))
        tell(ended[-1])
    return RunResult(run_id, tuple(ended), ExitCode.DONE, "")


def record(
    pipeline: Pipeline, decision: CacheDecision, inputs: Mapping[str, Artifact], recorder: MetadataWriter, run_id: str
) -> None:
    """Records in a run a node that is cached; `inputs` are the artifacts that it would have read, by key."""
    recorder.record_cached(
        pipeline.name, run_id, decision.node, decision.key, decision.execution_id, inputs, decision.outputs,
        decision.runtime_properties,
    )  # fmt: skip


def use_no_more(damage: Iterable[Damage], recorder: MetadataWriter, tell: Listener) -> None:
    """Takes what is damaged out of use, and says so."""
    for one in damage:
        recorder.mark_out_of_use(one.artifact_id, one.reason)
        tell(Note(f"{one.output} is damaged and out of use: {one.reason}", warning=True))


def node_ended(node: Node, state: NodeState, outputs: Mapping[str, Artifact], seconds: float) -> NodeEnded:
    """How a node that did not fail ended: one that had nothing to do was skipped."""
    if reason := node.skipped(outputs):
        return NodeEnded(node.name, NodeState.SKIPPED, seconds, reason)
    return NodeEnded(node.name, state, seconds)
