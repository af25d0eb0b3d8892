"""Record cached nodes without TensorFlow and TFX, and a whole run in which every node is cached."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from pipeline.core.errors import ExitCode
from pipeline.core.events import NOT_IN_PART, Listener, NodeEnded, NodeState, Note, RunStarted
from pipeline.definition.spec import Node, Pipeline
from pipeline.metadata.types import Artifact
from pipeline.metadata.writer import CachedNode, MetadataWriter
from pipeline.orchestration.cache import CacheDecision, Damage
from pipeline.orchestration.summary import RunResult


def replay(
    pipeline: Pipeline, decisions: Sequence[CacheDecision], writer: MetadataWriter, run_id: str, tell: Listener
) -> RunResult:
    """Record every node with a decision as cached, and return the result of the run."""
    tell(RunStarted(run_id, pipeline.names))
    by_node = {decision.node: decision for decision in decisions}
    cached = []
    for node in pipeline.nodes:
        if (decision := by_node.get(node.name)) is not None:
            inputs = {key: by_node[upstream].outputs[output] for key, (upstream, output) in node.inputs.items()}
            mark_out_of_use(decision.damage, writer, tell)  # an undamaged copy is used in its place
            cached.append(cached_node(decision, inputs))
    executions = writer.record_all_cached(pipeline.name, run_id, cached)
    ended = []
    for node in pipeline.nodes:
        if (decision := by_node.get(node.name)) is not None:
            ended.append(node_ended(node, NodeState.CACHED, decision.outputs, 0.0))
        else:
            ended.append(NodeEnded(node.name, NodeState.SKIPPED, 0.0, NOT_IN_PART))
        tell(ended[-1])
    return RunResult(run_id, tuple(ended), ExitCode.DONE, "", executions)


def cached_node(decision: CacheDecision, inputs: Mapping[str, Artifact]) -> CachedNode:
    """Return what is recorded of a cached node. `inputs`: the artifacts that it would have read, by key."""
    return CachedNode(
        decision.node, decision.key, decision.execution_id, inputs, decision.outputs, decision.runtime_properties
    )


def mark_out_of_use(damage: Iterable[Damage], writer: MetadataWriter, tell: Listener) -> None:
    """Take damaged artifacts out of use, with a warning for each."""
    for one in damage:
        writer.mark_out_of_use(one.artifact_id, one.reason)
        tell(Note(f"{one.output} is damaged and out of use: {one.reason}", warning=True))


def node_ended(node: Node, state: NodeState, outputs: Mapping[str, Artifact], seconds: float) -> NodeEnded:
    """Return the event of a node that succeeded; a node that had nothing to do was skipped."""
    if reason := node.skipped(outputs):
        return NodeEnded(node.name, NodeState.SKIPPED, seconds, reason)
    return NodeEnded(node.name, state, seconds)
