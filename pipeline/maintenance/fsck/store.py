"""What `sae fsck` asks ML Metadata: all of its rows, page by page, and who made or names something."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import ml_metadata as mlmd
from ml_metadata.proto import metadata_store_pb2 as pb

from pipeline.core import pipeline_root
from pipeline.core.pipeline_root import Root
from pipeline.metadata import store
from pipeline.metadata.store import Output
from pipeline.provenance import manifest

# States of an output that was announced, but not published.
UNPUBLISHED = ("PENDING", "ABANDONED")

_PAGE = 100  # rows read at once; larger pages are not faster
_MOST_DIGITS = 18  # of an id, which has 63 bits


@dataclasses.dataclass(frozen=True)
class Execution:
    """An execution.

    Attributes:
      id: in ML Metadata.
      state: ML Metadata's name of it.
      ended: whether that is one that stays.
    """

    id: int
    state: str
    ended: bool


class Store(store.Store):
    """The store of a root, opened for reading only unless said otherwise."""

    def __init__(self, root: Root, read_only: bool = True) -> None:
        super().__init__(root.metadata, root.moved(), read_only)

    def all_artifacts(self) -> Iterator[tuple[Output, str]]:
        """Every artifact, and ML Metadata's name of its state."""
        for artifact in _rows(self._store.get_artifacts, self._store.get_artifacts_by_id):
            yield self._output(artifact), _state_of(artifact)

    def all_manifests(self) -> Iterator[tuple[str, str | int | float]]:
        """Every run that noted its manifest, and the digest that it noted."""
        for context in _rows(self._store.get_contexts, self._store.get_contexts_by_id):
            if context.type == store.PIPELINE_RUN and manifest.PROPERTY in context.custom_properties:
                yield context.name, store.value_of(context.custom_properties[manifest.PROPERTY])

    def all_executions(self) -> Iterator[Execution]:
        """Every execution."""
        for execution in _rows(self._store.get_executions, self._store.get_executions_by_id):
            state = execution.last_known_state
            yield Execution(execution.id, pb.Execution.State.Name(state), state not in store.UNFINISHED)

    def unended_execution(self, name: str, node: str) -> int | None:
        """The execution of which this is the number, if it is one of this node that has not ended."""
        if is_number(name):
            for execution in self._store.get_executions_by_id([int(name)]):
                if execution.last_known_state in store.UNFINISHED and self.node_of(execution.id) == node:
                    return int(execution.id)
        return None

    def node_of(self, execution_id: int) -> str:
        """The node of an execution; empty where ML Metadata does not say."""
        return self._node_of(execution_id)

    def run_of(self, execution_id: int) -> str:
        """The run of an execution; empty where it is in none."""
        return self._run_of(execution_id)

    def origin(self, artifact_id: int) -> tuple[str, str]:
        """The node that made an artifact, and the key; empty where ML Metadata does not say."""
        for event in self._made_in(artifact_id):
            if node := self.node_of(event.execution_id):
                return node, str(event.path.steps[0].key) if event.path.steps else ""
        return "", ""

    def names(self, path: str) -> bool:
        """Whether a published artifact lies at a path."""
        paths = [path]
        if self._moved:
            old, new = self._moved
            paths.append(pipeline_root.moved_path(path, new, old))  # mending breaks off at times: both may be there
        try:
            return any(
                _state_of(artifact) not in UNPUBLISHED
                for one in paths
                for artifact in self._store.get_artifacts_by_uri(one)
            )
        except UnicodeEncodeError:  # a name that is no text: ML Metadata cannot hold it
            return False

    def here(self, path: str) -> str:
        """Where something lies now that ML Metadata names."""
        return self._here(path)


def is_number(text: str) -> bool:
    """Whether it can be an id, or a version."""
    return text.isdecimal() and len(text) <= _MOST_DIGITS


def _state_of(artifact: pb.Artifact) -> str:
    return str(pb.Artifact.State.Name(artifact.state))


def _rows(newest: Callable[..., list[Any]], by_id: Callable[..., list[Any]]) -> Iterator[Any]:
    """All artifacts, contexts or executions, page by page, by their ids.

    Args:
      newest: lists them.
      by_id: gets those that exist among ids.
    """
    highest = [row.id for row in newest(mlmd.ListOptions(limit=1, order_by=mlmd.OrderByField.ID, is_asc=False))]
    for first in range(1, max(highest, default=0) + 1, _PAGE):
        yield from sorted(by_id(list(range(first, first + _PAGE))), key=lambda row: int(row.id))
