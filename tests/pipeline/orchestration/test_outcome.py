"""How a node that did not fail ended."""

from __future__ import annotations

import pytest

from pipeline.core.events import NodeEnded, NodeState
from pipeline.metadata.types import Artifact
from pipeline.orchestration import outcome

PUSHED = {"pushed_model": Artifact("/pushed", {"pushed": 1})}
NOT_PUSHED = {"pushed_model": Artifact("/pushed", {"pushed": 0})}


@pytest.mark.parametrize("state", [NodeState.EXECUTED, NodeState.CACHED])
def test_a_node_ended_as_recorded(state):
    assert outcome.ended("Trainer", state, {}, 2.5) == NodeEnded("Trainer", state, 2.5, "")
    assert outcome.ended("Pusher", state, PUSHED, 2.5) == NodeEnded("Pusher", state, 2.5, "")


def test_a_pusher_says_why_it_pushed_nothing() -> None:
    kept_back = {"pushed_model": Artifact("/pushed", {"pushed": 0, "not_pushed": "worse than version 3"})}
    assert outcome.ended("Pusher", NodeState.EXECUTED, kept_back, 0.5).reason == "worse than version 3"


@pytest.mark.parametrize("outputs", [NOT_PUSHED, {"pushed_model": Artifact("/pushed", {})}])
def test_a_pusher_that_had_nothing_to_push_was_skipped(outputs):
    for state in (NodeState.EXECUTED, NodeState.CACHED):
        assert outcome.ended("Pusher", state, outputs, 2.5) == NodeEnded(
            "Pusher", NodeState.SKIPPED, 2.5, "the model is not blessed"
        )
