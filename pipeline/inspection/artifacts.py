"""Read artifacts: rows of a list, one artifact with its uses and files, and the executions of its lineage."""

from __future__ import annotations

import dataclasses
import itertools
import os
import pathlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from pipeline.artifacts.types import StoredArtifact
from pipeline.core import text
from pipeline.core.errors import NotFoundError
from pipeline.core.events import NodeState
from pipeline.core.pipeline_root import Root
from pipeline.inspection.file_places import FilePlaces, is_remote
from pipeline.inspection.lineage import Step
from pipeline.inspection.views import UNFINISHED_STATES, ArtifactDetails, ArtifactRow, Continuation, ExecutionUse, File
from pipeline.metadata import properties, references, root_store
from pipeline.metadata.store import Store
from pipeline.metadata.types import Artifact, Event, Execution, Maker, RunContext

_STATES = {"UNKNOWN": "", "MARKED_FOR_DELETION": "out of use"}  # other states are shown in lower case
_INCOMPLETE = UNFINISHED_STATES[-1]
MOST_USES = 20  # executions listed of each kind; an artifact that nightly runs reuse has a thousand
_FEW = 200  # of up to this number of artifacts in a node's context, the maker of each is read
MOST_FILES = 500  # files listed of an artifact
_LISTS_OF_FILES = (properties.FILES, properties.EARLIER_FILES)  # shown as files, not as properties


def rows_of(store: Store, artifacts: Sequence[Artifact]) -> list[ArtifactRow]:
    """Return rows of a list, in the same order."""
    makers = store.makers_of(artifacts)
    executions = store.executions_by_id({one.execution for one in makers.values()})
    return [_row(one, makers.get(one.id), executions) for one in artifacts]


def _state(artifact: Artifact, execution: Execution | None) -> str:
    """Return the state of an artifact, given the execution that made it."""
    if artifact.state in ("LIVE", "UNKNOWN") and execution is not None and not execution.is_complete:
        return _INCOMPLETE
    return _STATES.get(artifact.state, artifact.state.lower().replace("_", " "))


def _row(artifact: Artifact, maker: Maker | None, executions: Mapping[int, Execution]) -> ArtifactRow:
    execution = executions.get(maker.execution) if maker else None
    return ArtifactRow(
        id=artifact.id,
        type=artifact.type,
        name=artifact.name,
        uri=artifact.uri,
        state=_state(artifact, execution),
        created=artifact.created,
        content=artifact.content,
        run=maker.owner.run if maker else "",
        node=maker.owner.node if maker else "",
        key=maker.key if maker else "",
        command=properties.command_of(execution.type) if maker and execution and not maker.owner.node else "",
    )


