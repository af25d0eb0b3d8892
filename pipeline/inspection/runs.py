"""Runs: rows for a list, and one run with its nodes."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping, Sequence

from components.evaluation import metrics
from components.push import serving_dir
from pipeline.core import event_log, root_lock
from pipeline.core.events import NodeEnded, NodeState
from pipeline.core.pipeline_root import Root
from pipeline.definition.spec import Pipeline
from pipeline.inspection.artifacts import rows_of
from pipeline.inspection.views import (
    ArtifactRow,
    ArtifactUse,
    NodeRun,
    NodeRunState,
    Run,
    RunRow,
    RunState,
    VerificationRow,
)
from pipeline.metadata import node_key
from pipeline.metadata.properties import (
    CANCEL_REASON,
    EXECUTION_RESULT,
    KEY,
    KILL_REASON,
    METRICS,
    MODEL_EVALUATION,
    PUSHED_MODEL,
    REASONS,
    VERIFICATION,
    VERIFY,
)
from pipeline.metadata.run_properties import ATTEMPTS, Headline, attempts_of, headline_of, options_of
from pipeline.metadata.store import Store
from pipeline.metadata.types import Event, Execution, Property, RunContext, json_of, numbers_of
from pipeline.registry import versions

# Notes of our own on an execution that are shown as something better, or are long and explained by `sae why`.
_NOT_SHOWN = frozenset(
    {REASONS, EXECUTION_RESULT, CANCEL_REASON, KILL_REASON, KEY} | {f"{KEY}_{part}" for part in node_key.PARTS}
)
_READ = (MODEL_EVALUATION, PUSHED_MODEL, VERIFICATION)  # types whose properties say something of the run


class Runs:
    """Reads runs."""

    def __init__(self, pipeline: Pipeline, store: Store, root: Root | None) -> None:
        self._pipeline = pipeline
        self._store = store
        self._root = root
        self._rows: dict[int, RunRow] = {}

    def row(self, context: RunContext) -> RunRow:
        """A run in a list: from its context alone where its end was recorded there, else from its executions."""
        if context.id not in self._rows:
            self._rows[context.id] = self._read_row(context)
        return self._rows[context.id]

    def _read_row(self, context: RunContext) -> RunRow:
        noted = headline_of(context.properties)
        if noted.state in {state.value for state in RunState}:
            return self._row_of_headline(context, noted, RunState(noted.state), noted.seconds)
        return self._row_of_executions(context, noted, self._store.executions_of_run(context))

    def _row_of_headline(
        self,
        context: RunContext,
        noted: Headline,
        state: RunState,
        seconds: float | None,
        error: str = "",
    ) -> RunRow:
        return RunRow(
            id=context.name,
            pipeline=self._store.pipeline_of_run(context),
            state=state,
            started=context.created,
            seconds=seconds,
            dataset=noted.dataset or "",
            trigger=noted.trigger or "",
            metrics={one.run_key: noted.metrics.get(one.run_key) for one in metrics.columns()},
            blessed=None if noted.blessed is None else noted.blessed == 1,
            executed=noted.executed,
            cached=noted.cached,
            error=noted.error or error,
        )

    def _row_of_executions(self, context: RunContext, noted: Headline, executions: Sequence[Execution]) -> RunRow:
        of_nodes = [execution for execution in executions if execution.is_of_node]
        if ATTEMPTS in context.properties:  # of each node only its last execution counts
            of_nodes = list({self._node(execution): execution for execution in of_nodes}.values())
        state = self._state(context, of_nodes)
        begun = context.created
        end = max((one.updated for one in of_nodes if one.updated), default=begun)
        if state == RunState.RUNNING and self._root:
            end = datetime.datetime.now(datetime.timezone.utc)
        failed = [one for one in of_nodes if one.state == NodeState.FAILED]
        error = failed[0].error if failed else ""
        if state == RunState.UNFINISHED and noted.trigger:  # ours, so it can be resumed
            next_step = options_of(context.properties).next_step(context.name)
            error = f"it broke off, no process works on it any more: {next_step}"
        row = self._row_of_headline(
            context,
            noted,
            state,
            (end - begun).total_seconds() if begun and end else None,
            error,
        )
        counts = {
            name: sum(execution.state == kind for execution in of_nodes)
            for name, kind in (("executed", NodeState.EXECUTED), ("cached", NodeState.CACHED))
        }
        return RunRow(**{**vars(row), **counts})

    def _state(self, context: RunContext, executions: Sequence[Execution]) -> RunState:
        states = {execution.state for execution in executions}
        if self._root is not None and self._is_held(context):
            return RunState.RUNNING
        if ATTEMPTS in context.properties:  # what failed may be of an attempt that is over
            return RunState.UNFINISHED
        if NodeState.FAILED in states:
            return RunState.FAILED
        if NodeState.CANCELLED in states:
            return RunState.CANCELLED
        if not states or None in states:
            # In a store of others nothing tells a run in progress from one that was killed.
            return RunState.UNFINISHED if self._root is not None or not states else RunState.RUNNING
        return RunState.UNFINISHED if self._ended_early(executions) else RunState.SUCCEEDED

    def _ended_early(self, executions: Sequence[Execution]) -> bool:
        """Whether one of our runs noted no end: of a version that notes it, or with nodes missing."""
        return self._root is not None and not {self._node(one) for one in executions} >= set(self._pipeline.names)

    def _is_held(self, context: RunContext) -> bool:
        """Whether the process that holds the root's lock took it for this run."""
        assert self._root is not None
        held, begun = root_lock.holder(self._root.lock_file), context.created
        if held is not None and held.run:
            return bool(held.run == context.name)
        if held is None or begun is None or begun < held.since:
            return False
        newest = max((one.id for one in self._store.run_contexts()), default=0)
        return bool(newest == context.id)

    def _node(self, execution: Execution) -> str:
        return self._store.owner(execution.id).node or execution.name or execution.type.rpartition(".")[2]

    def run(self, context: RunContext) -> Run:
        """A run, whole."""
        properties = dict(context.properties)
        executions = self._store.executions_of_run(context)
        of_nodes = [execution for execution in executions if execution.is_of_node]
        noted = headline_of(properties)
        row = self.row(context) if noted.state else self._row_of_executions(context, noted, executions)
        events = self._store.events_of_executions([execution.id for execution in executions])
        artifacts = self._store.artifacts_by_id({event.artifact for event in events})
        uses = _uses(events, {one.id: one for one in rows_of(self._store, artifacts)})
        notes = {one.id: one.properties for one in artifacts if one.type in _READ}
        newest = {self._node(execution): execution for execution in of_nodes}
        told = self._told(row.id)
        made = [self._node_run(node, one, uses, row, told, notes) for node, one in newest.items()]
        metrics, slices = _metrics(made, notes)
        return Run(
            row,
            tuple(_in_order(self._pipeline.names, made, self._not_run(row, newest, told))),
            properties,
            metrics,
            slices,
            tuple(_verifications(executions, uses, notes)),
            attempts_of(properties),
        )

    def _told(self, run_id: str) -> dict[str, NodeEnded]:
        """What the orchestrator said of each node's end."""
        if self._root is None:
            return {}
        events = (stamped.event for stamped in event_log.read(self._root.path, run_id))
        return {event.node: event for event in events if isinstance(event, NodeEnded)}

    def _node_run(
        self,
        node: str,
        execution: Execution,
        uses: Mapping[tuple[int, bool], Sequence[ArtifactUse]],
        row: RunRow,
        told: Mapping[str, NodeEnded],
        notes: Mapping[int, Mapping[str, Property]],
    ) -> NodeRun:
        inputs, outputs = uses.get((execution.id, False), ()), uses.get((execution.id, True), ())
        state = NodeRunState(execution.state.value) if execution.state else NodeRunState.RUNNING
        if state == NodeRunState.RUNNING and row.state != RunState.RUNNING:
            state = NodeRunState.UNFINISHED
        error = execution.error if state in (NodeRunState.FAILED, NodeRunState.CANCELLED) else ""
        of_outputs = [notes.get(use.artifact.id, {}) for use in outputs]
        if not_pushed := [found for found in of_outputs if found.get(serving_dir.PUSHED) == 0]:
            state, error = NodeRunState.SKIPPED, versions.why_not_pushed(not_pushed[0])
        elif state == NodeRunState.FAILED and node in told:
            error = told[node].reason or error  # the same without the libraries' wrapping
        started = execution.created
        ended = None if state == NodeRunState.RUNNING else execution.updated
        end = ended or datetime.datetime.now(datetime.timezone.utc)
        return NodeRun(
            execution=execution.id,
            node=node,
            type=execution.type,
            state=state,
            started=started,
            ended=ended,
            seconds=(end - started).total_seconds() if started else None,
            reasons=execution.reasons,
            error=error,
            cached_from=outputs[0].artifact.run if outputs and state == NodeRunState.CACHED else "",
            inputs=tuple(inputs),
            outputs=tuple(outputs),
            properties={name: value for name, value in execution.properties.items() if name not in _NOT_SHOWN},
            after=self._after(node, row, inputs),
        )

    def _after(self, node: str, row: RunRow, inputs: Sequence[ArtifactUse]) -> tuple[str, ...]:
        if row.pipeline == self._pipeline.name and node in self._pipeline.by_name:
            return tuple(name for name in self._pipeline.names if name in self._pipeline.by_name[node].upstream)
        return tuple(dict.fromkeys(use.artifact.node for use in inputs if use.artifact.node))

    def _not_run(
        self, row: RunRow, executions: Mapping[str, Execution], told: Mapping[str, NodeEnded]
    ) -> list[NodeRun]:
        """The nodes of our pipeline that have no execution in a run."""
        if row.pipeline != self._pipeline.name or not set(executions) <= set(self._pipeline.names):
            return []
        waiting = NodeRunState.WAITING if row.state == RunState.RUNNING else NodeRunState.NOT_RUN
        return [
            NodeRun(
                execution=0,
                node=name,
                type="",
                state=NodeRunState.SKIPPED if name in told and told[name].state == NodeState.SKIPPED else waiting,
                started=None,
                ended=None,
                seconds=None,
                error=told[name].reason if name in told else "",
                after=self._after(name, row, ()),
            )
            for name in self._pipeline.names
            if name not in executions
        ]


