"""PushDecision: whether the model is to be served, why, and what it was compared with."""

from __future__ import annotations

from components.evaluation import metrics
from components.push import decision
from pipeline.artifacts.sections import Preview, Table, Text, Value, columns
from pipeline.artifacts.types import PNGs, StoredArtifact

_TITLE = "decision of the push gate"


def make(artifact: StoredArtifact) -> tuple[Preview, PNGs]:
    """Return the verdict and the models compared. Raises `OSError` or `ValueError` without a decision."""
    decided = decision.read(artifact.folder)
    rows: list[tuple[Value, ...]] = [("this one", None, decided.loss, "by its Evaluator")]
    if baseline := decided.baseline:
        measured = decided.baseline_evaluation or None
        rows.append((f"version {baseline.version}", baseline.run_id, decided.baseline_loss, measured))
    titles = columns("model", "run:run", f"test {metrics.label(decided.metric)}:number", "measured")
    verdict = Text(decided.reason, "to be served" if decided.push else "rejected", decided.push, title=_TITLE)
    return Preview(_TITLE, (verdict, Table("models compared", titles, tuple(rows)))), {}
