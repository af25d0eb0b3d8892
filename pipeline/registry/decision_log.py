"""Decisions of operators on runs and models: executions of our own types in the contexts of the runs."""

from __future__ import annotations

import dataclasses
import datetime
import enum
import getpass
import os
from collections.abc import Iterable

from pipeline.core.errors import UsageError
from pipeline.core.events import NodeState
from pipeline.metadata import properties
from pipeline.metadata.store import Store


class DecisionType(str, enum.Enum):
    """A type of decision; the value is the name of the execution's type."""

    PIN = "sae.Pin"
    UNPIN = "sae.Unpin"
    PROMOTE = "sae.Promote"
    ROLLBACK = "sae.Rollback"
    TAG = "sae.Tag"
    UNTAG = "sae.Untag"
    NOTE = "sae.Note"

    @property
    def past(self) -> str:
        """Return the past tense: `pinned`."""
        return _PAST[self]


_PAST = {
    DecisionType.PIN: "pinned",
    DecisionType.UNPIN: "unpinned",
    DecisionType.PROMOTE: "promoted",
    DecisionType.ROLLBACK: "rolled back to",
    DecisionType.TAG: "tagged",
    DecisionType.UNTAG: "tag removed",
    DecisionType.NOTE: "noted",
}
# The decisions on models and their runs; the others are what people say of runs.
ON_MODELS = (DecisionType.PIN, DecisionType.UNPIN, DecisionType.PROMOTE, DecisionType.ROLLBACK)


@dataclasses.dataclass(frozen=True)
class DecisionRecord:
    """A decision.

    Attributes:
      execution: its id in ML Metadata.
      name: name of that execution, which is unique.
      run_id: the run that was pinned, or that made the model.
      reason: the reason that the user gave; of a tag or note, its text.
      who: name of the user on the machine.
      when: in UTC.
      model: content digest of the chosen model; empty for pins.
      replaced: content digest of the model served until then; empty if none was.
      replaced_version: the highest version until then; 0 if there was none.
      carried_out: False if it was interrupted or cancelled.
      open: whether it has yet to be carried out.
      cancelled: why it was cancelled; empty if it was not.
    """

    execution: int
    kind: DecisionType
    run_id: str
    reason: str
    who: str
    when: datetime.datetime | None
    model: str
    replaced: str
    replaced_version: int
    carried_out: bool
    open: bool
    cancelled: str
    name: str

    def __str__(self) -> str:
        return f"run {self.run_id}, {self.kind.past} for {self.reason!r}"


def decisions(store: Store, kinds: Iterable[DecisionType] = DecisionType) -> list[DecisionRecord]:
    """Return all decisions of these types, oldest first."""
    found = []
    for kind in kinds:
        for execution in store.executions_of_type(kind.value):
            recorded = execution.properties
            found.append(
                DecisionRecord(
                    execution.id,
                    kind,
                    str(recorded.get(properties.DECISION_RUN, "")),
                    str(recorded.get(properties.DECISION_REASON, "")),
                    str(recorded.get(properties.DECISION_USER, "")),
                    _time(recorded.get(properties.DECISION_TIME)) or execution.created,
                    str(recorded.get(properties.CHOSEN_MODEL, "")),
                    str(recorded.get(properties.REPLACED_MODEL, "")),
                    int(str(recorded.get(properties.REPLACED_VERSION, 0))),
                    execution.state == NodeState.EXECUTED,
                    execution.state is None,
                    str(recorded.get(properties.CANCEL_REASON, "")),
                    execution.name,
                )
            )
    return sorted(found, key=lambda record: record.execution)


def _time(text: object) -> datetime.datetime | None:
    """Return a time in ISO format; None for anything else."""
    try:
        return datetime.datetime.fromisoformat(str(text))
    except ValueError:
        return None


def common_properties(run_id: str, reason: str, optional: bool = False) -> dict[str, str]:
    """Return the custom properties of every decision. Raises `UsageError` for an empty reason, unless `optional`."""
    if not reason.strip() and not optional:
        raise UsageError("--reason is empty: give the reason, which is recorded with the decision")
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # the user of a container may have no name
        user = str(os.getuid())
    return {
        properties.DECISION_RUN: run_id,
        properties.DECISION_REASON: reason.strip(),
        properties.DECISION_USER: user,
    }


def pinned(store: Store) -> dict[str, DecisionRecord]:
    """Return the pinned runs, each with its decision."""
    found: dict[str, DecisionRecord] = {}
    for record in decisions(store, (DecisionType.PIN, DecisionType.UNPIN)):
        found.pop(record.run_id, None)
        if record.kind == DecisionType.PIN:
            found[record.run_id] = record
    return found


def serving_decisions(store: Store) -> list[DecisionRecord]:
    """Return promotions and rollbacks that were not cancelled, oldest first."""
    found = decisions(store, (DecisionType.PROMOTE, DecisionType.ROLLBACK))
    return [record for record in found if record.carried_out or record.open]


def open_decisions(store: Store) -> list[DecisionRecord]:
    """Return the decisions that a kill interrupted and no later decision completed or cancelled, oldest first."""
    return [record for record in serving_decisions(store) if record.open]


def rolled_back(store: Store) -> frozenset[str]:
    """Return the content digests of models that were rolled back and not promoted since."""
    return _replaced(store, (DecisionType.ROLLBACK,))


def superseded(store: Store, with_open: bool = True) -> frozenset[str]:
    """Return the content digests of models that a decision replaced and none chose since: no run pushes them.

    Args:
      store: of the root.
      with_open: count decisions that are not carried out yet.
    """
    return _replaced(store, DecisionType, with_open)


def _replaced(store: Store, kinds: Iterable[DecisionType], with_open: bool = True) -> frozenset[str]:
    found: set[str] = set()
    for record in serving_decisions(store):
        if record.open and not with_open:
            continue
        found.discard(record.model)
        if record.kind in kinds:
            found.add(record.replaced)
    return frozenset(found - {""})
