"""Types of artifacts of our own that more than one node knows."""

from __future__ import annotations

from tfx.types import artifact


class PushDecision(artifact.Artifact):
    """Whether a model is pushed, and why: `decision.json`, an object of the fields of `push_decision.PushDecision`."""

    TYPE_NAME = "PushDecision"
