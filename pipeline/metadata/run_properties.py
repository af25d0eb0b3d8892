"""What is noted of a run on its context in ML Metadata, so that a list of runs need read nothing else."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

# Prefix of the custom properties: a context may hold others.
_PREFIX = "sae_"
# Custom properties: the first is there from a run's start, the second from its end.
BEGUN, ENDED = f"{_PREFIX}trigger", f"{_PREFIX}state"
Property = str | int | float


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
      test_bce: reconstruction loss on the test split, nats per pixel.
      test_mse: squared error, mean over pixels.
      active_units, dead_units: of the code, on the test split.
      blessed: 1 or 0.
      executed, cached: numbers of nodes.
      pushed_version: of the served model.
      error: why it failed.
    """

    state: str | None = None
    seconds: float | None = None
    dataset: str | None = None
    profile: str | None = None
    trigger: str | None = None
    test_bce: float | None = None
    test_mse: float | None = None
    active_units: float | None = None
    dead_units: float | None = None
    blessed: int | None = None
    executed: int | None = None
    cached: int | None = None
    pushed_version: str | None = None
    error: str | None = None


# The property and the type of each field; a thousand runs are read at once.
_FIELDS = {
    field.name: (f"{_PREFIX}{field.name}", str(field.type).partition(" ")[0]) for field in dataclasses.fields(Headline)
}


def to_properties(headline: Headline) -> dict[str, Property]:
    """The custom properties that hold it."""
    return {f"{_PREFIX}{name}": value for name, value in vars(headline).items() if value is not None}


def from_properties(properties: Mapping[str, object]) -> Headline:
    """What `to_properties` put there; whatever is of another type is left out."""
    held = {name: (properties.get(key), kind) for name, (key, kind) in _FIELDS.items()}
    found = {name: value for name, (value, kind) in held.items() if type(value).__name__ == kind}
    return Headline(**found)  # type: ignore[arg-type]


def of_end() -> frozenset[str]:
    """The custom properties that tell of a run's end; an attempt that begins takes them away."""
    return frozenset(f"{_PREFIX}{name}" for name in vars(Headline()) if name not in ("dataset", "profile", "trigger"))
