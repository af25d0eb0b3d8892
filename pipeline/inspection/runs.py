"""Read runs: rows of a list, and one run with its nodes."""

from __future__ import annotations

import dataclasses
import datetime
import functools
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pipeline.core import event_log, regular_file, root_lock, serialization
from pipeline.core.events import NodeEnded, NodeState
from pipeline.core.pipeline_root import Root
from pipeline.core.text import counted, error_line
from pipeline.definition.spec import Node, Pipeline
from pipeline.inspection.artifacts import rows_of
from pipeline.inspection.views import (
    ArtifactUse,
    NodeRun,
    NodeRunState,
    Run,
    RunRow,
    RunState,
    VerificationRow,
)
from pipeline.metadata import node_key, properties, run_properties
from pipeline.metadata.run_properties import Headline
from pipeline.metadata.store import Store
from pipeline.metadata.types import Artifact, Execution, Property, RunContext, json_of, numbers_of
from pipeline.registry import run_annotations
from pipeline.registry.run_annotations import Annotation

# Properties of an execution that are shown in another form, or are long and shown by `sae why`.
_HIDDEN_PROPERTIES = {
    properties.REASONS,
    properties.EXECUTION_RESULT,
    properties.CANCEL_REASON,
    properties.KILL_REASON,
    properties.KEY,
    *(f"{properties.KEY}_{part}" for part in node_key.PARTS),
}


_LONGEST_SILENCE = datetime.timedelta(days=1)  # of a run in progress whose process cannot be looked up


