"""Of ModelBlessing: the verdict, and why it is not better."""

from __future__ import annotations

from components.evaluation import evaluator, thresholds
from pipeline.artifacts.preview_writers import Artifact, Pictures
from pipeline.artifacts.preview_writers.evaluation import judged
from pipeline.artifacts.previews import Blessing

_BLESSED, _NOT_BLESSED = "BLESSED", "NOT_BLESSED"
_EVALUATION = "evaluation"  # the Evaluator's other output


def make(artifact: Artifact) -> tuple[Blessing, Pictures] | None:
    """None where there is no verdict, as where the Evaluator was told no threshold."""
    blessed = (artifact.folder / _BLESSED).exists()
    if not blessed and not (artifact.folder / _NOT_BLESSED).exists():
        return None
    folder = artifact.siblings.get(_EVALUATION)
    if blessed or folder is None:
        return Blessing(blessed, ()), {}
    return Blessing(False, thresholds.reasons(judged(evaluator.read_evaluation(str(folder)), folder))), {}
