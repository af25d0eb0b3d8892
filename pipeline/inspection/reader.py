"""Answer questions about a store of ML Metadata with the dataclasses of `views` and `lineage`.

Contexts, executions, artifacts and events are followed: ML Metadata 1.18 and later has no `filter_query`. A list of
runs reads their contexts, and executions only of those shown whose end is not recorded there.
"""

from __future__ import annotations

import functools
import itertools
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from components import int64
from pipeline.artifacts import previews, types
from pipeline.artifacts.sections import Preview
from pipeline.core import root_lock, text
from pipeline.core.dataset import Dataset
from pipeline.core.errors import NotFoundError, SaeError
from pipeline.core.pipeline_root import Root
from pipeline.definition.spec import Pipeline
from pipeline.inspection import lineage, run_filter
from pipeline.inspection.artifacts import Artifacts
from pipeline.inspection.file_places import FilePlaces
from pipeline.inspection.run_filter import Condition
from pipeline.inspection.runs import Runs
from pipeline.inspection.sessions import CellGroup, grouped, row_of
from pipeline.inspection.views import ArtifactDetails, ArtifactRow, Continuation, Run, RunRow, RunState
from pipeline.metadata import references, run_properties
from pipeline.metadata.properties import PIPELINE_NAME
from pipeline.metadata.store import Store
from pipeline.metadata.types import RunContext

if TYPE_CHECKING:
    from pipeline.metadata.sources import Source


