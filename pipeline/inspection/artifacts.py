"""Artifacts: rows for a list, and one artifact with all that made, reused and read it."""

from __future__ import annotations

import itertools
import os
import pathlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from pipeline.core import file_digests, text
from pipeline.core.errors import NotFoundError
from pipeline.core.events import NodeState
from pipeline.inspection.lineage import Step
from pipeline.inspection.views import ArtifactDetails, ArtifactRow, Continuation, ExecutionUse, File
from pipeline.metadata import references
from pipeline.metadata.properties import EARLIER_FILES, FILES
from pipeline.metadata.store import Store
from pipeline.metadata.types import Artifact, Event, Execution, Maker, RunContext

_STATES = {"UNKNOWN": "", "MARKED_FOR_DELETION": "out of use"}  # the others in lower case
MOST_USES = 20  # executions listed of each kind: what each night reuses is used a thousand times
_FEW = 200  # artifacts that a node made or read, of which each is looked at
MOST_FILES = 500  # files listed of an artifact


def rows_of(store: Store, artifacts: Sequence[Artifact]) -> list[ArtifactRow]:
    """Artifacts as they are listed, in the same order."""
    makers = store.makers_of(artifacts)
    return [_row(one, makers.get(one.id)) for one in artifacts]


def _row(artifact: Artifact, maker: Maker | None) -> ArtifactRow:
    state = _STATES.get(artifact.state)
    return ArtifactRow(
        id=artifact.id,
        type=artifact.type,
        name=artifact.name,
        uri=artifact.uri,
        state=artifact.state.lower().replace("_", " ") if state is None else state,
        created=artifact.created,
        content=artifact.content,
        run=maker.owner.run if maker else "",
        node=maker.owner.node if maker else "",
        key=maker.key if maker else "",
    )


