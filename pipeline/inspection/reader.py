"""Reads a store of ML Metadata into the dataclasses of `snapshots`, by contexts, executions, artifacts and events.

No `filter_query` (ML Metadata 1.18 and later has none) and no SQL. A list of runs reads their contexts, and executions
only of those shown whose end was not recorded there.
"""

from __future__ import annotations

import functools
import pathlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pipeline.artifacts import previews
from pipeline.artifacts.sections import Preview
from pipeline.core import text
from pipeline.core.errors import NotFoundError, UsageError
from pipeline.core.pipeline_root import Root
from pipeline.definition.spec import Pipeline
from pipeline.inspection import lineage
from pipeline.inspection.artifacts import Artifacts
from pipeline.inspection.runs import Runs
from pipeline.inspection.views import ArtifactDetails, ArtifactRow, Continuation, Run, RunRow, RunState, sort_columns
from pipeline.metadata import references
from pipeline.metadata.store import Store
from pipeline.metadata.types import RunContext

if TYPE_CHECKING:
    from pipeline.metadata.sources import Source

_LARGEST_ID = 2**63 - 1  # ML Metadata's ids are 64 bits


class Reader:
    """Reads one store. Its client is not thread-safe: a reader belongs to the thread that made it; making one is cheap.

    It caches what it has read: make another one to see what has changed since.

    Attributes:
      pipeline: whose runs are shown with what it declares.
      root: the pipeline root that the store belongs to; None for a store without one: then there are no previews, no
        manifests and no logs.
      name: the store's file or URL, for people.
      store: the store itself.
    """

    def __init__(self, pipeline: Pipeline, source: Source, root: Root | None) -> None:
        self.pipeline = pipeline
        self.root = root
        self.name = source.name
        self.store = Store(source.connect(), root.moved() if root else None)
        self._runs = Runs(pipeline, self.store, root)
        self._artifacts = Artifacts(self.store)
        self._read: dict[str, Run] = {}

    @functools.cached_property
    def _run_contexts(self) -> list[RunContext]:
        """Of all runs, the newest first; with a thousand runs this takes as long as all else on a page."""
        return self.store.run_contexts()

    def runs(
        self,
        *,
        limit: int,
        start: int = 0,
        state: RunState | None = None,
        sort: str = "started",
        ascending: bool = False,
    ) -> tuple[list[RunRow], Continuation]:
        """Runs, the newest first unless sorted otherwise; those without a value come last.

        Args:
          limit: how many at most.
          start: how many to pass over: `Continuation.next` as a number.
          state: only those that stand so.
          sort: one of `sort_columns`.
          ascending: the other way round: with `sort="started"`, the oldest first.

        Raises:
          UsageError: no such column.
        """
        known = sort_columns()
        if sort not in known:
            raise UsageError(f"no column {sort!r}{text.closest(sort, known)} (there are: {', '.join(known)})")
        contexts = self._run_contexts
        if sort == "started":
            contexts = contexts[::-1] if ascending else contexts
            if state is None:  # the others need not be looked at
                shown = [self._runs.row(context) for context in contexts[start : start + limit]]
                return shown, Continuation(len(contexts), str(start + limit) if len(contexts) > start + limit else "")
        found = self._sorted(self._in_state(contexts, state), sort, ascending)
        return found[start : start + limit], Continuation(
            len(found), str(start + limit) if len(found) > start + limit else ""
        )

    def _in_state(self, contexts: list[RunContext], state: RunState | None) -> Iterator[RunRow]:
        rows = (self._runs.row(context) for context in contexts)
        return (row for row in rows if state is None or row.state == state)

    def _sorted(self, rows: Iterator[RunRow], sort: str, ascending: bool) -> list[RunRow]:
        found = list(rows)
        if sort == "started":
            return found
        values: dict[str, Any] = {
            row.id: row.metrics[sort] if sort in row.metrics else getattr(row, sort) for row in found
        }
        having = [row for row in found if values[row.id] is not None]
        lacking = [row for row in found if values[row.id] is None]
        return [*sorted(having, key=lambda row: values[row.id], reverse=not ascending), *lacking]

    def run_ids(self) -> list[str]:
        """Every run's id, the newest first."""
        return [context.name for context in self._run_contexts]

    def find_run(self, wanted: str) -> str:
        """The id of the run that `wanted` names: an id, the beginning of only one, `latest`, `latest~1`.

        Raises:
          NotFoundError: there is none, or more than one; suggests the nearest.
        """
        return references.find_run(wanted, self.run_ids())

    def run(self, run_id: str) -> Run:
        """A run, whole. Raises `NotFoundError` where there is none of this id."""
        context = self.store.run_context(run_id)
        if context is None:
            return self.run(self.find_run(run_id))
        if run_id not in self._read:
            self._read[run_id] = self._runs.run(context)
        return self._read[run_id]

    def previous(self, run_id: str) -> str:
        """The id of the run before this one of the same pipeline; empty for the first."""
        contexts = self._run_contexts
        place = next((number for number, context in enumerate(contexts) if context.name == run_id), len(contexts))
        pipeline = self.store.pipeline_of_run(contexts[place]) if place < len(contexts) else ""
        before = (one for one in contexts[place + 1 :] if self.store.pipeline_of_run(one) == pipeline)
        return next((context.name for context in before), "")

    def node_names(self) -> list[str]:
        """Names of the nodes of all pipelines, sorted."""
        return sorted(self.store.nodes())

    def artifacts(
        self, *, limit: int, start: int = 0, type_name: str = "", node: str = "", run_id: str = ""
    ) -> tuple[list[ArtifactRow], Continuation]:
        """Artifacts, the newest first. Raises `NotFoundError` for a type, node or run that does not exist."""
        run = self.store.run_context(self.find_run(run_id)) if run_id else None
        return self._artifacts.page(limit=limit, start=start, type_name=type_name, node=node, run=run)

    def artifact_types(self) -> list[str]:
        """Names of the types of artifact, sorted."""
        return self.store.artifact_types()

    def find_artifact(self, wanted: str) -> int:
        """The id of the artifact that `wanted` names.

        An id, the beginning of only one content digest (4 digits or more), or what a node made in a run, as
        `latest:Trainer` or `latest:Trainer:model_run`; without a key it is the node's first output.

        Raises:
          NotFoundError: there is none, or more than one; suggests the nearest.
        """
        if wanted.isdecimal() and int(wanted) <= _LARGEST_ID and self._artifacts.exists(int(wanted)):
            return int(wanted)
        found = references.find_digest(wanted, self._artifacts.contents)
        if found is not None:
            return found
        if ":" in wanted:
            return self._output(wanted)
        raise NotFoundError(
            f"no artifact {wanted}: give an id (`sae artifacts` lists them), the first digits of a digest, or RUN:NODE "
            "as in latest:Trainer"
        )

    def _output(self, wanted: str) -> int:
        """The artifact that `RUN:NODE` or `RUN:NODE:KEY` names; an id of a run may hold colons itself."""
        run_id, node, key = self._split(wanted)
        by_node = {one.node: one for one in self.run(run_id).nodes}
        found = by_node[references.find_node(node, list(by_node))]
        made = {use.key: use.artifact.id for use in reversed(found.outputs)}
        declared = self.pipeline.by_name[found.node].outputs if found.node in self.pipeline.by_name else ()
        first = next(iter(declared), "")
        if not key and first not in made:
            first = min(made, default="")
        if (key or first) in made:
            return made[key or first]
        there = f"it has: {', '.join(sorted(made))}" if made else f"the node is {found.state.value}"
        near = text.closest(key, list(made)) if key else ""
        what = f"no output {key} of {found.node}" if key else f"no output of {found.node}"
        raise NotFoundError(f"{what} in run {run_id}{near} ({there})")

    def _split(self, wanted: str) -> tuple[str, str, str]:
        run_ids = self.run_ids()
        head, _, last = wanted.rpartition(":")
        first, _, middle = head.rpartition(":")
        try:
            return references.find_run(head, run_ids), last, ""
        except NotFoundError:
            if not first:
                raise
            return references.find_run(first, run_ids), middle, last

    def artifact(self, artifact_id: int) -> ArtifactDetails:
        """An artifact, whole. Raises `NotFoundError` where there is none of this id."""
        return self._artifacts.artifact(artifact_id)

    def lineage(self, artifact_id: int) -> lineage.Lineage:
        """All that an artifact was made from, and all that was made from it. Raises `NotFoundError`."""
        if not self._artifacts.exists(artifact_id):
            raise NotFoundError(f"no artifact {artifact_id}: `sae artifacts` lists them")
        return lineage.walk(artifact_id, self._artifacts.makers, self._artifacts.readers, self._artifacts.rows_by_id)

    def preview(self, artifact: ArtifactRow) -> Preview | None:
        """What is shown of it; None where nothing was written."""
        folder = self.preview_folder(artifact)
        return previews.read(folder, artifact.type) if folder else None

    def preview_folder(self, artifact: ArtifactRow) -> pathlib.Path | None:
        """Where its preview is, or would be; None for an artifact outside the root."""
        return previews.folder_of(self.root.path, artifact.uri) if self.root else None
