"""The properties that a run records on its context in ML Metadata: its headline, its options and its attempts.

A list of runs reads nothing else.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
import pathlib
from collections.abc import Mapping
from typing import Any

from components import json_text
from pipeline.core import serialization, shell
from pipeline.metadata.types import RunContext, json_of, numbers_of

_PREFIX = "sae_"  # of the custom properties; a context may have others
START_PROPERTY, END_PROPERTY = f"{_PREFIX}trigger", f"{_PREFIX}state"  # recorded at the start and at the end of a run
_BEGAN = f"{_PREFIX}began"  # when the run began, in UTC
_OPTIONS = f"{_PREFIX}asked"  # the options, as JSON
_SETTINGS = f"{_PREFIX}settings"  # the settings that affect results, as JSON
ATTEMPTS = f"{_PREFIX}attempts"  # the attempts, as JSON; only of a run that was resumed
PRUNED = f"{_PREFIX}pruned"  # the epoch after which the run of a sweep's point was stopped early
ADOPTED_FROM = f"{_PREFIX}adopted_from"  # the other root in which the run was executed
Scalar = str | int | float


@dataclasses.dataclass(frozen=True)
class Headline:
    """A run in a list of runs; each field is None if it is not known (yet).

    Attributes:
      state: `succeeded`, `failed` or `cancelled`; None for a run that has not ended, or was killed.
      seconds: duration, from start to end.
      dataset: name and version of the data set.
      profile: name of the profile.
      trigger: what started the run.
      blessed: 1 or 0.
      executed, cached, skipped: numbers of nodes.
      pushed_version: version of the pushed model.
      error: why the run failed.
      metrics: values by name, such as `test_bce`. The pipeline declares which are recorded: each as a number, of which
        ML Metadata keeps six decimals, and all as JSON with all digits.
    """

    state: str | None = None
    seconds: float | None = None
    dataset: str | None = None
    profile: str | None = None
    trigger: str | None = None
    blessed: int | None = None
    executed: int | None = None
    cached: int | None = None
    skipped: int | None = None
    pushed_version: str | None = None
    error: str | None = None
    metrics: Mapping[str, float] = dataclasses.field(default_factory=dict)


# Property and type of each field except the metrics, computed once for lists of a thousand runs.
_FIELDS = {
    field.name: (f"{_PREFIX}{field.name}", str(field.type).partition(" ")[0])
    for field in dataclasses.fields(Headline)
    if field.name != "metrics"
}
_EXACT = f"{_PREFIX}metrics"  # JSON: the metrics with all digits
_FIELD_PROPERTIES = frozenset(key for key, _ in _FIELDS.values())


def headline_properties(headline: Headline) -> dict[str, Scalar]:
    """Return the custom properties that record a headline."""
    values = {**vars(headline), **headline.metrics}
    values["metrics"] = json.dumps(dict(headline.metrics), sort_keys=True) if headline.metrics else None
    return {f"{_PREFIX}{name}": value for name, value in values.items() if value is not None}


def has_headline(properties: Mapping[str, object]) -> bool:
    """Return whether custom properties record a headline."""
    return isinstance(properties.get(END_PROPERTY), str)


def headline_of(properties: Mapping[str, object]) -> Headline:
    """Return the headline that custom properties record, without values of a wrong type."""
    held = {name: (properties.get(key), kind) for name, (key, kind) in _FIELDS.items()}
    found: dict[str, Any] = {name: value for name, (value, kind) in held.items() if type(value).__name__ == kind}
    return Headline(**found, metrics=_metrics(properties))


def _metrics(properties: Mapping[str, object]) -> dict[str, float]:
    """Return the floats with the prefix that are no other field, with all digits where they are recorded."""
    exact = numbers_of(json_of(properties.get(_EXACT), dict))
    return {
        (name := key[len(_PREFIX) :]): exact.get(name, value)
        for key in properties
        if key.startswith(_PREFIX) and key not in _FIELD_PROPERTIES and type(value := properties[key]) is float
    }


def end_properties(properties: Mapping[str, object]) -> set[str]:
    """Return the names of the properties that record how a run ended."""
    ends = {key for name, (key, _) in _FIELDS.items() if name not in ("dataset", "profile", "trigger")}
    return (ends | {_EXACT} | {f"{_PREFIX}{name}" for name in _metrics(properties)}) & set(properties)


def began_properties(began: datetime.datetime) -> dict[str, str]:
    """Return the custom property that records when a run began."""
    return {_BEGAN: began.isoformat(timespec="milliseconds")}


def began_of(context: RunContext) -> datetime.datetime | None:
    """Return when a run began; if it did not record that, when its context was made, which is after slow imports."""
    try:
        began = datetime.datetime.fromisoformat(str(context.properties.get(_BEGAN)))
    except ValueError:
        return context.created
    return began if began.tzinfo else context.created


def settings_properties(settings: Mapping[str, object]) -> dict[str, str]:
    """Return the custom property that records settings, by name; infinity, which JSON does not have, as text."""
    return {_SETTINGS: json.dumps(serialization.without_infinity(settings))}


def settings_of(properties: Mapping[str, object]) -> dict[str, Any] | None:
    """Return the settings that custom properties record; None if they record none."""
    return serialization.with_infinity(json_of(properties[_SETTINGS], dict)) if _SETTINGS in properties else None


@dataclasses.dataclass(frozen=True)
class RunOptions:
    """The options of a run that are not in its configuration; `sae resume` uses them again.

    Attributes:
      part: command-line options that select nodes; empty for all nodes.
      use_cache: False executes every node.
      all_bytes: True reads all bytes of reused artifacts to check them.
    """

    part: str = ""
    use_cache: bool = True
    all_bytes: bool = False

    def properties(self) -> dict[str, str]:
        """Return the custom property that records the options."""
        return {_OPTIONS: json.dumps(vars(self))}

    def next_step(self, run_id: str, manifest: pathlib.Path | None) -> str:
        """Return the command to continue an interrupted run, in words. Only runs of all nodes are resumed.

        Args:
          run_id: of the run.
          manifest: its manifest; None for a store without a root.
        """
        if self.part:
            like = f"--like {shell.quoted(str(manifest))} " if manifest else ""
            return f"`sae run {like}{self.part}` starts a run with the same settings, which reuses the nodes that ended"
        return f"`sae resume {run_id}` resumes it"


def options_of(properties: Mapping[str, object]) -> RunOptions:
    """Return the options that custom properties record; the defaults if there are none."""
    try:
        return RunOptions(**json_text.parse(str(properties[_OPTIONS])))
    except (KeyError, ValueError, TypeError):
        return RunOptions()


@dataclasses.dataclass(frozen=True)
class RunAttempt:
    """One attempt at a run that was resumed.

    Attributes:
      began: start, in UTC.
      state: `succeeded`, `failed` or `cancelled`; None if it has not ended, or was killed.
      seconds: duration; None if unknown.
      error: why it failed; empty if it did not.
    """

    began: datetime.datetime
    state: str | None = None
    seconds: float | None = None
    error: str = ""

    @property
    def why(self) -> str:
        """Why it did not succeed, also if it was interrupted; empty if it did."""
        return self.error or ("it was interrupted" if self.state == "cancelled" else "")


def attempts_of(properties: Mapping[str, object]) -> tuple[RunAttempt, ...]:
    """Return the attempts, oldest first, that custom properties record; none for a run that was not resumed."""
    recorded = _attempts(properties)
    if not recorded:
        return ()
    # The end of the last attempt is recorded as that of the run.
    end = headline_of(properties)
    seconds = None if end.seconds is None else max(0.0, end.seconds - seconds_before(properties))
    last = dataclasses.replace(recorded[-1], state=end.state, seconds=seconds, error=end.error or "")
    return (*recorded[:-1], last)


def seconds_before(properties: Mapping[str, object]) -> float:
    """Return the duration of the attempts before the last one, together."""
    return sum(one.seconds or 0.0 for one in _attempts(properties)[:-1])


def seconds_until(
    properties: Mapping[str, object], began: datetime.datetime | None, when: datetime.datetime
) -> float | None:
    """Return the duration of a run up to a time, with that of earlier attempts; None if its start is not known.

    Args:
      properties: the run's custom properties.
      began: start of the run.
      when: a time in its last attempt.
    """
    attempts = attempts_of(properties)
    start = attempts[-1].began if attempts else began
    return None if start is None else seconds_before(properties) + max(0.0, (when - start).total_seconds())


def with_next_attempt(
    properties: Mapping[str, object], began: datetime.datetime, now: datetime.datetime
) -> dict[str, Scalar]:
    """Return the custom property that records another attempt.

    Args:
      properties: the run's custom properties.
      began: start of the run, and of its first attempt.
      now: start of the new attempt.
    """
    end = headline_of(properties)
    first = RunAttempt(began, end.state, end.seconds, end.error or "")
    all_attempts = [*(attempts_of(properties) or [first]), RunAttempt(now)]
    rows = [{**vars(one), "began": one.began.isoformat(timespec="milliseconds")} for one in all_attempts]
    return {ATTEMPTS: json.dumps(rows)}


def _attempts(properties: Mapping[str, object]) -> list[RunAttempt]:
    try:
        return [
            RunAttempt(datetime.datetime.fromisoformat(one.pop("began")), **one)
            for one in json_text.parse(str(properties[ATTEMPTS]))
        ]
    except (KeyError, ValueError, TypeError, AttributeError):
        return []
