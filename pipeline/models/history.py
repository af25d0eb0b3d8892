"""What people decided about models and runs: executions of types of our own in the runs' contexts, the oldest first."""

from __future__ import annotations

import dataclasses
import enum
import getpass
import os
from collections.abc import Iterable

import ml_metadata as mlmd

from pipeline import metadata


class Kind(str, enum.Enum):
    """What was decided; the value is the name of the execution's type."""

    PIN = "sae.Pin"
    UNPIN = "sae.Unpin"

    @property
    def past(self) -> str:
        """`pinned`."""
        return {Kind.PIN: "pinned", Kind.UNPIN: "unpinned"}[self]


# Custom properties of these executions.
RUN, REASON, WHO = "run", "reason", "who"


@dataclasses.dataclass(frozen=True)
class Entry:
    """A decision.

    Attributes:
      execution: id in ML Metadata.
      run_id: the run, or the run that made the model.
      reason: in the words of who decided.
      who: the user's name on the machine.
      when: milliseconds since the epoch.
    """

    execution: int
    kind: Kind
    run_id: str
    reason: str
    who: str
    when: int


def entries(client: mlmd.MetadataStore, kinds: Iterable[Kind] = Kind) -> list[Entry]:
    """All decisions of these kinds, the oldest first."""
    found = []
    for kind in kinds:
        for execution in client.get_executions_by_type(kind.value):
            notes = {name: metadata.value_of(value) for name, value in execution.custom_properties.items()}
            found.append(
                Entry(
                    int(execution.id),
                    kind,
                    str(notes.get(RUN, "")),
                    str(notes.get(REASON, "")),
                    str(notes.get(WHO, "")),
                    int(execution.create_time_since_epoch),
                )
            )
    return sorted(found, key=lambda entry: entry.execution)


def pinned(client: mlmd.MetadataStore) -> dict[str, Entry]:
    """The runs that are pinned now, each with the decision."""
    state: dict[str, Entry] = {}
    for entry in entries(client, (Kind.PIN, Kind.UNPIN)):
        state.pop(entry.run_id, None)
        if entry.kind == Kind.PIN:
            state[entry.run_id] = entry
    return state


def who() -> str:
    """The user's name on this machine; the user's number where it has none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without an entry
        return str(os.getuid())
