"""`decisions.jsonl`: a second record of all decisions, so that restoring a copy of ML Metadata's store loses none.

One JSON object a line, appended and synced when a decision ends; ML Metadata is written before. The next decision, run
or restore gives each of the two the decisions that it lacks.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import json
import os
import uuid
from collections.abc import Iterable, Iterator, Mapping

from components.errors import cause_text
from components.push import serving_dir
from pipeline.core import serialization
from pipeline.core.errors import UnavailableError
from pipeline.core.events import NodeState
from pipeline.core.pipeline_root import Root
from pipeline.metadata import properties, root_store
from pipeline.metadata.store import Store, open_store
from pipeline.metadata.types import Execution
from pipeline.metadata.writer import MetadataWriter
from pipeline.registry import decision_log, versions
from pipeline.registry.decision_log import DecisionType

_OPEN, _CARRIED_OUT, _CANCELLED = "open", "carried out", "cancelled"


@dataclasses.dataclass(frozen=True)
class Entry:
    """A decision in the file.

    Attributes:
      name: of its execution in ML Metadata, which is unique.
      kind: a value of `DecisionType`.
      when: in UTC, in ISO format.
      state: `open`, `carried out` or `cancelled`.
      properties: custom properties of the execution.
      pushed: properties of the version that it made; empty without one.
    """

    name: str
    kind: str
    run: str
    when: str
    state: str
    properties: Mapping[str, str | int]
    pushed: Mapping[str, str | int]

    def __str__(self) -> str:
        reason = self.properties.get(properties.DECISION_REASON, "")
        return f"run {self.run}, {DecisionType(self.kind).past} for {str(reason)!r}"


def read(root: Root) -> dict[str, Entry]:
    """Return the decisions in the file by name, oldest first; skip lines that are incomplete or unknown.

    Raises:
      UnavailableError: the file cannot be read.
    """
    found: dict[str, Entry] = {}
    try:
        lines = root.decisions.read_bytes().splitlines()
    except FileNotFoundError:
        return found
    except OSError as error:
        raise UnavailableError(f"{root.decisions} cannot be read: {cause_text(error)}") from error
    for line in lines:
        try:
            entry = serialization.build(Entry, json.loads(line))
            DecisionType(entry.kind)
        except (ValueError, KeyError, TypeError, RecursionError):
            continue
        if entry.state != _OPEN or entry.name not in found:
            found[entry.name] = entry
    return found


def record(root: Root, store: Store) -> None:
    """Append the decisions that the file lacks, and those that ended since.

    Raises:
      UnavailableError: the file cannot be read or written; the next call appends them.
    """
    states = {name: one.state for name, one in read(root).items()}
    missing = [
        one for one in _entries(store) if one.name not in states or (states[one.name] == _OPEN and one.state != _OPEN)
    ]
    if missing:
        _append(root, missing)


def reconcile(root: Root, store: Store) -> tuple[Entry, ...]:
    """Give ML Metadata and the file the decisions that they lack; return those that ML Metadata lacked.

    It lacks some after a copy was restored. Those about runs or models that it does not contain stay in the file: see
    `lost`.
    """
    known = {one.name: one for one in decision_log.decisions(store)}
    replayed = []
    for entry in read(root).values():
        found = known.get(entry.name)
        is_behind = found is not None and found.open and entry.state != _OPEN
        if is_behind or (found is None and is_known(store, entry)):
            _replay(root, store, entry, found.execution if found else None)
            replayed.append(entry)
    record(root, store)
    return tuple(replayed)


@contextlib.contextmanager
def locked(root: Root) -> Iterator[Store]:
    """Lock a root, and yield its store, which has the decisions of the file. Raises as `root_store.lock` does."""
    with root_store.lock(root):
        store = open_store(root)
        reconcile(root, store)
        yield store


def lost(root: Root, store: Store) -> list[Entry]:
    """Return the decisions that are in the file but not in ML Metadata, oldest first; of pins, those in force."""
    known = {record.name for record in decision_log.decisions(store)}
    pinned = set(pinned_runs(root, store))
    pins = (DecisionType.PIN.value, DecisionType.UNPIN.value)
    return [
        one
        for one in read(root).values()
        if one.name not in known and (one.kind not in pins or (one.kind == DecisionType.PIN and one.run in pinned))
    ]


def pinned_runs(root: Root, store: Store) -> list[str]:
    """Return the ids of pinned runs, also of those that only the file names as pinned."""
    entries = read(root)
    recorded = decision_log.decisions(store, (DecisionType.PIN, DecisionType.UNPIN))
    steps = [(one.kind, one.run) for one in entries.values()]
    steps += [(one.kind.value, one.run_id) for one in recorded if one.name not in entries]
    found: dict[str, None] = {}
    for kind, run_id in steps:
        if kind == DecisionType.PIN:
            found[run_id] = None
        elif kind == DecisionType.UNPIN:
            found.pop(run_id, None)
    return list(found)


def record_unpin(root: Root, run_id: str, reason: str) -> None:
    """Append that a run is not pinned any more, which ML Metadata does not contain. Raises as `record` does."""
    recorded = decision_log.common_properties(run_id, reason)
    _append(
        root, [Entry(str(uuid.uuid4()), DecisionType.UNPIN.value, run_id, _text(_now()), _CARRIED_OUT, recorded, {})]
    )


def _entries(store: Store) -> list[Entry]:
    found = [one for kind in DecisionType for one in store.executions_of_type(kind.value)]
    return [_entry(store, one) for one in sorted(found, key=lambda one: one.id)]


def _entry(store: Store, execution: Execution) -> Entry:
    pushed = store.outputs(execution.id).get("pushed_model")
    recorded = {name: value for name, value in execution.properties.items() if isinstance(value, str | int)}
    ended = _CARRIED_OUT if execution.state == NodeState.EXECUTED else _CANCELLED
    return Entry(
        name=execution.name,
        kind=execution.type,
        run=str(recorded.get(properties.DECISION_RUN, "")),
        when=str(recorded.get(properties.DECISION_TIME) or _text(execution.created or _now())),
        state=_OPEN if execution.state is None else ended,
        properties=recorded,
        pushed={} if pushed is None else _portable(pushed.properties),
    )


def _portable(pushed: Mapping[str, object]) -> dict[str, str | int]:
    """Return the properties of a pushed model without the path of the root, and without whether it was deleted."""
    dropped = (serving_dir.PUSHED_DESTINATION, properties.DELETED)
    return {name: value for name, value in pushed.items() if isinstance(value, str | int) and name not in dropped}


def is_known(store: Store, entry: Entry) -> bool:
    """Return whether ML Metadata contains the run and the model of a decision."""
    if store.run_context(entry.run) is None:
        return False
    chosen = entry.properties.get(properties.CHOSEN_MODEL)
    model = versions.output_of_type(store, entry.run, versions.MODEL)
    return not chosen or (model is not None and model.content == chosen)


def _replay(root: Root, store: Store, entry: Entry, execution: int | None) -> None:
    """Record a decision in ML Metadata, unless it is there as open, and end it."""
    writer = MetadataWriter(root)
    is_serving = entry.kind in (DecisionType.PROMOTE, DecisionType.ROLLBACK)
    if execution is None:
        model = versions.output_of_type(store, entry.run, versions.MODEL)
        inputs = {"model": model.id} if model else {}
        replaced = entry.properties.get(properties.REPLACED_MODEL)
        if replaced and (push := next((one for one in versions.pushes(store, root) if one.model == replaced), None)):
            inputs["replaced"] = push.artifact
        recorded = {**entry.properties, properties.DECISION_TIME: entry.when}
        execution = writer.record_decision(entry.kind, entry.run, recorded, inputs, not is_serving, entry.name)
    if entry.state == _CANCELLED:
        writer.cancel_decision(execution, str(entry.properties.get(properties.CANCEL_REASON, "")))
    elif is_serving and entry.state == _CARRIED_OUT:
        folder = root.serving / str(entry.pushed.get(serving_dir.PUSHED_VERSION, ""))
        writer.complete_decision(execution, folder, {**entry.pushed, serving_dir.PUSHED_DESTINATION: str(folder)})


def _append(root: Root, entries: Iterable[Entry]) -> None:
    text = "".join(f"{json.dumps(dataclasses.asdict(one))}\n" for one in entries).encode()
    try:
        with open(root.decisions, "a+b", buffering=0) as file:
            if file.tell():
                file.seek(-1, os.SEEK_END)
                text = text if file.read(1) == b"\n" else b"\n" + text  # after a line that a kill cut off
            file.write(text)
            os.fsync(file.fileno())
        folder = os.open(root.path, os.O_RDONLY)
        try:
            os.fsync(folder)  # otherwise a new file could be lost
        finally:
            os.close(folder)
    except OSError as error:
        raise UnavailableError(
            f"ML Metadata contains the decision, but {root.decisions} cannot be written: {cause_text(error)}; "
            "free space there: the next decision or run adds it"
        ) from error


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.timezone.utc)


def _text(when: datetime.datetime) -> str:
    return when.isoformat(timespec="milliseconds")
