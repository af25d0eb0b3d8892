"""What the push gate is told, decides and writes; free of TensorFlow and TFX.

A candidate replaces the model that is served when it is not worse than the setting allows. Only models trained with the
same L1 are compared: the penalty buys sparsity with loss, so between two of them the loss says nothing.
"""

from __future__ import annotations

import dataclasses
import json
import math
import pathlib

from components.evaluation.metrics import BCE

FILE = "decision.json"
SCHEMA_VERSION = 1
STANDING = "standing"  # property of the node that tells how the candidate stands
# Custom properties of a PushDecision.
PUSH, REASON = "push", "reason"

RECORDED, MADE_NOW = "recorded", "made by the push gate"


@dataclasses.dataclass(frozen=True)
class Baseline:
    """The model that a candidate is held against.

    Attributes:
      version: its number in the serving folder.
      run_id: the run that made it.
      model: digest of its content.
      bce: its recorded loss on the test split that the candidate was measured on, nats per pixel; None where there is
        none, as when the data changed.
      folder: its SavedModel, to measure it then; empty where that is gone.
    """

    version: int
    run_id: str
    model: str
    bce: float | None
    folder: str


@dataclasses.dataclass(frozen=True)
class Standing:
    """How a candidate stands to what was pushed before it, when the gate opens.

    Attributes:
      model: digest of its content.
      l1: weight of its L1 penalty; None where that was not noted.
      served: the version as which it is served already; 0 where it is not.
      baseline: None where there is none.
      note: why there is none, or why it is not what is served; empty where it is.
    """

    model: str = ""
    l1: float | None = None
    served: int = 0
    baseline: Baseline | None = None
    note: str = ""

    def as_text(self) -> str:
        """As JSON, to be told to a node."""
        return json.dumps(dataclasses.asdict(self), sort_keys=True)


def standing_of(text: str) -> Standing:
    """What `Standing.as_text` made; of nothing, as where TFX's own runner tells nothing, one without a baseline."""
    if not text:
        return Standing(note="what was pushed before was not looked up")
    values = json.loads(text)
    baseline = values.pop("baseline")
    return Standing(**values, baseline=None if baseline is None else Baseline(**baseline))


@dataclasses.dataclass(frozen=True)
class PushDecision:
    """Whether a model is pushed, and why.

    Attributes:
      push: whether it is.
      reason: a sentence.
      blessed: whether the Evaluator blessed it.
      model: digest of its content.
      l1: weight of its L1 penalty; None where that was not noted.
      bce: its loss on the test split, nats per pixel.
      limit: the largest ratio to the baseline's loss that is allowed; None: any.
      baseline: what it was held against; None where nothing was.
      baseline_bce: the baseline's loss on the same split; None where it could not be had.
      baseline_evaluation: where that came from, `recorded` or `made by the push gate`; empty where it could not be had.
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

    @property
    def against(self) -> str:
        """Digest of the model that it was held against; empty where it was against none."""
        return self.baseline.model if self.baseline else ""

    def holds(self, standing: Standing) -> bool:
        """Whether it is still what the gate would decide, now that the candidate stands so."""
        if not self.blessed:
            return True
        if standing.served:
            return self.push  # somebody promoted what the gate had kept back
        return self.against == (standing.baseline.model if standing.baseline else "")


def decide(
    blessed: bool, bce: float, limit: float, standing: Standing, baseline_bce: float | None, problem: str = ""
) -> PushDecision:
    """The gate's rule: pushed when blessed and, where there is a baseline, `bce <= limit * baseline_bce`.

    Args:
      blessed: whether the Evaluator blessed the candidate.
      bce: the candidate's loss on the test split, nats per pixel.
      limit: the largest ratio; inf is no limit.
      standing: how it stands.
      baseline_bce: the baseline's loss on the same split; None where there is no baseline or it could not be measured.
      problem: why it could not be.
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
    return PushDecision(
        push=push,
        reason=reason,
        blessed=blessed,
        model=standing.model,
        l1=standing.l1,
        bce=bce,
        limit=limit if math.isfinite(limit) else None,
        baseline=baseline,
        baseline_bce=baseline_bce if measured else None,
        baseline_evaluation="" if baseline is None or not measured else MADE_NOW if baseline.bce is None else RECORDED,
    )


def write(folder: pathlib.Path, decision: PushDecision) -> None:
    """Writes it into the folder of its artifact."""
    values = {"schema_version": SCHEMA_VERSION, **dataclasses.asdict(decision)}
    if decision.baseline is not None:
        del values["baseline"]["folder"]  # a place, and no part of what was decided
        del values["baseline"]["bce"]  # said already
    text = json.dumps(values, indent=2, allow_nan=False)
    (folder / FILE).write_text(text + "\n", encoding="utf-8")


def read(folder: pathlib.Path) -> PushDecision:
    """What `write` wrote.

    Raises:
      OSError: it is not there.
      ValueError: it is something else.
    """
    path = folder / FILE
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        values.pop("schema_version")
        baseline = values.pop("baseline")
        made = None if baseline is None else Baseline(**baseline, bce=None, folder="")
        return PushDecision(**values, baseline=made)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} holds no decision of the push gate") from error
