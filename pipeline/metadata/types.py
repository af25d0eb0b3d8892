"""What ML Metadata holds, as frozen dataclasses: the form in which the rest of the product sees it.

Times are aware and in UTC; None where the store has none. Texts come from the store as they are: whatever shows them
escapes them.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
from collections.abc import Mapping
from typing import Any

from pipeline.core import file_digests
from pipeline.core.events import NodeState
from pipeline.metadata import node_key
from pipeline.metadata.properties import (
    CANCEL_REASON,
    CONTENT_DIGEST,
    DELETED,
    EARLIER_FILES,
    EXECUTION_RESULT,
    FILES,
    KILL_REASON,
    OWN_TYPES,
    REASONS,
)

Property = str | int | float | bool | Mapping[str, object] | None
Properties = Mapping[str, Any]  # by name, of values that are a `Property`: what kind they are, their writer knows


@dataclasses.dataclass(frozen=True)
class Artifact:
    """An artifact.

    Attributes:
      uri: where it is now, also where the root was moved since it was written.
      properties: those of its type and custom ones.
      id: in ML Metadata.
      type: TFX's name of its type.
      name: its name in ML Metadata; mostly empty.
      state: ML Metadata's name of its state: `LIVE`, `MARKED_FOR_DELETION`, `DELETED`, `PENDING` ...
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

    @property
    def published(self) -> bool:
        """Whether it was published, and not only announced."""
        return self.state not in ("PENDING", "ABANDONED")

    @property
    def deleted(self) -> str:
        """That `sae gc` deleted its files, and when, in words; empty where it did not."""
        return deletion_text(self.state, self.properties)

    @property
    def content(self) -> str:
        """Its content digest; empty where it was published without one."""
        return str(self.properties.get(CONTENT_DIGEST, ""))

    @property
    def files(self) -> file_digests.Files | None:
        """Its files as they were published; None where they were not recorded."""
        try:
            return file_digests.from_text(str(self.properties[FILES]))
        except (KeyError, ValueError):
            return None

    @property
    def files_over_time(self) -> list[file_digests.Files]:
        """Its files as they are, and as they were before it was restored with other bytes: copies may hold either."""
        earlier = json.loads(str(self.properties.get(EARLIER_FILES, "[]")))
        return [*([] if self.files is None else [self.files]), *map(file_digests.from_text, earlier)]


@dataclasses.dataclass(frozen=True)
class Execution:
    """An execution: of a node, or a decision or verification of ours.

    Attributes:
      id: in ML Metadata.
      type: TFX's name of its type, mostly the component's class.
      name: its name in ML Metadata.
      state: None while it has not ended.
      state_name: ML Metadata's name of its state: `RUNNING`, `COMPLETE` ...
      created, updated: when it was recorded, and when that last changed.
      properties: those of its type and custom ones.
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
    def is_of_node(self) -> bool:
        """Whether it is one of a node, and no verification or decision."""
        return not self.type.startswith(OWN_TYPES)

    @property
    def key(self) -> node_key.CacheKey | None:
        """What it depended on; None where that was not recorded."""
        return node_key.of_properties(self.properties)

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it was executed; empty when it was cached, or nothing was recorded."""
        return texts_of(self.properties.get(REASONS, "[]"))

    @property
    def error(self) -> str:
        """Why it failed or was cancelled; empty when neither, or nothing was recorded."""
        for own in (CANCEL_REASON, KILL_REASON):
            if own in self.properties:
                return str(self.properties[own])
        text = str(self.properties.get(EXECUTION_RESULT, ""))
        try:
            return str(json.loads(text).get("resultMessage", text))
        except ValueError:
            return text


@dataclasses.dataclass(frozen=True)
class Event:
    """That an execution read or wrote an artifact.

    Attributes:
      execution, artifact: their ids.
      key, index: of the input or output; empty and 0 where ML Metadata does not say.
      wrote: whether it wrote the artifact.
      declared: whether it is an input or output of the node, and no internal or pending one.
      when: in UTC.
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
    """What ML Metadata holds of a run as a whole.

    Attributes:
      id: of the context in ML Metadata.
      name: the run's id.
      created: when the run began.
      properties: of the context.
    """

    id: int
    name: str
    created: datetime.datetime | None
    properties: Properties


@dataclasses.dataclass(frozen=True)
class Owner:
    """What an execution belongs to; names are empty where the store does not say."""

    run: str = ""
    node: str = ""
    pipeline: str = ""


@dataclasses.dataclass(frozen=True)
class Maker:
    """The execution that made an artifact, and the key under which it did."""

    execution: int
    key: str
    owner: Owner


def texts_of(value: object) -> tuple[str, ...]:
    """A property that holds a JSON list of texts; anything else gives nothing."""
    try:
        found = json.loads(str(value))
    except (ValueError, RecursionError):
        return ()
    return tuple(map(str, found)) if isinstance(found, list) else ()


def object_of(value: object) -> dict[str, object]:
    """A property that holds a JSON object; anything else gives an empty one."""
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


def deletion_text(state: str, properties: Properties) -> str:
    """`deleted by gc on 2026-11-24 03:00 UTC, digest kept`; empty for an artifact that was not, or was restored.

    Args:
      state: ML Metadata's name of its state, in any case.
      properties: of the artifact.
    """
    when = str(properties.get(DELETED, "")) if state.upper() == "DELETED" else ""
    return f"deleted by gc on {when[:10]} {when[11:16]} UTC, digest kept" if when else ""


def restore_hint(artifact_id: int) -> str:
    """How to get the files of an artifact back."""
    return f"`sae restore {artifact_id}` makes it again"
