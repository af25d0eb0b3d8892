"""The attempts of a run that was gone on with: when each began, and why it ended. Noted on the run's context."""

from __future__ import annotations

import dataclasses
import datetime
import json
from collections.abc import Mapping, Sequence

from pipeline.metadata import run_properties

PROPERTY = "sae_attempts"  # custom property of a run's context: the attempts, as JSON; absent while there is one


@dataclasses.dataclass(frozen=True)
class Attempt:
    """One attempt at a run.

    Attributes:
      began: in UTC.
      state: how it ended, as a run does: `failed`; None while it has not, or where that was not noted.
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


def of_run(properties: Mapping[str, object]) -> tuple[Attempt, ...]:
    """The attempts, the first one first, by the custom properties of a run's context; none where there is but one."""
    noted = _noted(properties)
    if not noted:
        return ()
    # Only the attempts before the last are noted with their end: that of the last one is the run's.
    end = run_properties.from_properties(properties)
    before = sum(one.seconds or 0.0 for one in noted[:-1])
    seconds = None if end.seconds is None else max(0.0, end.seconds - before)
    last = dataclasses.replace(noted[-1], state=end.state, seconds=seconds, error=end.error or "")
    return (*noted[:-1], last)


def seconds_before(properties: Mapping[str, object]) -> float:
    """What the attempts before the last one took, together."""
    return sum(one.seconds or 0.0 for one in _noted(properties)[:-1])


def with_next(
    properties: Mapping[str, object], began: datetime.datetime, now: datetime.datetime
) -> dict[str, run_properties.Property]:
    """The property that notes one attempt more, beginning `now`.

    Args:
      properties: custom ones of the run's context.
      began: when the run began: that is when its first attempt did.
      now: an aware time.
    """
    end = run_properties.from_properties(properties)
    first = Attempt(began, end.state, end.seconds, end.error or "")
    return {PROPERTY: _to_text([*(of_run(properties) or [first]), Attempt(now)])}


def _noted(properties: Mapping[str, object]) -> list[Attempt]:
    try:
        return [
            Attempt(datetime.datetime.fromisoformat(one.pop("began")), **one)
            for one in json.loads(str(properties[PROPERTY]))
        ]
    except (KeyError, ValueError, TypeError, AttributeError):
        return []


def _to_text(made: Sequence[Attempt]) -> str:
    return json.dumps([{**vars(one), "began": one.began.isoformat(timespec="milliseconds")} for one in made])
