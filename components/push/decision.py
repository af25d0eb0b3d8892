"""The push gate's input, rule and decision; free of TensorFlow and TFX.

A candidate replaces the served model if it is not worse than the setting allows. Only models trained with the same L1
are compared: a larger penalty trades loss for sparsity, so losses at different L1 are not comparable.
"""

from __future__ import annotations

import dataclasses
import json
import math
import pathlib

from components import json_text
from components.evaluation.metrics import BCE

FILE = "decision.json"
SCHEMA_VERSION = 1
STANDING = "standing"  # execution property of the node: a `Standing` as JSON
# Custom properties of a PushDecision artifact.
PUSH, REASON = "push", "reason"

_RECORDED, _BY_GATE = "recorded", "made by the push gate"


@dataclasses.dataclass(frozen=True)
class Baseline:
    """The model that a candidate is compared with.

    Attributes:
      version: its number in the serving folder.
      run_id: the run that trained it.
      model: digest of its content.
      bce: its recorded loss on the candidate's test split, nats per pixel; None if it was not evaluated on this split.
      folder: its SavedModel, to evaluate it in that case; empty if the files are missing.
    """

    version: int
    run_id: str
    model: str
    bce: float | None
    folder: str


@dataclasses.dataclass(frozen=True)
class Standing:
    """A candidate and its baseline, looked up when the gate runs.

    Attributes:
      model: digest of the candidate's content.
      l1: weight of its L1 penalty; None if it was not recorded.
      served: its version, if it is served already; else 0.
      baseline: the model that it is compared with, or None.
      note: why there is no baseline, or why the baseline is not the served model; else empty.
    """

    model: str = ""
    l1: float | None = None
    served: int = 0
    baseline: Baseline | None = None
    note: str = ""

    def as_text(self) -> str:
        """Return it as JSON, for an execution property."""
        return json.dumps(dataclasses.asdict(self), sort_keys=True)


def standing_of(text: str) -> Standing:
    """Parse the JSON of `Standing.as_text`; an empty text, as under TFX's own runner, has no baseline."""
    if not text:
        return Standing(note="what was pushed before was not looked up")
    values = json_text.parse(text)
    baseline = values.pop("baseline")
    return Standing(**values, baseline=None if baseline is None else Baseline(**baseline))


@dataclasses.dataclass(frozen=True)
class GateDecision:
    """Whether a model is pushed, and why: the content of a PushDecision artifact.

    Attributes:
      push: whether it is pushed.
      reason: a sentence.
      blessed: whether the Evaluator blessed it.
      model: digest of its content.
      l1: weight of its L1 penalty; None if it was not recorded.
      bce: its loss on the test split, nats per pixel.
      limit: the largest allowed ratio to the baseline's loss; None: no limit.
      baseline: the model that it was compared with, or None.
      baseline_bce: the baseline's loss on the same split; None if it is not known.
      baseline_evaluation: its source: `recorded` or `made by the push gate`; empty if it is not known.
    """

    push: bool
    reason: str
    blessed: bool
    model: str
    l1: float | None
    bce: float
    limit: float | None
    baseline: Baseline | None = None
    baseline_bce: float | None = None
    baseline_evaluation: str = ""

    def holds(self, standing: Standing) -> bool:
        """Return whether the gate would still decide the same."""
        if not self.blessed:
            return True
        if standing.served:
            return self.push  # False: an operator promoted a model that the gate had rejected
        return (self.baseline and self.baseline.model) == (standing.baseline and standing.baseline.model)


def decide(
    blessed: bool, bce: float, limit: float, standing: Standing, baseline_bce: float | None, problem: str = ""
) -> GateDecision:
    """Apply the gate's rule: push if blessed and, if there is a baseline, `bce <= limit * baseline_bce`.

    Args:
      blessed: whether the Evaluator blessed the candidate.
      bce: the candidate's loss on the test split, nats per pixel.
      limit: the largest ratio; inf: no limit.
      standing: the candidate and its baseline.
      baseline_bce: the baseline's loss on the same split; None if there is no baseline or it could not be evaluated.
      problem: why it could not be evaluated.
    """
    baseline = standing.baseline if blessed and not standing.served else None
    push = True
    if not blessed:
        push, reason = False, "the model is not blessed"
    elif standing.served:
        reason = f"it was served already, as version {standing.served}"
    elif baseline is None:
        reason = standing.note
    elif baseline_bce is None:
        reason = f"not comparable with version {baseline.version}: {problem}"
    else:
        push = bce <= limit * baseline_bce
        ratio = bce / baseline_bce if baseline_bce else math.inf
        allowed = f"at most {limit:g}" if math.isfinite(limit) else "any"
        losses = f"test {BCE.label} {BCE.text(bce)} is {ratio:.3f} times the {BCE.text(baseline_bce)}"
        reason = f"{losses} of version {baseline.version}, allowed is {allowed}"
        reason += f" ({standing.note})" if standing.note else ""
    measured = baseline is not None and baseline_bce is not None
    return GateDecision(
        push=push,
        reason=reason,
        blessed=blessed,
        model=standing.model,
        l1=standing.l1,
        bce=bce,
        limit=limit if math.isfinite(limit) else None,
        baseline=baseline,
        baseline_bce=baseline_bce if measured else None,
        baseline_evaluation="" if baseline is None or not measured else _BY_GATE if baseline.bce is None else _RECORDED,
    )


def write(folder: pathlib.Path, decision: GateDecision) -> None:
    """Write a decision into the folder of its artifact."""
    values = {"schema_version": SCHEMA_VERSION, **dataclasses.asdict(decision)}
    if decision.baseline is not None:
        del values["baseline"]["folder"]  # not part of the decision
        del values["baseline"]["bce"]  # the same as baseline_bce
    text = json.dumps(values, indent=2, allow_nan=False)
    (folder / FILE).write_text(text + "\n", encoding="utf-8")


def read(folder: pathlib.Path) -> GateDecision:
    """Read the decision in the folder of its artifact.

    Raises:
      OSError: the file cannot be read.
      ValueError: it does not contain a decision.
    """
    path = folder / FILE
    try:
        values = json_text.parse(path.read_text(encoding="utf-8"))
        values.pop("schema_version")
        baseline = values.pop("baseline")
        made = None if baseline is None else Baseline(**baseline, bce=None, folder="")
        return GateDecision(**values, baseline=made)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} does not contain a decision of the push gate") from error
