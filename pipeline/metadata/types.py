"""Artifacts, executions, events and runs in ML Metadata as frozen dataclasses.

Times are aware and in UTC; None if not recorded. Texts are as in the store: code that shows them must escape them.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
from collections.abc import Mapping
from typing import Any, TypeVar

from components import json_text
from pipeline.core import file_digests
from pipeline.core.events import NodeState
from pipeline.metadata import node_key
from pipeline.metadata import properties as names

Property = str | int | float | bool | Mapping[str, object] | None
T = TypeVar("T", list[Any], dict[str, Any])
Properties = Mapping[str, Any]  # by name; the values are a `Property`, of the type that was written
_REMOVED = "REMOVED"  # state of an artifact without a row; ML Metadata has no name for it


@dataclasses.dataclass(frozen=True)
class Artifact:
    """An artifact.

    Attributes:
      uri: where it is now, also if the root was moved.
      properties: properties of its type and custom properties.
      id: id in ML Metadata.
      type: TFX's name of its type: `Examples`.
      name: name in ML Metadata; usually empty.
      state: ML Metadata's name of its state: `LIVE`, `MARKED_FOR_DELETION`, `DELETED`, `PENDING` ...; `REMOVED` if its
        row was deleted, so that only events name it.
      created: when it was published.
    """

    uri: str
    properties: Properties
    id: int = 0
    type: str = ""
    name: str = ""
    state: str = "LIVE"
    created: datetime.datetime | None = None

    @property
    def live(self) -> bool:
        """Whether it may be used: it is neither out of use nor deleted."""
        return self.state == "LIVE"

    @classmethod
    def without_row(cls, artifact_id: int) -> Artifact:
        """Return an artifact that events name and whose row was deleted from ML Metadata: all but its id is unknown."""
        return cls("", {}, artifact_id, state=_REMOVED)

    @property
    def removed(self) -> bool:
        """Whether its row was deleted from ML Metadata."""
        return self.state == _REMOVED

    @property
    def published(self) -> bool:
        """Whether it was published: it is neither pending nor abandoned."""
        return self.state not in ("PENDING", "ABANDONED")

    @property
    def deleted(self) -> str:
        """When `sae gc` deleted its files, in words; empty if it did not."""
        return deletion_text(self.state, self.properties)

    @property
    def content(self) -> str:
        """Its content digest; empty if it has none."""
        return str(self.properties.get(names.CONTENT_DIGEST, ""))

    @property
    def files(self) -> file_digests.Files | None:
        """Its files as published; None if they were not recorded."""
        try:
            return file_digests.from_text(str(self.properties[names.FILES]))
        except (KeyError, ValueError):
            return None

    @property
    def files_over_time(self) -> list[file_digests.Files]:
        """Its files now, and before each restore that changed their bytes: a copy may have any of these."""
        found = [] if self.files is None else [self.files]
        for text in json_of(self.properties.get(names.EARLIER_FILES), list):
            with contextlib.suppress(ValueError):  # damaged
                found.append(file_digests.from_text(str(text)))
        return found


@dataclasses.dataclass(frozen=True)
class Execution:
    """An execution of a node, or a decision or verification of this project.

    Attributes:
      id: id in ML Metadata.
      type: TFX's name of its type, usually the component's class.
      name: name in ML Metadata.
      state: None while it has not ended.
      state_name: ML Metadata's name of its state: `RUNNING`, `COMPLETE` ...
      created, updated: when it was recorded first and last.
      properties: properties of its type and custom properties.
    """

    id: int
    type: str
    name: str
    state: NodeState | None
    state_name: str
    created: datetime.datetime | None
    updated: datetime.datetime | None
    properties: Properties

    @property
    def has_succeeded(self) -> bool:
        """Whether it completed, or was cached."""
        return self.state in (NodeState.EXECUTED, NodeState.CACHED)

    @property
    def is_complete(self) -> bool:
        """Whether it succeeded; also if its state was not recorded, as in early versions of TFX."""
        return self.has_succeeded or self.state_name == "UNKNOWN"

    @property
    def is_of_node(self) -> bool:
        """Whether it belongs to a node, and is no verification or decision."""
        return not self.type.startswith(names.OWN_TYPES)

    @property
    def key(self) -> node_key.CacheKey | None:
        """Its cache key; None if none was recorded."""
        return node_key.of_properties(self.properties)

    @property
    def code_changed(self) -> str:
        """The files of its code that changed while it ran; it may have run either bytes of them. Empty if none did."""
        return str(self.properties.get(names.CODE_CHANGED, ""))

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it was executed; empty if it was cached, or nothing was recorded."""
        return tuple(map(str, json_of(self.properties.get(names.REASONS), list)))

    @property
    def error(self) -> str:
        """Why it failed or was cancelled; empty if it did not, or nothing was recorded."""
        for own in (names.CANCEL_REASON, names.KILL_REASON):
            if own in self.properties:
                return str(self.properties[own])
        text = str(self.properties.get(names.EXECUTION_RESULT, ""))
        try:
            return str(json_text.parse(text).get("resultMessage", text))
        except (ValueError, AttributeError):  # not an object of JSON
            return text


