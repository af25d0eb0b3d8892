"""Read the nodes of a run, with what they read and wrote, its metrics and its verifications."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping, Sequence

from components.evaluation.metrics import Metric
from pipeline.core import event_log
from pipeline.core.events import NodeEnded, NodeState
from pipeline.core.pipeline_root import Root
from pipeline.definition.spec import Pipeline
from pipeline.inspection.artifacts import rows_of
from pipeline.inspection.unrecorded import skip_reason
from pipeline.inspection.views import ArtifactUse, NodeRun, NodeRunState, RunRow, RunState, VerificationRow
from pipeline.metadata import node_key, properties
from pipeline.metadata.store import Store
from pipeline.metadata.types import Artifact, Execution, Property, json_of, numbers_of

# Properties of an execution that are shown in another form, or are long and shown by `sae why`.
_HIDDEN_PROPERTIES = {
    properties.REASONS,
    properties.EXECUTION_RESULT,
    properties.CANCEL_REASON,
    properties.KILL_REASON,
    properties.KEY,
    *(f"{properties.KEY}_{part}" for part in node_key.PARTS),
}


class NodeRuns:
    """Reads the nodes of runs."""

    def __init__(self, pipeline: Pipeline, store: Store, root: Root | None) -> None:
        self._pipeline = pipeline
        self._store = store
        self._root = root

    def nodes(
        self, row: RunRow, executions: Mapping[str, Execution], used: Used, registered: Sequence[str]
    ) -> list[NodeRun]:
        """Return the nodes in the order in which they ran; those without an execution in the pipeline's order.

        Args:
          row: the run.
          executions: by node.
          used: what they read and wrote.
          registered: nodes without an execution, which a store without a root names; they come last.
        """
        events = event_log.read(self._root.path, row.id) if self._root is not None else ()
        ended = {one.event.node: one.event for one in events if isinstance(one.event, NodeEnded)}
        nodes = [self._node_run(node, one, used, row, ended.get(node)) for node, one in executions.items()]
        names = self._pipeline.names
        if row.pipeline == self._pipeline.name and set(names) > set(executions):
            nodes += [self._node_not_run(name, row, ended.get(name)) for name in names if name not in executions]
            return sorted(nodes, key=lambda one: names.index(one.node))
        nodes.sort(key=lambda one: one.execution)
        return [*nodes, *(self._node_not_run(name, row, None) for name in registered)]

    def _node_run(self, node: str, execution: Execution, used: Used, row: RunRow, ended: NodeEnded | None) -> NodeRun:
        inputs, outputs = used.by(execution, wrote=False), used.by(execution, wrote=True)
        state = NodeRunState(execution.state.value) if execution.state else NodeRunState.RUNNING
        if state == NodeRunState.RUNNING and row.state != RunState.RUNNING:
            state = NodeRunState.UNFINISHED
        error = execution.error if state in (NodeRunState.FAILED, NodeRunState.CANCELLED) else ""
        if state in (NodeRunState.EXECUTED, NodeRunState.CACHED) and (reason := self._skipped(node, outputs, used)):
            state, error = NodeRunState.SKIPPED, reason
        elif state == NodeRunState.FAILED and ended is not None:
            error = ended.reason or error  # without the text that TFX puts around it
        end = None if state == NodeRunState.RUNNING else execution.updated
        now = datetime.datetime.now(datetime.timezone.utc)
        is_unknown = self._root is None and state == NodeRunState.UNFINISHED
        return NodeRun(
            execution=execution.id,
            node=node,
            type=execution.type,
            state=state,
            started=execution.created,
            ended=end,
            seconds=((end or now) - execution.created).total_seconds()
            if execution.created and not is_unknown
            else None,
            reasons=execution.reasons,
            error=error,
            cached_from=self._cached_from(row, state, outputs),
            inputs=inputs,
            outputs=outputs,
            properties=self._parameters(execution, state, outputs, used),
            after=self._upstream(node, row, [use.artifact.node for use in inputs]),
        )

    def _parameters(
        self, execution: Execution, state: NodeRunState, outputs: Sequence[ArtifactUse], used: Used
    ) -> dict[str, Property]:
        """Return the properties of an execution that are shown; a cached one without any reused those of another."""
        found = _shown_properties(execution)
        if state == NodeRunState.CACHED and not found and outputs and execution.key is None:
            makers = self._store.making_executions([used.artifacts[outputs[0].artifact.id]])
            found = next((_shown_properties(one) for one in makers.values()), found)
        return found

    @staticmethod
    def _cached_from(row: RunRow, state: NodeRunState, outputs: Sequence[ArtifactUse]) -> str:
        """Return the run whose outputs a node reused; empty for an importer, whose output is of this run."""
        maker = outputs[0].artifact.run if outputs and state == NodeRunState.CACHED else ""
        return maker if maker != row.id else ""

    def _skipped(self, node: str, outputs: Sequence[ArtifactUse], used: Used) -> str:
        """Return why a node that succeeded counts as skipped; empty if it does not, or is of another pipeline."""
        declared = self._pipeline.by_name.get(node)
        by_key = {use.key: used.artifacts[use.artifact.id] for use in reversed(outputs)}
        return skip_reason(declared, by_key) if declared else ""

    def _upstream(self, node: str, row: RunRow, makers_of_inputs: Sequence[str] = ()) -> tuple[str, ...]:
        """Return the upstream nodes that the pipeline declares, or else those that made the inputs.

        The node beside which this one is executed is none of them: this one reads nothing from it.
        """
        if row.pipeline != self._pipeline.name or node not in self._pipeline.by_name:
            return tuple(dict.fromkeys(filter(None, makers_of_inputs)))
        declared = self._pipeline.by_name[node]
        upstream = declared.upstream - {declared.beside}
        return tuple(name for name in self._pipeline.names if name in upstream)

    def _node_not_run(self, name: str, row: RunRow, ended: NodeEnded | None) -> NodeRun:
        state = NodeRunState.WAITING if row.state == RunState.RUNNING else NodeRunState.NOT_RUN
        if ended is not None and ended.state == NodeState.SKIPPED:
            state = NodeRunState.SKIPPED
        error = ended.reason if ended else ""
        return NodeRun(0, name, "", state, None, None, None, error=error, after=self._upstream(name, row))


def _shown_properties(execution: Execution) -> dict[str, Property]:
    return {name: one for name, one in execution.properties.items() if name not in _HIDDEN_PROPERTIES}


class Used:
    """The artifacts that executions read and wrote."""

    def __init__(self, store: Store, executions: Sequence[Execution]) -> None:
        events = store.events_of_executions([execution.id for execution in executions])
        found = store.artifacts_of_events(events)
        self.artifacts: dict[int, Artifact] = {one.id: one for one in found}
        rows = {row.id: row for row in rows_of(store, found)}
        self._uses: dict[tuple[int, bool], list[ArtifactUse]] = {}
        for event in events:
            use = ArtifactUse(event.key, event.index, rows[event.artifact])
            self._uses.setdefault((event.execution, event.wrote), []).append(use)

    def by(self, execution: Execution, wrote: bool) -> tuple[ArtifactUse, ...]:
        """Return the artifacts that an execution read, or wrote, sorted by key and index."""
        return tuple(sorted(self._uses.get((execution.id, wrote), ()), key=lambda use: (use.key, use.index)))


def metrics_of(
    nodes: Sequence[NodeRun], artifacts: Mapping[int, Artifact], declared: Sequence[Metric]
) -> tuple[Mapping[str, float], Mapping[str, Mapping[str, float]]]:
    """Return the metrics recorded on outputs, overall and by slice; those on the validation split come last."""
    overall: dict[str, float] = {}
    slices: dict[str, Mapping[str, float]] = {}
    outputs = (artifacts[use.artifact.id].properties for node in nodes for use in node.outputs)
    for found in (json_of(one[properties.METRICS], dict) for one in outputs if properties.METRICS in one):
        for name, value in numbers_of(found.get("overall")).items():
            overall.setdefault(name, value)
        per_label = found.get("per_label")
        for label, values in (per_label if isinstance(per_label, dict) else {}).items():
            slices.setdefault(f"label {label}", numbers_of(values))
    last = {one.name for one in declared if one.validation_of}
    return dict(sorted(overall.items(), key=lambda one: one[0] in last)), slices


def verifications_of(executions: Sequence[Execution], used: Used) -> Iterator[VerificationRow]:
    """Yield the verifications of a run, newest first."""
    for execution in reversed([one for one in executions if one.type == properties.VERIFY]):
        for use in used.by(execution, wrote=True):
            if use.artifact.removed:
                continue
            recorded = used.artifacts[use.artifact.id].properties
            yield VerificationRow(
                artifact=use.artifact.id,
                when=use.artifact.created,
                verified=recorded.get("verified") == 1,
                node=str(recorded.get("node", "")),
                compared=len(used.by(execution, wrote=False)),
                uri=use.artifact.uri,
            )