class Artifacts:
    """Reads the artifacts of a store."""

    def __init__(self, store: Store, places: FilePlaces, root: Root | None) -> None:
        self._store = store
        self._places = places
        self._root = root
        self._known_steps: dict[int, Step | None] = {}  # None: cached

    def page(
        self, *, limit: int, start: int, type_name: str, node: str, run: RunContext | None, state: str
    ) -> tuple[list[ArtifactRow], Continuation]:
        """Return artifacts, newest first, of a type, node, run and state; an empty text or None means any.

        With a filter but the state, those that never came to be are left out.
        """
        end = start + limit
        left_out = 0
        total = None
        if not (type_name or node or run or state):
            found = self._store.newest_artifacts(end + 1)
        elif node and run is None:
            found, left_out = self._made_by_node(node, type_name, state, end + 1)
        else:
            found, left_out = self._in_state(self._of_node(self._matching(type_name, run), node), state)
            total = len(found)
        page = Continuation(total, str(end) if len(found) > end else "", left_out)
        return rows_of(self._store, found[start:end]), page

    def _in_state(self, artifacts: list[Artifact], state: str) -> tuple[list[Artifact], int]:
        """Return the artifacts in a state; without one, those that came to be, and the number of the others."""
        # In a root, outputs of executions that did not complete are abandoned.
        makers = self._store.making_executions(artifacts) if self._root is None or state == _INCOMPLETE else {}
        states = {one.id: _state(one, makers.get(one.id)) for one in artifacts}
        if state:
            return [one for one in artifacts if states[one.id] == state], 0
        found = [one for one in artifacts if states[one.id] not in UNFINISHED_STATES]
        return found, len(artifacts) - len(found)

    def _of_node(self, artifacts: list[Artifact], node: str) -> list[Artifact]:
        if not node:
            return artifacts
        node = references.find_node(node, list(self._store.nodes()))
        makers = self._store.makers_of(artifacts)
        return [one for one in artifacts if one.id in makers and makers[one.id].owner.node == node]

    def _matching(self, type_name: str, run: RunContext | None) -> list[Artifact]:
        self._check_type(type_name)
        if run:
            found: Iterable[Artifact] = self._store.artifacts_of_context(run.id)
        elif type_name:
            found = self._store.artifacts_of_type(type_name)
        else:
            found = self._store.all_artifacts()
        return _newest_first(found, type_name)

    def _check_type(self, type_name: str) -> None:
        known = self._store.artifact_types() if type_name else []
        if type_name not in ("", *known):
            near = text.closest(type_name, known)
            raise NotFoundError(f"no type {type_name}{near} (there are: {', '.join(known) or 'none'})")

    def _made_by_node(self, node: str, type_name: str, state: str, limit: int) -> tuple[list[Artifact], int]:
        """Return a node's artifacts as `_in_state` does, newest first; at least `limit`, if there are so many."""
        self._check_type(type_name)
        known = self._store.nodes()
        contexts = known[references.find_node(node, list(known))]
        few = {one.id: one for context in contexts for one in self._store.artifacts_of_context(context, _FEW + 1)}
        if len(few) <= _FEW:
            return self._in_state(_newest_first(self._of_node(list(few.values()), node), type_name), state)
        considered = limit
        while True:
            executions = [one for context in contexts for one in self._store.newest_executions(context, considered)]
            ran = {one.id for one in executions if one.state != NodeState.CACHED}
            wrote = {event.artifact for event in self._store.events_of_executions(ran) if event.wrote}
            found = self._in_state(_newest_first(self._store.artifacts_by_id(wrote), type_name), state)
            if len(found[0]) >= limit or len(executions) < considered:
                return found
            considered *= 4  # many were cached, or failed

    def contents(self) -> dict[int, str]:
        """Return the content digest of every artifact that has one, by id."""
        return {artifact.id: artifact.content for artifact in self._store.all_artifacts() if artifact.content}

    def exists(self, artifact_id: int) -> bool:
        """Return whether there is an artifact with this id."""
        return self._find(artifact_id) is not None

    def _find(self, artifact_id: int) -> Artifact | None:
        return next(iter(self._store.artifacts_by_id([artifact_id])), None)

    def is_removed(self, artifact_id: int) -> bool:
        """Return whether executions name an artifact that does not exist."""
        return not self.exists(artifact_id) and bool(self._store.events_of_artifacts([artifact_id]))

    def not_found(self, artifact_id: int) -> NotFoundError:
        """Return the error for an artifact that does not exist, or does no longer."""
        if not self.is_removed(artifact_id):
            return NotFoundError(f"no artifact {artifact_id}: `sae artifacts` lists them")
        found = f"artifact {artifact_id} was deleted from ML Metadata, only the executions that used it name it"
        if self._root is None:
            return NotFoundError(f"{found}: an earlier copy of the store may contain it")
        command = root_store.of(self._root).restore_command
        return NotFoundError(f"{found}: {command} goes back to a copy of the store that may contain it")

    def artifact(self, artifact_id: int) -> ArtifactDetails:
        """Return an artifact with its uses and files. Raises `NotFoundError` if it does not exist."""
        one = self._find(artifact_id)
        if one is None:
            raise self.not_found(artifact_id)
        maker = self._store.makers_of([one]).get(artifact_id)
        row = _row(one, maker, self._store.executions_by_id([maker.execution] if maker else []))
        reused, used, cut = self._uses(artifact_id)
        place = self._places.find(row.uri)
        if one.files is not None:
            files = [File(name, file.size, file.digest) for name, file in sorted(one.files.items())]
        else:
            files = _files_in(pathlib.Path(place)) if place else []
        return ArtifactDetails(
            row=dataclasses.replace(row, uri=place or row.uri),
            properties={name: value for name, value in one.properties.items() if name not in _LISTS_OF_FILES},
            made_by=(
                ExecutionUse(maker.execution, row.run, row.node, row.key, False, row.created, row.command)
                if maker
                else None
            ),
            taken_by=reused,
            used_by=used,
            cut=cut,
            files=tuple(files[:MOST_FILES]),
            files_cut=max(0, len(files) - MOST_FILES),
            gone=not place and not is_remote(row.uri),
        )

    def beside(self, artifact: ArtifactDetails) -> list[ArtifactRow]:
        """Return the other outputs of the execution that made an artifact."""
        events = self._store.events_of_executions([artifact.made_by.execution]) if artifact.made_by else []
        others = {one.artifact for one in events if one.wrote} - {artifact.row.id}
        return rows_of(self._store, self._store.artifacts_by_id(others))

    def stored(self, artifact_id: int) -> StoredArtifact | None:
        """Return an artifact with the folder that it is in here; None if it does not exist.

        If no folder was found, it is that of its URI.
        """
        one = self._find(artifact_id)
        if one is None:
            return None
        place = self._places.find(one.uri) or one.uri
        values = {name: value for name, value in one.properties.items() if isinstance(value, (str, int, float))}
        return StoredArtifact(one.type, pathlib.Path(place), values)

    def _uses(self, artifact_id: int) -> tuple[tuple[ExecutionUse, ...], tuple[ExecutionUse, ...], int]:
        """Return the executions that reused it, those that read it, and the number of executions left out."""
        events = self._store.events_of_artifacts([artifact_id])
        events = sorted(events, key=lambda event: event.execution, reverse=True)
        wrote = [event for event in events if event.wrote]
        read = [event for event in events if not event.wrote]
        reused = wrote[:-1]  # the oldest one made it
        cut = max(0, len(reused) - MOST_USES) + max(0, len(read) - MOST_USES)
        shown = [reused[:MOST_USES], read[:MOST_USES]]
        executions = self._store.executions_by_id({event.execution for events in shown for event in events})
        reused_by, used_by = (tuple(self._use(one, executions.get(one.execution)) for one in part) for part in shown)
        return reused_by, used_by, cut

    def _use(self, event: Event, execution: Execution | None) -> ExecutionUse:
        owner = self._store.owner(event.execution)
        cached = execution is not None and execution.state == NodeState.CACHED
        command = properties.command_of(execution.type) if execution is not None else ""
        return ExecutionUse(event.execution, owner.run, owner.node, event.key, cached, event.when, command)

    def makers(self, artifact_ids: Collection[int]) -> list[Step]:
        """Return the executions that made any of these artifacts."""
        made = self._store.makers_of(self._store.named_artifacts(artifact_ids))
        return self._steps({maker.execution for maker in made.values()})

    def readers(self, artifact_ids: Collection[int]) -> list[Step]:
        """Return the executions that read any of these artifacts, except cached ones."""
        events = self._store.events_of_artifacts(artifact_ids)
        return self._steps({event.execution for event in events if not event.wrote})

    def rows_by_id(self, artifact_ids: Collection[int]) -> Mapping[int, ArtifactRow]:
        """Return rows of a list of artifacts that events name, by id."""
        return {row.id: row for row in rows_of(self._store, self._store.named_artifacts(artifact_ids))}

    def _steps(self, execution_ids: Collection[int]) -> list[Step]:
        new = [number for number in execution_ids if number not in self._known_steps]
        self._known_steps.update(dict.fromkeys(new))
        self._known_steps.update({step.execution: step for step in self._read_steps(new)})
        found = (self._known_steps[number] for number in sorted(execution_ids))
        return [step for step in found if step is not None]

    def _read_steps(self, execution_ids: Collection[int]) -> Iterator[Step]:
        sides: dict[tuple[int, bool], set[int]] = {}
        first: dict[int, int] = {}  # the first of these executions that wrote an artifact, by artifact
        for event in self._store.events_of_executions(execution_ids):
            sides.setdefault((event.execution, event.wrote), set()).add(event.artifact)
            if event.wrote:
                first[event.artifact] = min(event.execution, first.get(event.artifact, event.execution))
        # The others were cached; reading the states of thousands of executions would take long.
        without_outputs = {number for number in execution_ids if (number, True) not in sides}
        for number, execution in self._store.executions_by_id({*first.values(), *without_outputs}).items():
            if execution.state != NodeState.CACHED:
                owner = self._store.owner(number)
                inputs, outputs = (tuple(sorted(sides.get((number, wrote), ()))) for wrote in (False, True))
                yield Step(number, owner.run, owner.node, execution.type, inputs, outputs)


def _newest_first(artifacts: Iterable[Artifact], type_name: str) -> list[Artifact]:
    return sorted((one for one in artifacts if type_name in ("", one.type)), key=lambda one: one.id, reverse=True)


def _files_in(folder: pathlib.Path) -> list[File]:
    """Return the files in a folder, at most one more than are listed."""
    if folder.is_file():
        return [File(folder.name, folder.stat().st_size)]

    def files() -> Iterator[File]:
        for place, folders, found in os.walk(folder):  # does not follow links
            folders.sort()
            for name in sorted(found):
                path = pathlib.Path(place, name)
                yield File(str(path.relative_to(folder)), path.lstat().st_size)

    return sorted(itertools.islice(files(), MOST_FILES + 1), key=lambda file: file.name)