@dataclasses.dataclass(frozen=True)
class Event:
    """An execution read or wrote an artifact.

    Attributes:
      execution, artifact: ids in ML Metadata.
      key, index: key of the input or output, and position in its list; empty and 0 if not recorded.
      wrote: whether the execution wrote the artifact.
      declared: whether the artifact is an input or output of the node, not an internal or pending one.
      when: time of the event.
    """

    execution: int
    artifact: int
    key: str
    index: int
    wrote: bool
    declared: bool
    when: datetime.datetime | None


@dataclasses.dataclass(frozen=True)
class RunContext:
    """The context of a run.

    Attributes:
      id: id in ML Metadata.
      name: the run's id.
      created: when the context was made; `run_properties.began_of` is when the run began.
      properties: properties of the context.
    """

    id: int
    name: str
    created: datetime.datetime | None
    properties: Properties


@dataclasses.dataclass(frozen=True)
class Owner:
    """Run, node and pipeline of an execution; empty if not recorded."""

    run: str = ""
    node: str = ""
    pipeline: str = ""


@dataclasses.dataclass(frozen=True)
class NodeContext:
    """The context of a node, whose `owner` is its pipeline or, in early versions of TFX, its run; empty if unknown."""

    id: int
    node: str
    owner: str


@dataclasses.dataclass(frozen=True)
class Maker:
    """The execution that made an artifact, and the output key."""

    execution: int
    key: str
    owner: Owner


def json_of(value: object, kind: type[T]) -> T:
    """Parse a property that contains JSON; return an empty `kind` if the value is of another type or no JSON."""
    try:
        found = json_text.parse(str(value))
    except ValueError:
        return kind()
    return found if isinstance(found, kind) else kind()


def numbers_of(value: object) -> dict[str, float]:
    """Return the numbers in a mapping; empty for anything else."""
    if not isinstance(value, Mapping):
        return {}
    return {
        str(name): float(number)
        for name, number in value.items()
        if isinstance(number, (int, float)) and not isinstance(number, bool)
    }


def deletion_text(state: str, properties: Properties) -> str:
    """Return `deleted by gc on 2026-11-24 03:00 UTC, digest kept`; empty if the artifact's files were not deleted.

    Args:
      state: ML Metadata's name of the artifact's state, in upper or lower case.
      properties: the artifact's properties.
    """
    when = str(properties.get(names.DELETED, "")) if state.upper() == "DELETED" else ""
    return f"deleted by gc on {when[:10]} {when[11:16]} UTC, digest kept" if when else ""


def restore_hint(artifact_id: int) -> str:
    """Return the command that regenerates the files of an artifact, in words."""
    return f"`sae restore {artifact_id}` regenerates it"
