"""The result of the Probe, and its file. Free of TensorFlow and scikit-learn, so that it is read quickly."""

from __future__ import annotations

import dataclasses
import json
import pathlib

from components.evaluation.thresholds import Evaluation

FILE = "scores.json"


@dataclasses.dataclass(frozen=True)
class Scores:
    """What the probe measured.

    Attributes:
      metrics: accuracy by the name of its metric; empty if there is a reason.
      reason: why nothing was measured; empty otherwise.
      train_examples, test_examples: sizes of the samples.
      labels: number of labels in the train split.
      units: of the code.
      components: of PCA.
      pixels: of the sample of pixels.
    """

    metrics: dict[str, float]
    reason: str = ""
    train_examples: int = 0
    test_examples: int = 0
    labels: int = 0
    units: int = 0
    components: int = 0
    pixels: int = 0


def write(scores: Scores, folder: pathlib.Path) -> None:
    """Write `FILE` into a folder."""
    (folder / FILE).write_text(json.dumps(dataclasses.asdict(scores), indent=1), encoding="utf-8")


def read(folder: pathlib.Path) -> Scores:
    """Read `FILE` in a folder.

    Raises:
      OSError, ValueError, TypeError: it is missing or damaged.
    """
    return Scores(**json.loads((folder / FILE).read_text(encoding="utf-8")))


def read_evaluation(uri: str) -> Evaluation:
    """Return the accuracies as metrics without slices."""
    return Evaluation(read(pathlib.Path(uri)).metrics, {})
