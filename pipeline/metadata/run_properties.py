"""What a run records on its context in ML Metadata: its headline, its options and its attempts.

A list of runs reads nothing else.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
from collections.abc import Mapping
from typing import Any

# Prefix of the custom properties: a context may hold others.
_PREFIX = "sae_"
# Custom properties: the first is there from a run's start, the second from its end.
START_PROPERTY, END_PROPERTY = f"{_PREFIX}trigger", f"{_PREFIX}state"
_OPTIONS = f"{_PREFIX}asked"  # custom property: the options, as JSON
ATTEMPTS = f"{_PREFIX}attempts"  # custom property: the attempts, as JSON; absent while there is one
Scalar = str | int | float


@dataclasses.dataclass(frozen=True)
class Headline:
    """A run at a glance; each field is None where there is nothing to say (yet).

    ML Metadata keeps six decimals of a fraction; all of them are on the evaluation.

    Attributes:
      state: `succeeded`, `failed` or `cancelled`; None until it ends, and for ever where it was killed.
      seconds: from start to end.
      dataset: name and version.
      profile: name of the profile.
      trigger: what started it.
      blessed: 1 or 0.
      executed, cached: numbers of nodes.
      pushed_version: of the served model.
      error: why it failed.
      metrics: by name in a run: `test_bce`. The pipeline declares which are recorded.
    """

    state: str | None = None
    seconds: float | None = None
    dataset: str | None = None
    profile: str | None = None
    trigger: str | None = None
    blessed: int | None = None
    executed: int | None = None
    cached: int | None = None
    pushed_version: str | None = None
    error: str | None = None
    metrics: Mapping[str, float] = dataclasses.field(default_factory=dict)


# The property and the type of each field but the metrics; a thousand runs are read at once.
_FIELDS = {
    field.name: (f"{_PREFIX}{field.name}", str(field.type).partition(" ")[0])
    for field in dataclasses.fields(Headline)
    if field.name != "metrics"
}
_FIELD_PROPERTIES = frozenset(key for key, _ in _FIELDS.values())


def headline_properties(headline: Headline) -> dict[str, Scalar]:
    """Return the custom properties that hold it."""
    values = {**vars(headline), **headline.metrics}
    del values["metrics"]
    return {f"{_PREFIX}{name}": value for name, value in values.items() if value is not None}


def headline_of(properties: Mapping[str, object]) -> Headline:
    """Return what `headline_properties` wrote; values of another type are left out."""
    held = {name: (properties.get(key), kind) for name, (key, kind) in _FIELDS.items()}
    found: dict[str, Any] = {name: value for name, (value, kind) in held.items() if type(value).__name__ == kind}
    return Headline(**found, metrics=_metrics(properties))


def _metrics(properties: Mapping[str, object]) -> dict[str, float]:
    """Return the fractions with the prefix that are no field of a headline."""
    return {
        key[len(_PREFIX) :]: value
        for key, value in properties.items()
        if type(value) is float and key.startswith(_PREFIX) and key not in _FIELD_PROPERTIES
    }


def end_properties(properties: Mapping[str, object]) -> set[str]:
    """Return the names of those of a run's properties that a new attempt removes: they say how the run ended."""
    ends = {key for name, (key, _) in _FIELDS.items() if name not in ("dataset", "profile", "trigger")}
    return (ends | {f"{_PREFIX}{name}" for name in _metrics(properties)}) & set(properties)


@dataclasses.dataclass(frozen=True)
class RunOptions:
    """The options of a run beside its configuration, for resuming it.

    Attributes:
      part: the nodes, as the options that named them; empty for all.
      use_cache: False executes every node.
      all_bytes: True reads all files of what is reused.
    """

    part: str = ""
    use_cache: bool = True
    all_bytes: bool = False

    def properties(self) -> dict[str, str]:
        """The custom property that holds them."""
        return {_OPTIONS: json.dumps(vars(self))}

    def next_step(self, run_id: str) -> str:
        """What to do about a run that did not get to its end: the end of a sentence. Only whole runs are resumed."""
        if self.part:
            return f"`sae run {self.part}` with the same settings takes over what had ended"
        return f"`sae resume {run_id}` goes on with it"


def options_of(properties: Mapping[str, object]) -> RunOptions:
    """What the custom properties of a run's context say; of one that records nothing, the whole pipeline."""
    try:
        return RunOptions(**json.loads(str(properties[_OPTIONS])))
    except (KeyError, ValueError, TypeError):
        return RunOptions()


@dataclasses.dataclass(frozen=True)
class RunAttempt:
    """One attempt at a run that was resumed.

    Attributes:
      began: in UTC.
      state: how it ended, as a run does: `failed`; None while it has not, or where that was not recorded.
      seconds: from its start to its end; None where that is not known.
      error: why it ended; empty when all went well.
    """

    began: datetime.datetime
    state: str | None = None
    seconds: float | None = None
    error: str = ""

    @property
    def why(self) -> str:
        """Why it ended, in words; an interrupt is no error."""
        return self.error or ("it was interrupted" if self.state == "cancelled" else "")


def attempts_of(properties: Mapping[str, object]) -> tuple[RunAttempt, ...]:
    """The attempts, the first one first, by the custom properties of a run's context; none where there is but one."""
    recorded = _attempts(properties)
    if not recorded:
        return ()
    # Only the attempts before the last are recorded with their end: that of the last one is the run's.
    end = headline_of(properties)
    seconds = None if end.seconds is None else max(0.0, end.seconds - seconds_before(properties))
    last = dataclasses.replace(recorded[-1], state=end.state, seconds=seconds, error=end.error or "")
    return (*recorded[:-1], last)


def seconds_before(properties: Mapping[str, object]) -> float:
    """What the attempts before the last one took, together."""
    return sum(one.seconds or 0.0 for one in _attempts(properties)[:-1])


def with_next_attempt(
    properties: Mapping[str, object], began: datetime.datetime, now: datetime.datetime
) -> dict[str, Scalar]:
    """The property that records one attempt more, beginning `now`.

    Args:
      properties: custom ones of the run's context.
      began: when the run began: that is when its first attempt did.
      now: an aware time.
    """
    end = headline_of(properties)
    first = RunAttempt(began, end.state, end.seconds, end.error or "")
    made = [*(attempts_of(properties) or [first]), RunAttempt(now)]
    return {
        ATTEMPTS: json.dumps([{**vars(one), "began": one.began.isoformat(timespec="milliseconds")} for one in made])
    }


def _attempts(properties: Mapping[str, object]) -> list[RunAttempt]:
    try:
        return [
            RunAttempt(datetime.datetime.fromisoformat(one.pop("began")), **one)
            for one in json.loads(str(properties[ATTEMPTS]))
        ]
    except (KeyError, ValueError, TypeError, AttributeError):
        return []