class Reader:
    """Reads one store. It is not thread-safe: each thread makes its own, which is cheap.

    It caches what it has read: make another one to see later changes.

    Attributes:
      pipeline: declares how its runs are shown.
      root: the pipeline root of the store; None for a store alone, which has no previews, manifests and logs.
      name: the store's file, or its URL without the password.
      store: the store itself.
      store_state: differs if the store changed before this reader was made; None if that is not known.
    """

    def __init__(self, pipeline: Pipeline, source: Source, root: Root | None, places: FilePlaces) -> None:
        self.pipeline = pipeline
        self.root = root
        self.name = source.name
        self.store_state = source.state()
        self.store = Store(source.connect(), root.moved() if root else None)
        self._runs = Runs(pipeline, self.store, root)
        self._artifacts = Artifacts(self.store, places, root)
        self._read: dict[str, Run] = {}

    def runs(
        self,
        *,
        limit: int,
        start: int = 0,
        state: RunState | None = None,
        pipeline: str = "",
        sort: str = "started",
        ascending: bool = False,
        where: Sequence[Condition] = (),
        sessions: bool = False,
    ) -> tuple[list[RunRow], Continuation]:
        """Return rows of a list of runs; those without a value in the column come last.

        Args:
          limit: maximum number of rows.
          start: number of rows to skip: `Continuation.next`.
          state: return only runs in this state.
          pipeline: return only runs of this pipeline; empty: of all.
          sort: one of `sort_columns`, or a setting.
          ascending: sort ascending instead of descending.
          where: return only runs for which all of these hold.
          sessions: return the cells of a notebook's session as one `SessionRow`; `limit`, `start` and the filters count
            it as one run.

        Raises:
          UsageError: `sort` or a condition names neither a column nor a setting of a run.
          NotFoundError: there is no such pipeline.
        """
        contexts, end = self._runs.contexts, start + limit
        if pipeline:
            pipeline = references.find_pipeline(pipeline, self.pipelines())
            contexts = [one for one in contexts if self.store.pipeline_of_run(one) == pipeline]
        groups = grouped(self.store, contexts) if sessions else [CellGroup((one,)) for one in contexts]
        if sort == "started" and ascending:
            groups = groups[::-1]
        if sort == "started" and state is None and not where:  # rows that are not shown need not be read
            return self._rows(groups[start:end]), _continuation(len(groups), end)
        rows = self._rows(groups)
        for name in (sort, *(one.name for one in where)):
            run_filter.check(name, rows, self.pipeline.declared_metrics)
        rows = [row for row in rows if state in (None, row.state) and all(one.holds(row) for one in where)]
        if sort != "started":
            rows = run_filter.by_value(rows, sort, ascending)
        return rows[start:end], _continuation(len(rows), end)

    def _rows(self, groups: Sequence[CellGroup]) -> list[RunRow]:
        rows = iter(self._runs.rows([context for group in groups for context in group.contexts]))
        return [row_of(group, list(itertools.islice(rows, len(group.contexts)))) for group in groups]

    def triggered(self, matches: Callable[[str], bool]) -> list[tuple[RunContext, RunRow]]:
        """Return the runs whose trigger matches, newest first, each with its context."""
        recorded = ((one, one.properties.get(run_properties.START_PROPERTY)) for one in self._runs.contexts)
        found = [context for context, text in recorded if isinstance(text, str) and matches(text)]
        return list(zip(found, self._runs.rows(found), strict=True))

    def starting(self) -> root_lock.Holder | None:
        """Return the process of a run that is not recorded yet, because it still imports its libraries; None: none."""
        held = root_lock.holder(self.root.lock_file) if self.root else None
        return held if held and held.run and self.store.run_context(held.run) is None else None

    def run_ids(self) -> list[str]:
        """Return the ids of all runs, newest first."""
        return [context.name for context in self._runs.contexts]

    def find_run(self, wanted: str) -> str:
        """Return the id of the run that `wanted` names. Raises `NotFoundError` like `references.find_run`."""
        # To read all runs takes a second if there are 10,000: an id, and `latest`, are found without it.
        context = self.store.run_context(wanted) if wanted else None
        if context is not None and context.name == wanted:  # some databases ignore case
            return wanted
        back = references.steps_back(wanted)
        if back is not None and back < len(self._newest_run_ids):
            return self._newest_run_ids[back]
        return references.find_run(wanted, self.run_ids())

    @functools.cached_property
    def _newest_run_ids(self) -> list[str]:
        return self.store.newest_run_ids()

    def run(self, run_id: str) -> Run:
        """Return a run with its nodes, by its id or another name of it. Raises `NotFoundError`."""
        context = self.store.run_context(run_id)
        if context is None:
            return self.run(self.find_run(run_id))
        if run_id not in self._read:
            self._read[run_id] = self._runs.run(context)
        return self._read[run_id]

    def slice_titles(self, run_id: str) -> Mapping[str, str]:
        """Return what people see in place of names of slices of a run; empty without its manifest."""
        data = self._data(run_id)
        return self.pipeline.data.slice_titles(data) if data else {}

    def words(self, run_id: str) -> Mapping[str, str]:
        """Return words that people see in labels and titles of a run in place of others; empty without its manifest."""
        data = self._data(run_id)
        return self.pipeline.data.words(data) if data else {}

    def _data(self, run_id: str) -> Dataset | None:
        if self.root is None or not run_id:
            return None
        from pipeline.provenance import manifest  # not for lists of runs

        try:
            return manifest.read(self.root.path, run_id, self.pipeline).data
        except SaeError:
            return None

    def previous(self, run_id: str) -> str:
        """Return the id of the previous run of the same pipeline; empty for the first."""
        older = iter(self._runs.contexts)
        this = next((one for one in older if one.name == run_id), None)
        pipeline = self.store.pipeline_of_run(this) if this else ""
        return next((one.name for one in older if self.store.pipeline_of_run(one) == pipeline), "")

    def pipelines(self) -> list[str]:
        """Return the names of all pipelines, sorted."""
        recorded = {str(one.properties.get(PIPELINE_NAME, "")) for one in self._runs.contexts}
        return sorted({*self.store.pipelines, *recorded} - {""})

    def unrecorded_columns(self) -> list[str]:
        """Return those of the columns `dataset`, `trigger`, `metrics` and `blessed` that no run has a value in."""
        missing = {"dataset", "trigger", "metrics", "blessed"}
        for context in self._runs.contexts:
            headline = run_properties.headline_of(context.properties)
            missing -= {name for name in missing if getattr(headline, name) not in (None, {})}
            if not missing:
                break
        return sorted(missing)

    def node_names(self) -> list[str]:
        """Return the names of the nodes of all pipelines, sorted."""
        return sorted(self.store.nodes())

    def artifacts(
        self, *, limit: int, start: int = 0, type_name: str = "", node: str = "", run_id: str = "", state: str = ""
    ) -> tuple[list[ArtifactRow], Continuation]:
        """Return artifacts, newest first. Raises `NotFoundError` for a type, node or run that does not exist.

        With a type, node or run, those that never came to be are left out, unless `state` asks for them.
        """
        run = self.store.run_context(self.find_run(run_id)) if run_id else None
        return self._artifacts.page(limit=limit, start=start, type_name=type_name, node=node, run=run, state=state)

    def find_artifact(self, wanted: str) -> int:
        """Return the id of the artifact that `wanted` names.

        Args:
          wanted: an id; the start of a content digest, with 4 digits or more; or RUN:NODE or RUN:NODE:KEY, an output of
            a node in a run, by default the first.

        Raises:
          NotFoundError: no artifact, or several; suggests the closest name.
        """
        number = int64.parsed(wanted)
        if number is not None and self._artifacts.exists(number):
            return number
        found = references.find_digest(wanted, self._artifacts.contents)
        if found is not None:
            return found
        if ":" in wanted:
            return self._find_output(wanted)
        if number is not None and self._artifacts.is_removed(number):
            raise self._artifacts.not_found(number)
        raise NotFoundError(
            f"no artifact {wanted}: give an id (`sae artifacts` lists them), the first digits of a digest, or RUN:NODE "
            "as in latest:Trainer"
        )

    def _find_output(self, wanted: str) -> int:
        """Return the artifact that `RUN:NODE` or `RUN:NODE:KEY` names; RUN may contain colons."""
        run_id, node, key = self._split(wanted)
        by_node = {one.node: one for one in self.run(run_id).nodes}
        found = by_node[references.find_node(node, list(by_node))]
        outputs = {use.key: use.artifact.id for use in reversed(found.outputs) if use.artifact.exists}
        unfinished = [use.artifact for use in found.outputs if not use.artifact.exists and key in ("", use.key)]
        declared = self.pipeline.by_name.get(found.node)
        if not outputs and declared and not declared.outputs:
            with_outputs = ", ".join(one.name for one in self.pipeline.nodes if one.outputs)
            raise NotFoundError(f"{found.node} has no outputs (nodes with outputs: {with_outputs})")
        first = next(iter(declared.outputs if declared else ()), "")
        if not key and first not in outputs:
            first = min(outputs, default="")
        if (key or first) in outputs:
            return outputs[key or first]
        known = f"it has: {', '.join(sorted(outputs))}" if outputs else f"the node is {found.state.value}"
        if unfinished and not (key and outputs):
            ids = ", ".join(f"{one.id} ({one.state})" for one in unfinished)
            known += f"; it has only artifacts that never came to be, give the id: {ids}"
        near = text.closest(key, list(outputs)) if key else ""
        what = f"no output {key} of {found.node}" if key else f"no output of {found.node}"
        raise NotFoundError(f"{what} in run {run_id}{near} ({known})")

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
        """Return an artifact with its uses and files. Raises `NotFoundError` if it does not exist."""
        return self._artifacts.artifact(artifact_id)

    def outputs_beside(self, artifact: ArtifactDetails) -> list[ArtifactRow]:
        """Return the other outputs of the execution that made an artifact."""
        return self._artifacts.beside(artifact)

    def lineage(self, artifact_id: int) -> lineage.Lineage:
        """Return all artifacts upstream and downstream of an artifact. Raises `NotFoundError` if it does not exist."""
        if not self._artifacts.exists(artifact_id):
            raise self._artifacts.not_found(artifact_id)
        return lineage.walk(artifact_id, self._artifacts.makers, self._artifacts.readers, self._artifacts.rows_by_id)

    def preview(self, artifact: ArtifactRow) -> Preview | None:
        """Return an artifact's preview: the one that its run wrote, or else what its files say without TensorFlow.

        None if there is neither; a file that cannot be read is a preview of one sentence.
        """
        folder = self.preview_folder(artifact)
        written = previews.read(folder, artifact.type) if folder else None
        if written is not None or artifact.unusable or (self.root and folder is None):
            return written
        kind = types.find(artifact.type)
        if not kind.payload or (self.root and not kind.preview):
            return None
        from pipeline.artifacts import payload_previews  # not for lists of runs

        stored = self._artifacts.stored(artifact.id)
        return payload_previews.read(stored, self.root) if stored else None

    def preview_folder(self, artifact: ArtifactRow) -> pathlib.Path | None:
        """Return the folder of an artifact's preview, which may not exist; None for an artifact outside a root."""
        root = self.root_of(artifact)
        return previews.folder_of(root, artifact.uri) if root else None

    def root_of(self, artifact: ArtifactRow) -> pathlib.Path | None:
        """Return the root of the store; of a store alone, the root in which the artifact was found, or None."""
        if self.root is not None:
            return self.root.path
        above = pathlib.Path(artifact.uri).parents  # of `ROOT/artifacts/NODE/OUTPUT/ID`
        if len(above) < 5 or not above[0].is_absolute():
            return None
        try:
            return above[3] if Root(above[3]).about.is_file() else None
        except (SaeError, OSError):  # no path of this machine
            return None


def _continuation(total: int, end: int) -> Continuation:
    return Continuation(total, str(end) if total > end else "")
