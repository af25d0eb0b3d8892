"""Look-ups in ML Metadata that both runs and artifacts need, each kept for as long as a reader lives."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Collection, Iterable, Mapping, Sequence

import ml_metadata as mlmd
from ml_metadata.proto import metadata_store_pb2 as pb

from pipeline.core import file_digests, pipeline_root
from pipeline.inspection import protobuf_values
from pipeline.inspection.views import ArtifactRow
from pipeline.metadata import store

# Names of context types; the second ones are those of TFX before 0.25.
RUN_TYPES = (store.PIPELINE_RUN, "run")
NODE_TYPES = (store.NODE, "component_run")

_STATES = {
    pb.Artifact.UNKNOWN: "",
    pb.Artifact.MARKED_FOR_DELETION: "out of use",
}
# TFX puts an output into `<node>/<key>/<execution>`, and `<execution>/<index>` where there are several.
_EXECUTION_IN_URI = re.compile(r"/(\d+)(?:/\d+)?/?$")


@dataclasses.dataclass(frozen=True)
class Owner:
    """What an execution belongs to; names are empty where the store does not say."""

    run: str
    node: str
    pipeline: str


@dataclasses.dataclass(frozen=True)
class Maker:
    """The execution that made an artifact, and the key under which it did."""

    execution: int
    key: str
    owner: Owner


class Access:
    """One store. Not for several threads."""

    def __init__(self, store: mlmd.MetadataStore, moved: tuple[str, str] | None) -> None:
        """Keeps the client.

        Args:
          store: opened.
          moved: where the root lay when URIs were written, and where it lies now; None where it was not moved.
        """
        self.store = store
        self._moved = moved
        self._owners: dict[int, Owner] = {}
        self._pipelines: list[str] | None = None
        self._runs: list[pb.Context] | None = None

    def pipelines(self) -> list[str]:
        """Names of the pipelines in the store."""
        if self._pipelines is None:
            self._pipelines = [str(one.name) for one in self.store.get_contexts_by_type(store.PIPELINE)]
        return self._pipelines

    def run_contexts(self) -> list[pb.Context]:
        """The contexts of all runs, the newest first."""
        if self._runs is None:  # with a thousand runs this takes as long as all else on a page
            found = (one for kind in RUN_TYPES for one in self.store.get_contexts_by_type(kind))
            self._runs = protobuf_values.newest_first(found)
        return self._runs

    def run_context(self, run_id: str) -> pb.Context | None:
        """The context of a run; None where there is none of this id."""
        found = (self.store.get_context_by_type_and_name(kind, run_id) for kind in RUN_TYPES)
        return next((context for context in found if context is not None), None)

    def pipeline_of_run(self, context: pb.Context) -> str:
        """Name of the pipeline that a run is of."""
        pipelines = self.pipelines()
        if len(pipelines) == 1:
            return pipelines[0]
        parents = self.store.get_parent_contexts_by_context(context.id)
        return next((str(one.name) for one in parents if one.type == store.PIPELINE), "")

    def owner(self, execution_id: int) -> Owner:
        """Run, node and pipeline of an execution."""
        if execution_id not in self._owners:
            by_type: dict[str, str] = {}
            for context in self.store.get_contexts_by_execution(execution_id):
                by_type.setdefault(context.type, context.name)
            pipeline = by_type.get(store.PIPELINE, "")
            self._owners[execution_id] = Owner(
                next((by_type[kind] for kind in RUN_TYPES if kind in by_type), ""),
                # TFX names it `<pipeline>.<node>`.
                next((by_type[kind] for kind in NODE_TYPES if kind in by_type), "").removeprefix(f"{pipeline}."),
                pipeline,
            )
        return self._owners[execution_id]

    def executions(self, execution_ids: Collection[int]) -> dict[int, pb.Execution]:
        """Executions by id."""
        return {one.id: one for one in self.store.get_executions_by_id(execution_ids)} if execution_ids else {}

    def events_of_executions(self, execution_ids: Collection[int]) -> list[pb.Event]:
        """What executions read and wrote."""
        return list(self.store.get_events_by_execution_ids(execution_ids)) if execution_ids else []

    def events_of_artifacts(self, artifact_ids: Collection[int]) -> list[pb.Event]:
        """Who read and wrote artifacts. Long for one that many runs took over."""
        return list(self.store.get_events_by_artifact_ids(artifact_ids)) if artifact_ids else []

    def artifacts(self, artifact_ids: Collection[int]) -> list[pb.Artifact]:
        """Artifacts, those of them that there are."""
        return list(self.store.get_artifacts_by_id(artifact_ids)) if artifact_ids else []

    def makers(self, artifacts: Sequence[pb.Artifact]) -> dict[int, Maker]:
        """By the artifact's id, who made it: the first execution that wrote it; cached ones came later.

        The place of an artifact names that execution. Only where it does not, all events of the artifact are read:
        those of one that a thousand runs took over are thousands.
        """
        guesses = {one.id: int(match.group(1)) for one in artifacts if (match := _EXECUTION_IN_URI.search(one.uri))}
        wrote = {
            (event.artifact_id, event.execution_id): event
            for event in self.events_of_executions(set(guesses.values()))
            if event.type in protobuf_values.OUTPUTS
        }
        found = {artifact: wrote[artifact, guess] for artifact, guess in guesses.items() if (artifact, guess) in wrote}
        rest = [one.id for one in artifacts if one.id not in found]
        events = [event for event in self.events_of_artifacts(rest) if event.type in protobuf_values.OUTPUTS]
        for event in sorted(events, key=lambda event: event.execution_id, reverse=True):
            found[event.artifact_id] = event
        return {
            artifact: Maker(event.execution_id, protobuf_values.key_of(event)[0], self.owner(event.execution_id))
            for artifact, event in found.items()
        }

    def rows(self, artifacts: Iterable[pb.Artifact]) -> list[ArtifactRow]:
        """Artifacts as they are listed, in the same order."""
        given = list(artifacts)
        makers = self.makers(given)
        return [self._row(one, makers.get(one.id)) for one in given]

    def rows_by_id(self, artifact_ids: Collection[int]) -> Mapping[int, ArtifactRow]:
        """The same for ids, by id."""
        return {row.id: row for row in self.rows(self.artifacts(artifact_ids))}

    def _row(self, artifact: pb.Artifact, maker: Maker | None) -> ArtifactRow:
        content = artifact.custom_properties.get(file_digests.CONTENT)
        state = _STATES.get(artifact.state)
        return ArtifactRow(
            id=artifact.id,
            type=artifact.type,
            name=artifact.name,
            uri=pipeline_root.moved_path(artifact.uri, *self._moved) if self._moved else artifact.uri,
            state=pb.Artifact.State.Name(artifact.state).lower().replace("_", " ") if state is None else state,
            created=protobuf_values.when(artifact.create_time_since_epoch),
            content=content.string_value if content else "",
            run=maker.owner.run if maker else "",
            node=maker.owner.node if maker else "",
            key=maker.key if maker else "",
        )
