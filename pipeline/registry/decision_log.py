"""What people decided about models and runs: executions of types of our own in the runs' contexts, the oldest first."""

from __future__ import annotations

import dataclasses
import datetime
import enum
import getpass
import os
from collections.abc import Iterable

from pipeline.core.events import NodeState
from pipeline.metadata.store import Store


class Kind(str, enum.Enum):
    """What was decided; the value is the name of the execution's type."""

    PIN = "sae.Pin"
    UNPIN = "sae.Unpin"
    PROMOTE = "sae.Promote"
    ROLLBACK = "sae.Rollback"

    @property
    def past(self) -> str:
        """`pinned`."""
        return _PAST[self]


_PAST = {Kind.PIN: "pinned", Kind.UNPIN: "unpinned", Kind.PROMOTE: "promoted", Kind.ROLLBACK: "rolled back to"}
# Custom properties of these executions.
RUN, REASON, WHO = "run", "reason", "who"
MODEL, REPLACED, REPLACED_VERSION = "model", "replaced", "replaced_version"


@dataclasses.dataclass(frozen=True)
class Entry:
    """A decision.

    Attributes:
      execution: id in ML Metadata.
      run_id: the run, or the run that made the model.
      reason: in the words of who decided.
      who: the user's name on the machine.
      when: in UTC.
      model: digest of the content of the model that was chosen; empty for pins.
      replaced: digest of the one that was served until then; empty where none was.
      replaced_version: number of the highest version until then, whoever made it; 0 where there was none.
      carried_out: False where a kill came in between, or it was called off.
      open: whether it has yet to be carried out.
    """

    execution: int
    kind: Kind
    run_id: str
    reason: str
    who: str
    when: datetime.datetime | None
    model: str = ""
    replaced: str = ""
    replaced_version: int = 0
    carried_out: bool = True
    open: bool = False


def entries(store: Store, kinds: Iterable[Kind] = Kind) -> list[Entry]:
    """All decisions of these kinds, the oldest first."""
    found = []
    for kind in kinds:
        for execution in store.executions_of_type(kind.value):
            notes = execution.properties
            found.append(
                Entry(
                    execution.id,
                    kind,
                    str(notes.get(RUN, "")),
                    str(notes.get(REASON, "")),
                    str(notes.get(WHO, "")),
                    execution.created,
                    str(notes.get(MODEL, "")),
                    str(notes.get(REPLACED, "")),
                    int(str(notes.get(REPLACED_VERSION, 0))),
                    execution.state == NodeState.EXECUTED,
                    execution.state is None,
                )
            )
    return sorted(found, key=lambda entry: entry.execution)


def pinned(store: Store) -> dict[str, Entry]:
    """The runs that are pinned now, each with the decision."""
    state: dict[str, Entry] = {}
    for entry in entries(store, (Kind.PIN, Kind.UNPIN)):
        state.pop(entry.run_id, None)
        if entry.kind == Kind.PIN:
            state[entry.run_id] = entry
    return state


def chosen(store: Store) -> list[Entry]:
    """What was promoted or rolled back, the oldest first, without what was called off."""
    return [one for one in entries(store, (Kind.PROMOTE, Kind.ROLLBACK)) if one.carried_out or one.open]


def withdrawn(decisions: Iterable[Entry]) -> frozenset[str]:
    """Digests of models that were rolled back, and not promoted since: they are no baseline."""
    found: set[str] = set()
    for one in decisions:
        found.discard(one.model)
        if one.kind == Kind.ROLLBACK:
            found.add(one.replaced)
    return frozenset(found - {""})


def held_back(decisions: Iterable[Entry]) -> frozenset[str]:
    """Digests of models that somebody replaced, and nobody chose since: no run pushes them by itself."""
    found: set[str] = set()
    for one in decisions:
        found.discard(one.model)
        found.add(one.replaced)
    return frozenset(found - {""})


def who() -> str:
    """The user's name on this machine; the user's number where it has none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without an entry
        return str(os.getuid())