def _uses(events: Sequence[Event], rows: Mapping[int, ArtifactRow]) -> dict[tuple[int, bool], list[ArtifactUse]]:
    """By execution, and whether it wrote them: artifacts, sorted by key and index."""
    found: dict[tuple[int, bool], list[ArtifactUse]] = {}
    for event in events:
        if event.artifact in rows:  # a store may have lost one
            use = ArtifactUse(event.key, event.index, rows[event.artifact])
            found.setdefault((event.execution, event.wrote), []).append(use)
    return {key: sorted(uses, key=lambda use: (use.key, use.index)) for key, uses in found.items()}


def _metrics(
    made: Sequence[NodeRun], notes: Mapping[int, Mapping[str, Property]]
) -> tuple[Mapping[str, float], Mapping[str, Mapping[str, float]]]:
    """Of the run's evaluation: overall, and by slice."""
    outputs = (use.artifact for one in made for use in one.outputs)
    evaluation = next((artifact.id for artifact in outputs if artifact.type == MODEL_EVALUATION), 0)
    noted = json_of(notes.get(evaluation, {}).get(METRICS), dict)
    per_label = noted.get("per_label")
    slices = per_label if isinstance(per_label, dict) else {}
    return numbers_of(noted.get("overall")), {f"label {label}": numbers_of(found) for label, found in slices.items()}


def _verifications(
    executions: Sequence[Execution],
    uses: Mapping[tuple[int, bool], Sequence[ArtifactUse]],
    notes: Mapping[int, Mapping[str, Property]],
) -> Iterator[VerificationRow]:
    """The newest first."""
    for execution in reversed([one for one in executions if one.type == VERIFY]):
        for use in uses.get((execution.id, True), ()):
            noted = notes.get(use.artifact.id, {})
            yield VerificationRow(
                artifact=use.artifact.id,
                when=use.artifact.created,
                verified=noted.get("verified") == 1,
                node=str(noted.get("node", "")),
                compared=len(uses.get((execution.id, False), ())),
                uri=use.artifact.uri,
            )


def _in_order(names: Sequence[str], ran: Sequence[NodeRun], not_run: Sequence[NodeRun]) -> list[NodeRun]:
    """As they ran; those of our pipeline in its order."""
    place = {name: number for number, name in enumerate(names)} if not_run else {}
    return sorted([*ran, *not_run], key=lambda one: (place.get(one.node, len(place)), one.execution))
