"""Of PushDecision: whether the model is served, why, and what it was compared with."""

from __future__ import annotations

from components.push import decision
from pipeline.artifacts.preview_writers import Artifact, Pictures
from pipeline.artifacts.previews import PushDecision


def make(artifact: Artifact) -> tuple[PushDecision, Pictures]:
    """Raises `OSError` or `ValueError` where there is no decision."""
    decided = decision.read(artifact.folder)
    baseline = decided.baseline
    preview = PushDecision(
        push=decided.push,
        reason=decided.reason,
        bce=decided.bce,
        l1=decided.l1,
        limit=decided.limit,
        version=baseline.version if baseline else None,
        run=baseline.run_id if baseline else None,
        baseline_bce=decided.baseline_bce,
        baseline_evaluation=decided.baseline_evaluation,
    )
    return preview, {}
