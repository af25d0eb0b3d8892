"""How a run and its nodes ended, as ML Metadata holds it."""

from __future__ import annotations

from collections.abc import Mapping

from components.push import serving_dir
from pipeline.core.events import NodeEnded, NodeState
from pipeline.metadata.types import Artifact
from pipeline.registry.versions import why_not_pushed


def ended(node: str, state: NodeState, outputs: Mapping[str, Artifact], seconds: float) -> NodeEnded:
    """How a node that did not fail ended; a Pusher that had nothing to push was skipped."""
    if node == "Pusher" and not outputs["pushed_model"].properties.get(serving_dir.PUSHED):
        return NodeEnded(node, NodeState.SKIPPED, seconds, why_not_pushed(outputs["pushed_model"].properties))
    return NodeEnded(node, state, seconds)
