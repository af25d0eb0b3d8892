"""Artifacts as ML Metadata holds them: rows for a list, and one artifact whole with who made, took over and read it."""

from __future__ import annotations

import itertools
import os
import pathlib
from collections.abc import Collection, Iterator, Sequence

import ml_metadata as mlmd
from ml_metadata.proto import metadata_store_pb2 as pb

from pipeline.core import file_digests, text
from pipeline.core.errors import NotFoundError
from pipeline.inspection import protobuf_values
from pipeline.inspection.lineage import Step
from pipeline.inspection.lookups import NODE_TYPES, Access, Maker
from pipeline.inspection.views import Artifact, ArtifactRow, File, Page, Use
from pipeline.metadata import references

MOST_USES = 20  # executions listed of each kind: what each night takes over is used a thousand times
_FEW = 200  # artifacts that a node made or read, of which each is looked at
MOST_FILES = 500  # files listed of an artifact


class Artifacts:
    """Reads artifacts."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._known_steps: dict[int, Step | None] = {}  # None: cached

    def types(self) -> list[str]:
        """Names of the types of artifact, sorted."""
        return sorted(str(one.name) for one in self._access.store.get_artifact_types())

    def page(
        self, *, limit: int, start: int, type_name: str, node: str, run: pb.Context | None
    ) -> tuple[list[ArtifactRow], Page]:
        """Artifacts, the newest first; empty texts and None: any."""
        if not (type_name or node or run):
            found = self._access.store.get_artifacts(_newest(start + limit + 1))
            rows = self._access.rows(found[start : start + limit])
            return rows, Page(None, str(start + limit) if len(found) > start + limit else "")
        if node and run is None:
            found = self._made_by_node(node, type_name, start + limit + 1)
            more = len(found) > start + limit
            return self._access.rows(found[start : start + limit]), Page(None, str(start + limit) if more else "")
        matching = self._of_node(protobuf_values.newest_first(self._matching(type_name, run)), node)
        more = len(matching) > start + limit
        rows = self._access.rows(matching[start : start + limit])
        return rows, Page(len(matching), str(start + limit) if more else "")

    def _of_node(self, artifacts: list[pb.Artifact], node: str) -> list[pb.Artifact]:
        """Those that a node made; all where no node is asked for."""
        if not node:
            return artifacts
        node = references.find_node(node, list(self.nodes()))
        makers = self._access.makers(artifacts)
        return [one for one in artifacts if one.id in makers and makers[one.id].owner.node == node]

    def _matching(self, type_name: str, run: pb.Context | None) -> list[pb.Artifact]:
        """Artifacts of a type and a run."""
        self._check_type(type_name)
        store = self._access.store
        if run is None:
            return list(store.get_artifacts_by_type(type_name))
        return [one for one in store.get_artifacts_by_context(run.id) if type_name in ("", one.type)]

    def _check_type(self, type_name: str) -> None:
        known = self.types() if type_name else []
        if type_name not in ("", *known):
            near = text.closest(type_name, known)
            raise NotFoundError(f"no type {type_name}{near} (there are: {', '.join(known) or 'none'})")

    def _made_by_node(self, node: str, type_name: str, most: int) -> list[pb.Artifact]:
        """What a node made, the newest first, at least `most` of them if there are so many."""
        self._check_type(type_name)
        store, contexts = self._access.store, self._node_contexts(node)
        few = _newest(_FEW + 1)
        around = {one.id: one for context in contexts for one in store.get_artifacts_by_context(context, few)}
        if len(around) <= _FEW:  # of many runs that were cached, say
            found = self._of_node(list(around.values()), node)
            return protobuf_values.newest_first(one for one in found if type_name in ("", one.type))
        looked_at = most
        while True:
            newest = _newest(looked_at)
            executions = [one for context in contexts for one in store.get_executions_by_context(context, newest)]
            ran = {one.id for one in executions if one.last_known_state != pb.Execution.CACHED}
            events = self._access.events_of_executions(ran)
            made = self._access.artifacts({one.artifact_id for one in events if one.type in protobuf_values.OUTPUTS})
            found = protobuf_values.newest_first(one for one in made if type_name in ("", one.type))
            if len(found) >= most or len(executions) < looked_at:
                return found
            looked_at *= 4  # many were cached, or failed

    def nodes(self) -> dict[str, list[int]]:
        """Ids of the contexts of each node, by its name; one for each pipeline."""
        found: dict[str, list[int]] = {}
        pipelines = self._access.pipelines()
        for context in (one for kind in NODE_TYPES for one in self._access.store.get_contexts_by_type(kind)):
            prefix = next((f"{one}." for one in pipelines if context.name.startswith(f"{one}.")), "")
            found.setdefault(context.name.removeprefix(prefix), []).append(context.id)
        return found

    def _node_contexts(self, node: str) -> list[int]:
        known = self.nodes()
        return known[references.find_node(node, list(known))]

    def contents(self) -> dict[int, str]:
        """The content digest of every artifact that has one, by id."""
        return {
            artifact.id: artifact.custom_properties[file_digests.CONTENT].string_value
            for artifact in self._access.store.get_artifacts()
            if file_digests.CONTENT in artifact.custom_properties
        }

    def exists(self, artifact_id: int) -> bool:
        """Whether there is an artifact of this id."""
        return bool(self._access.artifacts([artifact_id]))

    def artifact(self, artifact_id: int) -> Artifact:
        """An artifact, whole. Raises `NotFoundError` where there is none of this id."""
        found = self._access.artifacts([artifact_id])
        if not found:
            raise NotFoundError(f"no artifact {artifact_id}: `sae artifacts` lists them")
        [row] = self._access.rows(found)
        properties = protobuf_values.properties_of(found[0])
        noted = properties.pop(file_digests.FILES, None)
        properties.pop(file_digests.EARLIER, None)
        taken, used, cut = self._uses(artifact_id)
        files = _published(str(noted)) if noted is not None else None
        there = _is_there(row.uri)
        listed = files if files is not None else _files_of(pathlib.Path(row.uri)) if there else ()
        return Artifact(
            row=row,
            properties=properties,
            made_by=self._made_by(found[0]),
            taken_by=taken,
            used_by=used,
            cut=cut,
            files=tuple(listed[:MOST_FILES]),
            files_cut=max(0, len(listed) - MOST_FILES),
            gone=there is False,
        )

    def _made_by(self, artifact: pb.Artifact) -> Use | None:
        maker: Maker | None = self._access.makers([artifact]).get(artifact.id)
        if maker is None:
            return None
        owner, when = maker.owner, protobuf_values.when(artifact.create_time_since_epoch)
        return Use(maker.execution, owner.run, owner.node, maker.key, False, when)

    def _uses(self, artifact_id: int) -> tuple[tuple[Use, ...], tuple[Use, ...], int]:
        """Who took it over, who read it, and how many are not listed."""
        events = protobuf_values.newest_first_by_execution(self._access.events_of_artifacts([artifact_id]))
        wrote = [event for event in events if event.type in protobuf_values.OUTPUTS]
        read = [event for event in events if event.type in protobuf_values.INPUTS]
        taken, used = wrote[:-1], read  # the first that wrote it made it
        cut = max(0, len(taken) - MOST_USES) + max(0, len(used) - MOST_USES)
        shown = [taken[:MOST_USES], used[:MOST_USES]]
        executions = self._access.executions({event.execution_id for events in shown for event in events})
        taken_by, used_by = (tuple(self._use(one, executions.get(one.execution_id)) for one in part) for part in shown)
        return taken_by, used_by, cut

    def _use(self, event: pb.Event, execution: pb.Execution | None) -> Use:
        owner = self._access.owner(event.execution_id)
        cached = execution is not None and execution.last_known_state == pb.Execution.CACHED
        key, _ = protobuf_values.key_of(event)
        return Use(
            event.execution_id, owner.run, owner.node, key, cached, protobuf_values.when(event.milliseconds_since_epoch)
        )

    def makers(self, artifact_ids: Collection[int]) -> list[Step]:
        """The executions that made any of these artifacts."""
        made = self._access.makers(self._access.artifacts(artifact_ids))
        return self._steps({maker.execution for maker in made.values()})

    def readers(self, artifact_ids: Collection[int]) -> list[Step]:
        """The executions that read any of these artifacts, but for cached ones."""
        events = self._access.events_of_artifacts(artifact_ids)
        return self._steps({event.execution_id for event in events if event.type in protobuf_values.INPUTS})

    def _steps(self, execution_ids: Collection[int]) -> list[Step]:
        new = [number for number in execution_ids if number not in self._known_steps]
        self._known_steps.update(dict.fromkeys(new))
        self._known_steps.update({step.execution: step for step in self._read_steps(new)})
        found = (self._known_steps[number] for number in sorted(execution_ids))
        return [step for step in found if step is not None]

    def _read_steps(self, execution_ids: Collection[int]) -> Iterator[Step]:
        sides: dict[tuple[int, bool], set[int]] = {}
        first: dict[int, int] = {}  # of those given, the first execution that wrote an artifact
        for event in self._access.events_of_executions(execution_ids):
            wrote = event.type in protobuf_values.OUTPUTS
            sides.setdefault((event.execution_id, wrote), set()).add(event.artifact_id)
            if wrote:
                first[event.artifact_id] = min(event.execution_id, first.get(event.artifact_id, event.execution_id))
        # The others took over what these made. To read the state of thousands to see that would take long.
        without_outputs = {number for number in execution_ids if (number, True) not in sides}
        for number, execution in self._access.executions({*first.values(), *without_outputs}).items():
            if execution.last_known_state != pb.Execution.CACHED:
                owner = self._access.owner(number)
                inputs, outputs = (tuple(sorted(sides.get((number, wrote), ()))) for wrote in (False, True))
                yield Step(number, owner.run, owner.node, execution.type, inputs, outputs)


def _newest(limit: int) -> mlmd.ListOptions:
    return mlmd.ListOptions(limit=limit, order_by=mlmd.OrderByField.ID, is_asc=False)


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
    """The files that lie in a folder, one more than are listed at most."""
    if folder.is_file():
        return [File(folder.name, folder.stat().st_size)]

    def files() -> Iterator[File]:
        for place, folders, found in os.walk(folder):  # does not follow links
            folders.sort()
            for name in sorted(found):
                path = pathlib.Path(place, name)
                yield File(str(path.relative_to(folder)), path.lstat().st_size)

    return sorted(itertools.islice(files(), MOST_FILES + 1), key=lambda file: file.name)
