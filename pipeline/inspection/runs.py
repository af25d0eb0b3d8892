"""Read runs: rows of a list, and one run with its nodes."""

from __future__ import annotations

import collections
import dataclasses
import datetime
import functools
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.core import event_log, regular_file, root_lock, serialization
from pipeline.core.events import NodeState
from pipeline.core.pipeline_root import Root
from pipeline.core.text import counted, error_line
from pipeline.definition.spec import Pipeline
from pipeline.inspection import run_nodes
from pipeline.inspection.unrecorded import Unrecorded, last_sign
from pipeline.inspection.views import Run, RunRow, RunState
from pipeline.metadata import run_properties
from pipeline.metadata.run_properties import Headline
from pipeline.metadata.store import Store
from pipeline.metadata.types import Execution, RunContext, json_of
from pipeline.registry import run_annotations
from pipeline.registry.run_annotations import Annotation


class Runs:
    """Reads the runs of a store."""

    def __init__(self, pipeline: Pipeline, store: Store, root: Root | None) -> None:
        self._pipeline = pipeline
        self._store = store
        self._root = root
        self._unrecorded = Unrecorded(pipeline, store)
        self._node_runs = run_nodes.NodeRuns(pipeline, store, root)
        self._rows: dict[int, RunRow] = {}
        self._read: dict[int, list[Execution]] = {}  # executions by run

    def rows(self, contexts: Sequence[RunContext]) -> list[RunRow]:
        """Return rows of a list, in the same order; without a root, outputs are read in two calls for all of them."""
        if self._root is None:
            new = [one for one in contexts if one.id not in self._rows]
            unread = [one for one in new if not run_properties.has_headline(one.properties)]
            self._read.update((one.id, self._executions(one)) for one in unread)
            self._unrecorded.read_outputs([(one, self._read.get(one.id, ())) for one in unread])
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
            started=run_properties.began_of(context),
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
            return self._pipeline.configuration.renamed(recorded or {})
        found = _configuration_of_manifest(self._root.manifests / f"{context.name}.json", self._root)
        configuration = self._pipeline.configuration
        return configuration.affecting(configuration.renamed(found))

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
        of_nodes = self._newest_of_nodes(executions)
        if context.created is None:  # early versions of TFX recorded no times but those of events
            first = min((one.updated for one in executions if one.updated), default=None)
            context = dataclasses.replace(context, created=first)
        not_run = self._registered_only(context, executions, len(of_nodes))
        state = self._state(context, of_nodes)
        if state == RunState.SUCCEEDED and not_run:
            state = RunState.UNFINISHED
        end = last_sign(context, of_nodes)
        if state == RunState.RUNNING:
            end = datetime.datetime.now(datetime.timezone.utc)
        if state == RunState.UNFINISHED and self._root and (events := event_log.read(self._root.path, context.name)):
            end = events[-1].when
        began = run_properties.began_of(context)
        seconds = run_properties.seconds_until(context.properties, began, end) if end else None
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
        skipped = self._unrecorded.skipped_executions(context, of_nodes) if self._root is None else set()
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

    def _has_nodes_of_pipeline(self, context: RunContext) -> bool:
        """Return whether a run should have all nodes of the pipeline: not one of a notebook in the same store."""
        if self._root is None:
            return False
        is_ours = run_properties.START_PROPERTY in context.properties
        return is_ours or self._store.pipeline_of_run(context) == self._pipeline.name

    def _newest_of_nodes(self, executions: Sequence[Execution]) -> list[Execution]:
        """Return the last execution of each node, oldest first: only that counts if a node was tried again."""
        of_nodes = [execution for execution in executions if execution.is_of_node]
        types = collections.Counter(one.type for one in of_nodes)  # names of nodes take a call each
        newest = {(one.type, self._node(one) if types[one.type] > 1 else ""): one for one in of_nodes}
        return sorted(newest.values(), key=lambda one: one.id)

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
            may_run = states and not self._needs_lock(context)
            is_running = may_run and self._unrecorded.seems_to_run(context, executions)
            return RunState.RUNNING if is_running else RunState.UNFINISHED
        if self._has_nodes_of_pipeline(context) and not {self._node(one) for one in executions} >= set(
            self._pipeline.names
        ):
            return RunState.UNFINISHED
        return RunState.SUCCEEDED

    @property
    def contexts(self) -> list[RunContext]:
        """The contexts of all runs, newest first."""
        return self._unrecorded.contexts

    def _registered_only(self, context: RunContext, executions: Sequence[Execution], ran: int) -> list[str]:
        """Return the nodes that were registered for a run, but not executed. A root knows them from its pipeline."""
        return self._unrecorded.registered_only(context, executions, ran) if self._root is None else []

    def _is_running(self, context: RunContext, root: Root) -> bool:
        """Return whether a live process holds the root's lock for this run."""
        holder = root_lock.holder(root.lock_file)
        if holder is not None and holder.run:
            return bool(holder.run == context.name)
        if holder is None or context.created is None or context.created < holder.since:
            return False
        return context.id == max((one.id for one in self._store.run_contexts()), default=0)

    def _needs_lock(self, context: RunContext) -> bool:
        """Return whether a run in progress would hold the root's lock: TFX's own runners have none."""
        return self._root is not None and run_properties.START_PROPERTY in context.properties

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
        used = run_nodes.Used(self._store, executions)
        registered = self._registered_only(context, executions, len(self._newest_of_nodes(executions)))
        nodes = self._node_runs.nodes(row, newest, used, registered)
        metrics, slices = run_nodes.metrics_of(nodes, used.artifacts, self._pipeline.declared_metrics)
        return Run(
            row,
            tuple(nodes),
            dict(context.properties),
            metrics,
            slices,
            tuple(run_nodes.verifications_of(executions, used)),
            run_properties.attempts_of(context.properties),
        )


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