class Artifacts:
    """Reads artifacts."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known_steps: dict[int, Step | None] = {}  # None: cached

    def page(
        self, *, limit: int, start: int, type_name: str, node: str, run: RunContext | None
    ) -> tuple[list[ArtifactRow], Continuation]:
        """Artifacts, the newest first; empty texts and None: any."""
        end = start + limit
        if not (type_name or node or run):
            found, total = self._store.newest_artifacts(end + 1), None
        elif node and run is None:
            found, total = self._made_by_node(node, type_name, end + 1), None
        else:
            found = self._of_node(_newest_first(self._matching(type_name, run)), node)
            total = len(found)
        return rows_of(self._store, found[start:end]), Continuation(total, str(end) if len(found) > end else "")

    def _of_node(self, artifacts: list[Artifact], node: str) -> list[Artifact]:
        """Those that a node made; all where no node is asked for."""
        if not node:
            return artifacts
        node = references.find_node(node, list(self._store.nodes()))
        makers = self._store.makers_of(artifacts)
        return [one for one in artifacts if one.id in makers and makers[one.id].owner.node == node]

    def _matching(self, type_name: str, run: RunContext | None) -> list[Artifact]:
        """Artifacts of a type and a run."""
        self._check_type(type_name)
        if run is None:
            return self._store.artifacts_of_type(type_name)
        return [one for one in self._store.artifacts_of_context(run.id) if type_name in ("", one.type)]

    def _check_type(self, type_name: str) -> None:
        known = self._store.artifact_types() if type_name else []
        if type_name not in ("", *known):
            near = text.closest(type_name, known)
            raise NotFoundError(f"no type {type_name}{near} (there are: {', '.join(known) or 'none'})")

    def _made_by_node(self, node: str, type_name: str, most: int) -> list[Artifact]:
        """What a node made, the newest first, at least `most` of them if there are so many."""
        self._check_type(type_name)
        known = self._store.nodes()
        contexts = known[references.find_node(node, list(known))]
        around = {one.id: one for context in contexts for one in self._store.artifacts_of_context(context, _FEW + 1)}
        if len(around) <= _FEW:  # of many runs that were cached, say
            found = self._of_node(list(around.values()), node)
            return _newest_first(one for one in found if type_name in ("", one.type))
        looked_at = most
        while True:
            executions = [one for context in contexts for one in self._store.newest_executions(context, looked_at)]
            ran = {one.id for one in executions if one.state != NodeState.CACHED}
            wrote = {event.artifact for event in self._store.events_of_executions(ran) if event.wrote}
            found = self._store.artifacts_by_id(wrote)
            found = _newest_first(one for one in found if type_name in ("", one.type))
            if len(found) >= most or len(executions) < looked_at:
                return found
            looked_at *= 4  # many were cached, or failed

    def contents(self) -> dict[int, str]:
        """The content digest of every artifact that has one, by id."""
        return {artifact.id: artifact.content for artifact in self._store.all_artifacts() if artifact.content}

    def exists(self, artifact_id: int) -> bool:
        """Whether there is an artifact of this id."""
        return bool(self._store.artifacts_by_id([artifact_id]))

    def artifact(self, artifact_id: int) -> ArtifactDetails:
        """An artifact, whole. Raises `NotFoundError` where there is none of this id."""
        found = self._store.artifacts_by_id([artifact_id])
        if not found:
            raise NotFoundError(f"no artifact {artifact_id}: `sae artifacts` lists them")
        maker = self._store.makers_of(found).get(artifact_id)
        row = _row(found[0], maker)
        properties = dict(found[0].properties)
        noted = properties.pop(FILES, None)
        properties.pop(EARLIER_FILES, None)
        taken, used, cut = self._uses(artifact_id)
        files = _published(str(noted)) if noted is not None else None
        there = _is_there(row.uri)
        listed = files if files is not None else _files_of(pathlib.Path(row.uri)) if there else ()
        return ArtifactDetails(
            row=row,
            properties=properties,
            made_by=_made_by(maker, row),
            taken_by=taken,
            used_by=used,
            cut=cut,
            files=tuple(listed[:MOST_FILES]),
            files_cut=max(0, len(listed) - MOST_FILES),
            gone=there is False,
        )

    def _uses(self, artifact_id: int) -> tuple[tuple[ExecutionUse, ...], tuple[ExecutionUse, ...], int]:
        """Which executions reused it, which read it, and how many are not listed."""
        events = self._store.events_of_artifacts([artifact_id])
        events = sorted(events, key=lambda event: event.execution, reverse=True)
        wrote = [event for event in events if event.wrote]
        read = [event for event in events if not event.wrote]
        reused = wrote[:-1]  # the first that wrote it made it
        cut = max(0, len(reused) - MOST_USES) + max(0, len(read) - MOST_USES)
        shown = [reused[:MOST_USES], read[:MOST_USES]]
        executions = self._store.executions_by_id({event.execution for events in shown for event in events})
        taken_by, used_by = (tuple(self._use(one, executions.get(one.execution)) for one in part) for part in shown)
        return taken_by, used_by, cut

    def _use(self, event: Event, execution: Execution | None) -> ExecutionUse:
        owner = self._store.owner(event.execution)
        cached = execution is not None and execution.state == NodeState.CACHED
        return ExecutionUse(event.execution, owner.run, owner.node, event.key, cached, event.when)

    def makers(self, artifact_ids: Collection[int]) -> list[Step]:
        """The executions that made any of these artifacts."""
        made = self._store.makers_of(self._store.artifacts_by_id(artifact_ids))
        return self._steps({maker.execution for maker in made.values()})

    def readers(self, artifact_ids: Collection[int]) -> list[Step]:
        """The executions that read any of these artifacts, but for cached ones."""
        events = self._store.events_of_artifacts(artifact_ids)
        return self._steps({event.execution for event in events if not event.wrote})

    def rows_by_id(self, artifact_ids: Collection[int]) -> Mapping[int, ArtifactRow]:
        """Artifacts as they are listed, by id."""
        return {row.id: row for row in rows_of(self._store, self._store.artifacts_by_id(artifact_ids))}

    def _steps(self, execution_ids: Collection[int]) -> list[Step]:
        new = [number for number in execution_ids if number not in self._known_steps]
        self._known_steps.update(dict.fromkeys(new))
        self._known_steps.update({step.execution: step for step in self._read_steps(new)})
        found = (self._known_steps[number] for number in sorted(execution_ids))
        return [step for step in found if step is not None]

    def _read_steps(self, execution_ids: Collection[int]) -> Iterator[Step]:
        sides: dict[tuple[int, bool], set[int]] = {}
        first: dict[int, int] = {}  # of those given, the first execution that wrote an artifact
        for event in self._store.events_of_executions(execution_ids):
            sides.setdefault((event.execution, event.wrote), set()).add(event.artifact)
            if event.wrote:
                first[event.artifact] = min(event.execution, first.get(event.artifact, event.execution))
        # The others reused what these made. To read the state of thousands to see that would take long.
        without_outputs = {number for number in execution_ids if (number, True) not in sides}
        for number, execution in self._store.executions_by_id({*first.values(), *without_outputs}).items():
            if execution.state != NodeState.CACHED:
                owner = self._store.owner(number)
                inputs, outputs = (tuple(sorted(sides.get((number, wrote), ()))) for wrote in (False, True))
                yield Step(number, owner.run, owner.node, execution.type, inputs, outputs)


def _newest_first(artifacts: Iterable[Artifact]) -> list[Artifact]:
    return sorted(artifacts, key=lambda artifact: artifact.id, reverse=True)


def _made_by(maker: Maker | None, row: ArtifactRow) -> ExecutionUse | None:
    if maker is None:
        return None
    return ExecutionUse(maker.execution, maker.owner.run, maker.owner.node, maker.key, False, row.created)


def _published(noted: str) -> list[File] | None:
    """Files as they were published; None where the note cannot be read."""
    try:
        files = file_digests.from_text(noted)
    except (KeyError, ValueError, TypeError):
        return None
    return [File(name, one.size, one.digest) for name, one in sorted(files.items())]


def _is_there(uri: str) -> bool | None:
    """Whether anything is at an artifact's place; None for a place that is not on this machine."""
    if "://" in uri:
        return None
    return bool(uri) and os.path.lexists(uri)


def _files_of(folder: pathlib.Path) -> Sequence[File]:
    """The files in a folder, one more than are listed at most."""
    if folder.is_file():
        return [File(folder.name, folder.stat().st_size)]

    def files() -> Iterator[File]:
        for place, folders, found in os.walk(folder):  # does not follow links
            folders.sort()
            for name in sorted(found):
                path = pathlib.Path(place, name)
                yield File(str(path.relative_to(folder)), path.lstat().st_size)

    return sorted(itertools.islice(files(), MOST_FILES + 1), key=lambda file: file.name)