class Runs:
    """Reads the runs of a store."""

    def __init__(self, pipeline: Pipeline, store: Store, root: Root | None) -> None:
        self._pipeline = pipeline
        self._store = store
        self._root = root
        self._rows: dict[int, RunRow] = {}
        self._read: dict[int, list[Execution]] = {}  # executions by run
        self._outputs: dict[int, Mapping[str, Artifact]] = {}  # by execution that may count as skipped

    def rows(self, contexts: Sequence[RunContext]) -> list[RunRow]:
        """Return rows of a list, in the same order; without a root, outputs are read in two calls for all of them."""
        if self._root is None:
            unread = [one for one in contexts if run_properties.headline_of(one.properties).state is None]
            self._read.update((one.id, self._executions(one)) for one in unread if one.id not in self._rows)
            skippable = [
                execution.id
                for one in unread
                for execution, _ in self._skippable(one, self._read.get(one.id, ()))
                if execution.id not in self._outputs
            ]
            self._outputs.update(self._store.outputs_of(skippable))
        return [self.row(context) for context in contexts]

    def row(self, context: RunContext) -> RunRow:
        """Return a row of a list: from the run's context if its end is recorded there, or else from its executions."""
        if context.id not in self._rows:
            headline = run_properties.headline_of(context.properties)
            if headline.state in {state.value for state in RunState}:
                row = self._row_of_headline(context, headline)
            else:
                row = self._row_of_executions(context, headline, self._executions(context))
            self._rows[context.id] = row
        return self._rows[context.id]

    def _row_of_headline(self, context: RunContext, headline: Headline) -> RunRow:
        return RunRow(
            id=context.name,
            pipeline=self._store.pipeline_of_run(context),
            state=RunState(headline.state),
            started=context.created,
            seconds=headline.seconds,
            dataset=headline.dataset or "",
            trigger=headline.trigger or "",
            metrics={
                one.run_key: headline.metrics.get(one.run_key)
                for one in self._pipeline.declared_metrics
                if one.recorded or one.column
            },
            blessed=None if headline.blessed is None else headline.blessed == 1,
            executed=headline.executed,
            cached=headline.cached,
            error=headline.error or "",
            skipped=headline.skipped,
            settings=self._settings(context),
            **vars(self._annotations.get(context.name, Annotation())),
        )

    @functools.cached_property
    def _annotations(self) -> dict[str, Annotation]:
        return run_annotations.of_runs(self._store) if self._root else {}

    def _settings(self, context: RunContext) -> Mapping[str, Any]:
        """Return the settings that affect results; of a run that did not record them, from its manifest."""
        recorded = run_properties.settings_of(context.properties)
        if recorded is not None or self._root is None or run_properties.START_PROPERTY not in context.properties:
            return recorded or {}
        found = _configuration_of_manifest(self._root.manifests / f"{context.name}.json", self._root)
        declared = self._pipeline.configuration.settings()
        return {name: value for name, value in found.items() if name in declared and declared[name].affects_results}

    def _executions(self, context: RunContext) -> list[Execution]:
        """Return the executions of a run, with what early versions of TFX recorded only as events.

        An execution without a recorded state is complete if it wrote an output; one without times has that of its last
        event.
        """
        if context.id in self._read:
            return self._read[context.id]
        found = self._store.executions_of_run(context)
        incomplete = [
            one.id for one in found if one.state_name == "UNKNOWN" or (self._root is None and not one.updated)
        ]
        events = self._store.events_of_executions(incomplete)
        wrote = {event.execution for event in events if event.wrote and event.declared}
        times: dict[int, datetime.datetime] = {}
        for event in events:
            if event.when:
                times[event.execution] = max(event.when, times.get(event.execution, event.when))
        return [
            dataclasses.replace(
                one,
                state=NodeState.EXECUTED if one.state_name == "UNKNOWN" and one.id in wrote else one.state,
                updated=one.updated or times.get(one.id),
            )
            for one in found
        ]

    def _row_of_executions(self, context: RunContext, headline: Headline, executions: Sequence[Execution]) -> RunRow:
        of_nodes = [execution for execution in executions if execution.is_of_node]
        if run_properties.ATTEMPTS in context.properties:  # only the last execution of each node counts
            of_nodes = list({self._node(execution): execution for execution in of_nodes}.values())
        if context.created is None:  # early versions of TFX recorded no times but those of events
            first = min((one.updated for one in of_nodes if one.updated), default=None)
            context = dataclasses.replace(context, created=first)
        not_run = self._registered_only(context, of_nodes)
        state = self._state(context, of_nodes)
        if state == RunState.SUCCEEDED and not_run:
            state = RunState.UNFINISHED
        end = _last_sign(context, of_nodes)
        if state == RunState.RUNNING:
            end = datetime.datetime.now(datetime.timezone.utc)
        seconds = (end - context.created).total_seconds() if context.created and end else None
        if state == RunState.UNFINISHED and self._root and (events := event_log.read(self._root.path, context.name)):
            seconds = run_properties.seconds_until(context.properties, context.created, events[-1].when)
        error = next((self._error(one) for one in of_nodes if one.state == NodeState.FAILED), "")
        if state == RunState.UNFINISHED and headline.trigger:  # only such a run can be resumed
            path = self._root.manifests / f"{context.name}.json" if self._root else None
            next_step = run_properties.options_of(context.properties).next_step(context.name, path)
            held = root_lock.last_holder(self._root.lock_file) if self._root else None
            why = f"its {held}" if held and held.run == context.name else "no process continues it"
            error = f"the run was interrupted, and {why}: {next_step}"
        elif state == RunState.UNFINISHED and self._root is None and (of_nodes or not_run):
            ran = f"{len(of_nodes)} of {counted(len(of_nodes) + len(not_run), 'node')} ran"
            error = "no end is recorded" if any(one.state is None for one in of_nodes) else ran
            error += f"; last sign {end:%Y-%m-%d %H:%M} UTC" if end else ""
        skipped = self._skipped_executions(context, of_nodes)
        headline = dataclasses.replace(
            headline,
            state=state.value,
            seconds=seconds,
            error=headline.error or error,
            executed=sum(one.state == NodeState.EXECUTED and one.id not in skipped for one in of_nodes),
            cached=sum(one.state == NodeState.CACHED and one.id not in skipped for one in of_nodes),
            skipped=len(skipped) or headline.skipped,
        )
        return self._row_of_headline(context, headline)

    def _state(self, context: RunContext, executions: Sequence[Execution]) -> RunState:
        states = {execution.state for execution in executions}
        if self._root is not None and self._is_running(context, self._root):
            return RunState.RUNNING
        if run_properties.ATTEMPTS in context.properties:  # a failed node may belong to an earlier attempt
            return RunState.UNFINISHED
        if NodeState.FAILED in states:
            return RunState.FAILED
        if NodeState.CANCELLED in states:
            return RunState.CANCELLED
        if not states or None in states:
            is_running = self._root is None and states and self._seems_to_run(context, executions)
            return RunState.RUNNING if is_running else RunState.UNFINISHED
        if self._root is not None and not {self._node(one) for one in executions} >= set(self._pipeline.names):
            return RunState.UNFINISHED
        return RunState.SUCCEEDED

    def _registered_only(self, context: RunContext, executions: Sequence[Execution]) -> list[str]:
        """Return the nodes that were registered for a run, but not executed. A root knows them from its pipeline.

        A node is registered for a run by a context of its own, in early versions of TFX; or by one of the pipeline that
        was made during the run, or that contains no execution at all.
        """
        if self._root is not None:
            return []
        of_run = self._store.node_contexts(context.name)
        if len(of_run) > len(executions):
            return [one.node for one in of_run if not self._store.first_execution(one.id)]
        pipeline = self._store.pipeline_of_run(context)
        ran = {execution.id for execution in executions}
        found = []
        for one in self._store.node_contexts(pipeline):
            first = self._store.first_execution(one.id)
            if (not first or (one.id > context.id and first not in ran)) and not self._is_followed(context, one.id):
                found.append(one.node)
        return found

    def _is_followed(self, context: RunContext, before: int) -> bool:
        """Return whether a newer run of the same pipeline began before a context was made."""
        pipeline = self._store.pipeline_of_run(context)
        newer = [one for one in self.contexts if context.id < one.id < before]
        return any(self._store.pipeline_of_run(one) == pipeline for one in newer)

    def _skipped_executions(self, context: RunContext, executions: Sequence[Execution]) -> set[int]:
        """Return the executions that succeeded and count as skipped. A root records their number."""
        found: set[int] = set()
        for execution, node in self._skippable(context, executions):
            if execution.id not in self._outputs:
                self._outputs[execution.id] = self._store.outputs(execution.id)
            outputs = self._outputs[execution.id]
            by_key = {key: artifact for key, artifact in outputs.items() if not artifact.removed}
            if by_key.keys() >= set(node.outputs) and node.skipped(by_key):
                found.add(execution.id)
        return found

    def _skippable(self, context: RunContext, executions: Sequence[Execution]) -> Iterator[tuple[Execution, Node]]:
        """Yield the executions that succeeded and may count as skipped, with their nodes, in a store without a root."""
        if self._root is not None:
            return
        owners = (context.name, self._store.pipeline_of_run(context))
        for node in (one for one in self._pipeline.nodes if one.may_be_skipped):
            for execution in executions:
                if execution.state not in (NodeState.EXECUTED, NodeState.CACHED):
                    continue
                recorded = execution.properties.get(properties.COMPONENT_ID)
                if recorded == node.name or (not recorded and self._store.is_of_node(execution.id, node.name, owners)):
                    yield execution, node

    @functools.cached_property
    def contexts(self) -> list[RunContext]:
        """The contexts of all runs, newest first."""
        return self._store.run_contexts()

    def _seems_to_run(self, context: RunContext, executions: Sequence[Execution]) -> bool:
        """Return whether a run without an end, in a store without a root, may be in progress: newest, and not old."""
        last = _last_sign(context, executions)
        if last is None or datetime.datetime.now(datetime.timezone.utc) - last > _LONGEST_SILENCE:
            return False
        newer = [one for one in self.contexts if one.id > context.id]
        pipeline = self._store.pipeline_of_run(context)
        return all(self._store.pipeline_of_run(one) != pipeline for one in newer)

    def _is_running(self, context: RunContext, root: Root) -> bool:
        """Return whether a live process holds the root's lock for this run."""
        holder = root_lock.holder(root.lock_file)
        if holder is not None and holder.run:
            return bool(holder.run == context.name)
        if holder is None or context.created is None or context.created < holder.since:
            return False
        return context.id == max((one.id for one in self._store.run_contexts()), default=0)

    def _error(self, execution: Execution) -> str:
        """Return the error of a failed node in a line; with its name in a store without a root, where TFX wrote it."""
        if self._root is not None:
            return execution.error
        return f"{self._node(execution)}: {error_line(execution.error) or 'no error is recorded'}"

    def _node(self, execution: Execution) -> str:
        return self._store.owner(execution.id).node or execution.name or execution.type.rpartition(".")[2]

    def run(self, context: RunContext) -> Run:
        """Return a run with its nodes, metrics and verifications."""
        executions = self._executions(context)
        headline = run_properties.headline_of(context.properties)
        row = self.row(context) if headline.state else self._row_of_executions(context, headline, executions)
        newest = {self._node(execution): execution for execution in executions if execution.is_of_node}
        used = _Used(self._store, executions)
        registered = self._registered_only(context, [one for one in executions if one.is_of_node])
        nodes = self._nodes(row, newest, used, registered)
        metrics, slices = _metrics(nodes, used.artifacts)
        return Run(
            row,
            tuple(nodes),
            dict(context.properties),
            metrics,
            slices,
            tuple(_verifications(executions, used)),
            run_properties.attempts_of(context.properties),
        )

    def _nodes(
        self, row: RunRow, executions: Mapping[str, Execution], used: _Used, registered: Sequence[str]
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

    def _node_run(self, node: str, execution: Execution, used: _Used, row: RunRow, ended: NodeEnded | None) -> NodeRun:
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
        self, execution: Execution, state: NodeRunState, outputs: Sequence[ArtifactUse], used: _Used
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

    def _skipped(self, node: str, outputs: Sequence[ArtifactUse], used: _Used) -> str:
        """Return why a node that succeeded counts as skipped; empty if it does not."""
        found = ((use.key, used.artifacts[use.artifact.id]) for use in reversed(outputs))
        by_key = {key: artifact for key, artifact in found if not artifact.removed}
        declared = self._pipeline.by_name.get(node)
        return declared.skipped(by_key) if declared and by_key.keys() >= set(declared.outputs) else ""

    def _upstream(self, node: str, row: RunRow, makers_of_inputs: Sequence[str] = ()) -> tuple[str, ...]:
        """Return the upstream nodes that the pipeline declares, or else those that made the inputs."""
        if row.pipeline != self._pipeline.name or node not in self._pipeline.by_name:
            return tuple(dict.fromkeys(filter(None, makers_of_inputs)))
        return tuple(name for name in self._pipeline.names if name in self._pipeline.by_name[node].upstream)

    def _node_not_run(self, name: str, row: RunRow, ended: NodeEnded | None) -> NodeRun:
        state = NodeRunState.WAITING if row.state == RunState.RUNNING else NodeRunState.NOT_RUN
        if ended is not None and ended.state == NodeState.SKIPPED:
            state = NodeRunState.SKIPPED
        error = ended.reason if ended else ""
        return NodeRun(0, name, "", state, None, None, None, error=error, after=self._upstream(name, row))


def _shown_properties(execution: Execution) -> dict[str, Property]:
    return {name: one for name, one in execution.properties.items() if name not in _HIDDEN_PROPERTIES}


def _configuration_of_manifest(path: pathlib.Path, root: Root) -> dict[str, Any]:
    """Return the configuration in a manifest; empty if it cannot be read. `provenance` takes longer to import."""
    if path.parent != root.manifests:  # the id of a run may be any text
        return {}
    try:
        with regular_file.opened(path) as file:
            found = json_of(file.read().decode(), dict).get("configuration")
    except (OSError, ValueError):
        return {}
    return serialization.with_infinity(found) if isinstance(found, dict) else {}


def _last_sign(context: RunContext, executions: Sequence[Execution]) -> datetime.datetime | None:
    """Return when one of the executions was recorded last, or else when the run began."""
    return max((one.updated for one in executions if one.updated), default=context.created)


class _Used:
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


def _metrics(
    nodes: Sequence[NodeRun], artifacts: Mapping[int, Artifact]
) -> tuple[Mapping[str, float], Mapping[str, Mapping[str, float]]]:
    """Return the metrics recorded on outputs, overall and by slice; empty if there is no evaluation."""
    overall: dict[str, float] = {}
    slices: dict[str, Mapping[str, float]] = {}
    outputs = (artifacts[use.artifact.id].properties for node in nodes for use in node.outputs)
    for found in (json_of(one[properties.METRICS], dict) for one in outputs if properties.METRICS in one):
        for name, value in numbers_of(found.get("overall")).items():
            overall.setdefault(name, value)
        per_label = found.get("per_label")
        for label, values in (per_label if isinstance(per_label, dict) else {}).items():
            slices.setdefault(f"label {label}", numbers_of(values))
    return overall, slices


def _verifications(executions: Sequence[Execution], used: _Used) -> Iterator[VerificationRow]:
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
