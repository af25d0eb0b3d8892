"""ModelBlessing: the verdict, and why a model is not blessed."""

from __future__ import annotations

from components.evaluation import evaluator, thresholds
from pipeline.artifacts.preview_writers.evaluation import judged
from pipeline.artifacts.sections import Preview, Text
from pipeline.artifacts.types import PNGs, StoredArtifact

_BLESSED, _NOT_BLESSED = "BLESSED", "NOT_BLESSED"
_EVALUATION = "evaluation"  # the Evaluator's other output
_TITLE = "blessing"


def make(artifact: StoredArtifact) -> tuple[Preview, PNGs] | None:
    """Return the verdict with its reasons; None if the Evaluator has no threshold."""
    if (artifact.folder / _BLESSED).exists():
        return Preview(_TITLE, (Text("the model passed every threshold", "blessed", True, title=_TITLE),)), {}
    if not (artifact.folder / _NOT_BLESSED).exists():
        return None
    folder = artifact.siblings.get(_EVALUATION)
    measured = evaluator.read_evaluation(str(folder)) if folder else None
    reasons = thresholds.reasons(judged(measured, folder), measured.slices()) if folder and measured else ()
    text = "" if reasons else "no reason is recorded"
    return Preview(_TITLE, (Text(text, "not blessed", False, reasons, title=_TITLE),)), {}
