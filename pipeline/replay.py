"""A rerun that changes nothing: every node is recorded as cached, without TensorFlow and TFX."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline import nodes, outcome, records
from pipeline.decisions import Decision
from pipeline.errors import ExitCode
from pipeline.events import Listener, NodeState, Note, RunStarted


def replay(decisions: Sequence[Decision], recorder: records.Recorder, run_id: str, tell: Listener) -> outcome.RunResult:
    """Records all nodes, each decided to be cached, and returns how the run ended."""
    tell(RunStarted(run_id, tuple(decision.node for decision in decisions)))
    ended = []
    made = {decision.node: decision for decision in decisions}
    for decision in decisions:
        for one in decision.damage:  # an older copy of the same stands in for it
            recorder.take_out_of_use(one.artifact_id, one.reason)
            tell(Note(f"{one.output} is damaged and out of use: {one.reason}", warning=True))
        inputs = {
            key: made[upstream].outputs[output]
            for key, (upstream, output) in nodes.BY_NAME[decision.node].inputs.items()
        }
        recorder.hit(
            nodes.PIPELINE_NAME, run_id, decision.node, decision.key, decision.execution_id, inputs, decision.outputs,
            decision.paths,
        )  # fmt: skip
        ended.append(outcome.ended(decision.node, NodeState.CACHED, decision.outputs, 0.0))
        tell(ended[-1])
    return outcome.RunResult(run_id, tuple(ended), ExitCode.DONE, "")
