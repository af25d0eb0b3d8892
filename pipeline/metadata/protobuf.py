"""Convert ML Metadata's protocol buffers to the dataclasses of `types`, and properties back.

Nothing here imports `ml_metadata`: enumerations are read by name, from the messages.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any

from pipeline.core.events import NodeState
from pipeline.core.pipeline_root import moved_path
from pipeline.core.text import counted
from pipeline.metadata.types import Artifact, Event, Execution, Properties, Property, RunContext

if TYPE_CHECKING:
    from ml_metadata.proto import metadata_store_pb2 as pb

_STATES = {
    "COMPLETE": NodeState.EXECUTED,
    "CACHED": NodeState.CACHED,
    "FAILED": NodeState.FAILED,
    "CANCELED": NodeState.CANCELLED,
}
# TFX up to 0.24 wrote states as a property `state`; the store then has no other, or 0.
_STATE = "state"
_EXECUTION_STATES = {
    **{name: name.upper() for name in ("complete", "cached", "new", "running", "failed", "canceled")},
    "cancelled": "CANCELED",
}
_ARTIFACT_STATES = {
    **{name: name.upper() for name in ("pending", "marked_for_deletion", "deleted", "abandoned")},
    "published": "LIVE",
}
_UNKNOWN = "UNKNOWN"
_DECLARED = ("OUTPUT", "DECLARED_OUTPUT", "INPUT", "DECLARED_INPUT")


class _Properties(Mapping[str, Property]):
    """Properties of a type, then custom ones, each sorted by name: protocol buffers order them by process.

    They are converted when they are read: a list of a thousand runs reads a few of each.
    """

    def __init__(self, custom: Mapping[str, pb.Value], typed: Mapping[str, pb.Value]) -> None:
        self._custom, self._typed = custom, typed

    def __getitem__(self, name: str) -> Property:
        for properties in (self._custom, self._typed):
            if name in properties:  # reading a missing name would add it to the message
                return value_of(properties[name])
        raise KeyError(name)

    def get(self, name: str, default: Any = None) -> Any:
        """Return a property's value, or the default. Without an exception, it takes a third of the time."""
        for properties in (self._custom, self._typed):
            if name in properties:
                return value_of(properties[name])
        return default

    def __contains__(self, name: object) -> bool:
        return name in self._custom or name in self._typed

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys((*sorted(self._typed), *sorted(self._custom))))

    def __len__(self) -> int:
        return len({*self._typed, *self._custom})


def value_of(value: pb.Value) -> Property:
    """Return a property's value: a mapping for a structure, a description for any other message."""
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    if kind == "struct_value":
        from google.protobuf import json_format

        # Sorted, because protobuf has another order in each process.
        found: dict[str, object] = json.loads(json_format.MessageToJson(value.struct_value, sort_keys=True))
        # TFX wraps a plain JSON value to fit it into a structure.
        inner = found.get("__value__")
        return inner if set(found) == {"__value__"} and isinstance(inner, dict) else found
    if kind == "proto_value":
        return f"{value.proto_value.type_url} ({counted(len(value.proto_value.value), 'byte')})"
    plain: str | int | float | bool = getattr(value, kind)
    return plain


def properties_of(message: Any) -> Properties:
    """Return the properties of a context, execution or artifact: those of its type, and custom ones."""
    return _Properties(message.custom_properties, message.properties)


def set_properties(target: MutableMapping[str, pb.Value], properties: Mapping[str, str | int | float]) -> None:
    """Set properties of a context, execution or artifact."""
    for name, value in properties.items():
        if isinstance(value, str):
            target[name].string_value = value
        elif isinstance(value, int):
            target[name].int_value = value
        else:
            target[name].double_value = value


def move_paths(properties: Mapping[str, pb.Value], old: str, new: str) -> None:
    """Replace paths below the folder `old` in texts, as `moved_path` does."""
    for value in properties.values():
        if value.WhichOneof("value") == "string_value":
            value.string_value = moved_path(value.string_value, old, new)


def time_of(milliseconds: int) -> datetime.datetime | None:
    """Return a time of ML Metadata in UTC; None for 0 and for a time out of range."""
    try:
        return datetime.datetime.fromtimestamp(milliseconds / 1000, datetime.timezone.utc) if milliseconds else None
    except (OverflowError, ValueError, OSError):
        return None


def _state_of(message: Any, state: str, earlier: Mapping[str, str]) -> str:
    """Return the name of a state, or of the one that an early version of TFX recorded in a property."""
    if state != _UNKNOWN:
        return state
    return earlier.get(str(properties_of(message).get(_STATE, "")).lower(), state)


def artifact_of(artifact: pb.Artifact, moved: tuple[str, str] | None = None) -> Artifact:
    """Convert an artifact; `moved`: where the root was when its URI was written, and where it is now."""
    return Artifact(
        moved_path(artifact.uri, *moved) if moved else artifact.uri,
        properties_of(artifact),
        int(artifact.id),
        artifact.type,
        artifact.name,
        _state_of(artifact, artifact.State.Name(artifact.state), _ARTIFACT_STATES),
        time_of(artifact.create_time_since_epoch),
    )


def execution_of(execution: pb.Execution) -> Execution:
    """Convert an execution."""
    state = _state_of(execution, execution.State.Name(execution.last_known_state), _EXECUTION_STATES)
    return Execution(
        int(execution.id),
        execution.type,
        execution.name,
        _STATES.get(state),
        state,
        time_of(execution.create_time_since_epoch),
        time_of(execution.last_update_time_since_epoch),
        properties_of(execution),
    )


def run_context_of(context: pb.Context) -> RunContext:
    """Convert the context of a run."""
    created = time_of(context.create_time_since_epoch)
    return RunContext(int(context.id), context.name, created, properties_of(context))


def event_of(event: pb.Event) -> Event:
    """Convert an event."""
    key, index = "", 0
    for step in event.path.steps:
        if step.WhichOneof("value") == "key":
            key = step.key
        else:
            index = int(step.index)
    type_name = event.Type.Name(event.type)
    return Event(
        int(event.execution_id),
        int(event.artifact_id),
        key,
        index,
        type_name.endswith("OUTPUT"),
        type_name in _DECLARED,
        time_of(event.milliseconds_since_epoch),
    )
