"""Artifact types of this project that more than one node uses, and the type of what executors are given."""

from __future__ import annotations

from tfx.types import artifact

Artifacts = dict[str, list[artifact.Artifact]]  # inputs or outputs of an executor, by their keys


class PushDecision(artifact.Artifact):
    """Whether a model is pushed, and why: `decision.json`, with the fields of `push.decision.GateDecision`."""

    TYPE_NAME = "PushDecision"


class Codes(artifact.Artifact):
    """The codes of examples: `codes.parquet`, with the columns of `codes.table`."""

    TYPE_NAME = "Codes"


class ProbeScores(artifact.Artifact):
    """The accuracies that the Probe measured: `scores.json`, with the fields of `evaluation.probe_scores.Scores`."""

    TYPE_NAME = "ProbeScores"
