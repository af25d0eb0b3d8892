"""From protocol buffers to plain values: how ML Metadata writes properties, states and times."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterable, Mapping
from typing import Any

from google.protobuf import json_format
from ml_metadata.proto import metadata_store_pb2 as pb

from pipeline.inspection.views import NodeRunState, Property
from pipeline.metadata import store

OUTPUTS = (pb.Event.OUTPUT, pb.Event.DECLARED_OUTPUT, pb.Event.INTERNAL_OUTPUT, pb.Event.PENDING_OUTPUT)
INPUTS = (pb.Event.INPUT, pb.Event.DECLARED_INPUT, pb.Event.INTERNAL_INPUT)
NODE_STATES = {
    pb.Execution.COMPLETE: NodeRunState.EXECUTED,
    pb.Execution.CACHED: NodeRunState.CACHED,
    pb.Execution.FAILED: NodeRunState.FAILED,
    pb.Execution.CANCELED: NodeRunState.CANCELLED,
}


def when(milliseconds: int) -> datetime.datetime | None:
    """A time of ML Metadata; None for 0, and for one that no calendar has."""
    try:
        return store.moment(milliseconds) if milliseconds else None
    except (OverflowError, ValueError, OSError):
        return None


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


def properties_of(thing: Any) -> dict[str, Property]:
    """The properties of a context, execution or artifact: those of its type, then the custom ones, each by name."""
    return {  # a map of protocol buffers has another order in each process
        name: value_of(held[name]) for held in (thing.properties, thing.custom_properties) for name in sorted(held)
    }


def key_of(event: pb.Event) -> tuple[str, int]:
    """Key and index of the input or output that an event is about; empty and 0 where it does not say."""
    key, index = "", 0
    for step in event.path.steps:
        if step.WhichOneof("value") == "key":
            key = step.key
        else:
            index = step.index
    return key, index


def texts_of(value: object) -> tuple[str, ...]:
    """A property that holds a JSON list of texts; whatever else it holds gives nothing."""
    try:
        found = json.loads(str(value))
    except (ValueError, RecursionError):
        return ()
    return tuple(map(str, found)) if isinstance(found, list) else ()


def object_of(value: object) -> dict[str, Any]:
    """A property that holds a JSON object; whatever else it holds gives an empty one."""
    try:
        found = json.loads(str(value))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def numbers_of(value: object) -> dict[str, float]:
    """The numbers of a mapping; the rest is left out."""
    if not isinstance(value, Mapping):
        return {}
    return {
        str(name): float(number)
        for name, number in value.items()
        if isinstance(number, (int, float)) and not isinstance(number, bool)
    }


def newest_first(things: Iterable[Any]) -> list[Any]:
    """Sorted by id, falling."""
    return sorted(things, key=lambda thing: thing.id, reverse=True)


def newest_first_by_execution(events: Iterable[pb.Event]) -> list[pb.Event]:
    """Events sorted by the execution that they are of, the newest first."""
    return sorted(events, key=lambda event: event.execution_id, reverse=True)
