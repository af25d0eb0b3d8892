"""Artifact types of this project that more than one node uses."""

from __future__ import annotations

from tfx.types import artifact


class PushDecision(artifact.Artifact):
    """Whether a model is pushed, and why: `decision.json`, with the fields of `push.decision.GateDecision`."""

    TYPE_NAME = "PushDecision"
