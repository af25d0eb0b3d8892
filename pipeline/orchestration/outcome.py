"""How a run and its nodes ended, as ML Metadata holds it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from components.push import serving_dir
from pipeline.core.errors import ExitCode
from pipeline.core.events import NodeEnded, NodeState
from pipeline.metadata.store import Output

KEPT = "it ended in an earlier attempt"  # the reason of a node that a resumed run does not run again


@dataclasses.dataclass(frozen=True)
class RunResult:
    """How a run ended.

    Attributes:
      nodes: every node of the pipeline, in order.
      exit_code: DONE, NODE_FAILED or GATE_FAILED (the data's gate; the model's is judged by its metrics).
      error: the reason for the person who reads it; empty when all went well.
    """

    run_id: str
    nodes: tuple[NodeEnded, ...]
    exit_code: ExitCode
    error: str


def ended(node: str, state: NodeState, outputs: Mapping[str, Output], seconds: float) -> NodeEnded:
    """How a node that did not fail ended; a Pusher that had nothing to push was skipped."""
    if node == "Pusher" and not outputs["pushed_model"].properties.get(serving_dir.PUSHED):
        return NodeEnded(node, NodeState.SKIPPED, seconds, why_not_pushed(outputs["pushed_model"].properties))
    return NodeEnded(node, state, seconds)


def why_not_pushed(properties: Mapping[str, object]) -> str:
    """Why a Pusher pushed nothing, from the properties of its output."""
    if properties.get(serving_dir.HELD_BACK):
        return "the model is held back: somebody replaced it (`sae models`)"
    # Roots of an earlier version have no other reason.
    return str(properties.get(serving_dir.NOT_PUSHED, "the model is not blessed"))
