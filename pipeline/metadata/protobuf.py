"""From ML Metadata's protocol buffers to the dataclasses of `types`, and back for properties."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any

from google.protobuf import json_format
from ml_metadata.proto import metadata_store_pb2 as pb

from pipeline.core.events import NodeState
from pipeline.core.pipeline_root import moved_path
from pipeline.metadata.types import Artifact, Event, Execution, Properties, Property, RunContext

_STATES = {
    pb.Execution.COMPLETE: NodeState.EXECUTED,
    pb.Execution.CACHED: NodeState.CACHED,
    pb.Execution.FAILED: NodeState.FAILED,
    pb.Execution.CANCELED: NodeState.CANCELLED,
}
_OUTPUTS = (pb.Event.OUTPUT, pb.Event.DECLARED_OUTPUT)
_INPUTS = (pb.Event.INPUT, pb.Event.DECLARED_INPUT)
_INTERNAL_OUTPUTS = (pb.Event.INTERNAL_OUTPUT, pb.Event.PENDING_OUTPUT)


class _Properties(Mapping[str, Property]):
    """Properties of a type and custom ones, converted when they are read: a list of a thousand runs reads a few each.

    Sorted by name, those of the type first: a map of protocol buffers has another order in each process.
    """

    def __init__(self, custom: Mapping[str, pb.Value], typed: Mapping[str, pb.Value]) -> None:
        self._custom, self._typed = custom, typed

    def __getitem__(self, name: str) -> Property:
        for held in (self._custom, self._typed):
            if name in held:  # a map of protocol buffers adds what is not there when it is asked for it
                return value_of(held[name])
        raise KeyError(name)

    def __contains__(self, name: object) -> bool:
        return name in self._custom or name in self._typed

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys((*sorted(self._typed), *sorted(self._custom))))

    def __len__(self) -> int:
        return len({*self._typed, *self._custom})

    def __repr__(self) -> str:
        return repr(dict(self))


def value_of(value: pb.Value) -> Property:
    """A property's value. A structure becomes a mapping; what is of no known kind, a text."""
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    if kind == "struct_value":
        # TFX wraps a plain JSON value so that it fits into a structure.
        found: dict[str, object] = json_format.MessageToDict(value.struct_value)
        inner = found.get("__value__")
        return inner if set(found) == {"__value__"} and isinstance(inner, dict) else found
    if kind == "proto_value":
        return f"{value.proto_value.type_url} ({len(value.proto_value.value)} bytes)"
    plain: str | int | float | bool = getattr(value, kind)
    return plain


def properties_of(thing: Any) -> Properties:
    """The properties of a context, execution or artifact: those of its type, and custom ones."""
    return _Properties(thing.custom_properties, thing.properties)


def set_properties(held: MutableMapping[str, pb.Value], properties: Mapping[str, str | int | float]) -> None:
    """Sets properties of a context, execution or artifact."""
    for name, value in properties.items():
        if isinstance(value, str):
            held[name].string_value = value
        elif isinstance(value, int):
            held[name].int_value = value
        else:
            held[name].double_value = value


def time_of(milliseconds: int) -> datetime.datetime | None:
    """A time of ML Metadata; None for 0, and for one that no calendar has."""
    try:
        return datetime.datetime.fromtimestamp(milliseconds / 1000, datetime.timezone.utc) if milliseconds else None
    except (OverflowError, ValueError, OSError):
        return None


def artifact_of(artifact: pb.Artifact, moved: tuple[str, str] | None = None) -> Artifact:
    """An artifact; `moved`: where the root was when its URI was written, and where it is now."""
    return Artifact(
        moved_path(artifact.uri, *moved) if moved else artifact.uri,
        properties_of(artifact),
        int(artifact.id),
        artifact.type,
        artifact.name,
        pb.Artifact.State.Name(artifact.state),
        time_of(artifact.create_time_since_epoch),
    )


def execution_of(execution: pb.Execution) -> Execution:
    """An execution."""
    return Execution(
        int(execution.id),
        execution.type,
        execution.name,
        _STATES.get(execution.last_known_state),
        pb.Execution.State.Name(execution.last_known_state),
        time_of(execution.create_time_since_epoch),
        time_of(execution.last_update_time_since_epoch),
        properties_of(execution),
    )


def run_context_of(context: pb.Context) -> RunContext:
    """The context of a run."""
    created = time_of(context.create_time_since_epoch)
    return RunContext(int(context.id), context.name, created, properties_of(context))


def event_of(event: pb.Event) -> Event:
    """An event."""
    key, index = "", 0
    for step in event.path.steps:
        if step.WhichOneof("value") == "key":
            key = step.key
        else:
            index = int(step.index)
    return Event(
        int(event.execution_id),
        int(event.artifact_id),
        key,
        index,
        event.type in _OUTPUTS or event.type in _INTERNAL_OUTPUTS,
        event.type in _OUTPUTS or event.type in _INPUTS,
        time_of(event.milliseconds_since_epoch),
    )
