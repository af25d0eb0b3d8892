"""Infer what a store without a root does not record: nodes that did not run, skipped executions, dead runs."""

from __future__ import annotations

import datetime
import functools
import math
from collections.abc import Iterator, Mapping, Sequence

from pipeline.definition.spec import Node, Pipeline
from pipeline.metadata import properties
from pipeline.metadata.store import Store
from pipeline.metadata.types import Artifact, Execution, RunContext

_LONGEST_SILENCE = datetime.timedelta(days=1)  # of a run in progress whose process cannot be looked up


class Unrecorded:
    """Reads a store that the pipelines of others wrote."""

    def __init__(self, pipeline: Pipeline, store: Store) -> None:
        self._pipeline = pipeline
        self._store = store
        self._outputs: dict[int, Mapping[str, Artifact]] = {}  # by execution that may count as skipped

    @functools.cached_property
    def contexts(self) -> list[RunContext]:
        """The contexts of all runs, newest first."""
        return self._store.run_contexts()

    def seems_to_run(self, context: RunContext, executions: Sequence[Execution]) -> bool:
        """Return whether a run without an end may be in progress: newest, and not old."""
        last = last_sign(context, executions)
        if last is None or datetime.datetime.now(datetime.timezone.utc) - last > _LONGEST_SILENCE:
            return False
        return not self._is_followed(context)

    def registered_only(self, context: RunContext, executions: Sequence[Execution], ran: int) -> list[str]:
        """Return the nodes that were registered for a run, but not executed.

        A node is registered for a run by a context of its own, in early versions of TFX; or by one of the pipeline that
        was made during the run, or that contains no execution at all.

        Args:
          context: of the run.
          executions: all of the run.
          ran: number of nodes that they are of.
        """
        of_run = self._store.node_contexts(context.name)
        if len(of_run) > ran:
            return [one.node for one in of_run if not self._store.first_execution(one.id)]
        pipeline = self._store.pipeline_of_run(context)
        of_this = {execution.id for execution in executions}
        found = []
        for one in self._store.node_contexts(pipeline):
            first = self._store.first_execution(one.id)
            if (not first or (one.id > context.id and first not in of_this)) and not self._is_followed(context, one.id):
                found.append(one.node)
        return found

    def _is_followed(self, context: RunContext, before: float = math.inf) -> bool:
        """Return whether a newer run of the same pipeline began before the context with an id was made."""
        pipeline = self._store.pipeline_of_run(context)
        newer = [one for one in self.contexts if context.id < one.id < before]
        return any(self._store.pipeline_of_run(one) == pipeline for one in newer)

    def read_outputs(self, runs: Sequence[tuple[RunContext, Sequence[Execution]]]) -> None:
        """Read the outputs of executions that may count as skipped, in two calls for all runs."""
        unread = [
            execution.id
            for context, executions in runs
            for execution, _ in self._skippable(context, executions)
            if execution.id not in self._outputs
        ]
        self._outputs.update(self._store.outputs_of(unread))

    def skipped_executions(self, context: RunContext, executions: Sequence[Execution]) -> set[int]:
        """Return the executions that succeeded and count as skipped."""
        self.read_outputs([(context, executions)])
        return {
            execution.id
            for execution, node in self._skippable(context, executions)
            if skip_reason(node, self._outputs[execution.id])
        }

    def _skippable(self, context: RunContext, executions: Sequence[Execution]) -> Iterator[tuple[Execution, Node]]:
        """Yield the executions that succeeded and may count as skipped, with their nodes."""
        owners = (context.name, self._store.pipeline_of_run(context))
        for node in (one for one in self._pipeline.nodes if one.may_be_skipped):
            for execution in executions:
                if not execution.has_succeeded:
                    continue
                recorded = execution.properties.get(properties.COMPONENT_ID)
                if recorded == node.name or (not recorded and self._store.is_of_node(execution.id, node.name, owners)):
                    yield execution, node


def skip_reason(node: Node, outputs: Mapping[str, Artifact]) -> str:
    """Return why a node that succeeded counts as skipped, by its outputs; empty if it does not, or one is missing."""
    present = {key: artifact for key, artifact in outputs.items() if not artifact.removed}
    return node.skipped(present) if present.keys() >= set(node.outputs) else ""


def last_sign(context: RunContext, executions: Sequence[Execution]) -> datetime.datetime | None:
    """Return when one of the executions was recorded last, or else when the run began."""
    return max((one.updated for one in executions if one.updated), default=context.created)
