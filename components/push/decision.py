"""The push gate's input, rule and decision; free of TensorFlow and TFX.

A candidate replaces the served model if it is not worse than the setting allows. Only models trained with the same
sparsity, loss and scaling are compared: sparser codes have a higher loss, so the losses of others are not comparable.
"""

from __future__ import annotations

import dataclasses
import json
import math
import pathlib

from components import json_text
from components.evaluation import metrics

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
      loss: its recorded loss on the candidate's test split; None if it was not evaluated on this split.
      folder: its SavedModel, to evaluate it in that case; empty if the files are missing.
    """

    version: int
    run_id: str
    model: str
    loss: float | None
    folder: str


@dataclasses.dataclass(frozen=True)
class Standing:
    """A candidate and its baseline, looked up when the gate runs.

    Attributes:
      model: digest of the candidate's content.
      l1: weight of its L1 penalty; None with another method of sparsity, or if it was not recorded.
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
      l1: weight of its L1 penalty; None with another method of sparsity, or if it was not recorded.
      loss: its loss on the test split.
      limit: the largest allowed ratio to the baseline's loss; None: no limit.
      baseline: the model that it was compared with, or None.
      baseline_loss: the baseline's loss on the same split; None if it is not known.
      baseline_evaluation: its source: `recorded` or `made by the push gate`; empty if it is not known.
      metric: name of the loss, a key of `metrics.LOSSES`.
    """

    push: bool
    reason: str
    blessed: bool
    model: str
    l1: float | None
    loss: float
    limit: float | None
    baseline: Baseline | None = None
    baseline_loss: float | None = None
    baseline_evaluation: str = ""
    metric: str = metrics.BCE.name

    def holds(self, standing: Standing) -> bool:
        """Return whether the gate would still decide the same."""
        if not self.blessed:
            return True
        if standing.served:
            return self.push  # False: an operator promoted a model that the gate had rejected
        return (self.baseline and self.baseline.model) == (standing.baseline and standing.baseline.model)


def decide(
    blessed: bool,
    loss: float,
    limit: float,
    standing: Standing,
    baseline_loss: float | None,
    problem: str = "",
    metric: str = metrics.BCE.name,
) -> GateDecision:
    """Apply the gate's rule: push if blessed and, if there is a baseline, `loss <= limit * baseline_loss`.

    Args:
      blessed: whether the Evaluator blessed the candidate.
      loss: the candidate's loss on the test split.
      limit: the largest ratio; inf: no limit.
      standing: the candidate and its baseline.
      baseline_loss: the baseline's loss on the same split; None if there is no baseline or it could not be evaluated.
      problem: why it could not be evaluated.
      metric: name of the loss, a key of `metrics.LOSSES`.
    """
    baseline = standing.baseline if blessed and not standing.served else None
    push = True
    measure = metrics.LOSSES[metric].metric
    if not blessed:
        push, reason = False, "the model is not blessed"
    elif standing.served:
        reason = f"it was served already, as version {standing.served}"
    elif baseline is None:
        reason = standing.note
    elif baseline_loss is None:
        reason = f"not comparable with version {baseline.version}: {problem}"
    else:
        push = loss <= limit * baseline_loss
        ratio = loss / baseline_loss if baseline_loss else math.inf
        allowed = f"at most {limit:g}" if math.isfinite(limit) else "any"
        losses = f"test {measure.label} {measure.text(loss)} is {ratio:.3f} times the {measure.text(baseline_loss)}"
        reason = f"{losses} of version {baseline.version}, allowed is {allowed}"
        reason += f" ({standing.note})" if standing.note else ""
    measured = baseline is not None and baseline_loss is not None
    source = _BY_GATE if baseline is not None and baseline.loss is None else _RECORDED
    return GateDecision(
        push=push,
        reason=reason,
        blessed=blessed,
        model=standing.model,
        l1=standing.l1,
        loss=loss,
        limit=limit if math.isfinite(limit) else None,
        baseline=baseline,
        baseline_loss=baseline_loss if measured else None,
        baseline_evaluation=source if measured else "",
        metric=metric,
    )


def write(folder: pathlib.Path, decision: GateDecision) -> None:
    """Write a decision into the folder of its artifact."""
    values = {"schema_version": SCHEMA_VERSION, **dataclasses.asdict(decision)}
    metric = values.pop("metric")
    values |= {metric: values.pop("loss"), f"baseline_{metric}": values.pop("baseline_loss")}
    if decision.baseline is not None:
        del values["baseline"]["folder"]  # not part of the decision
        del values["baseline"]["loss"]  # the same as that of the decision
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
        metric = next(name for name in metrics.LOSSES if name in values)
        values |= {"loss": values.pop(metric), "baseline_loss": values.pop(f"baseline_{metric}", None)}
        made = None if baseline is None else Baseline(**baseline, loss=None, folder="")
        return GateDecision(**values, baseline=made, metric=metric)
    except (AttributeError, KeyError, StopIteration, TypeError, ValueError) as error:
        raise ValueError(f"{path} does not contain a decision of the push gate") from error
