"""ML Metadata as TFX's launcher shall see it: the run that it is in, without the history before.

To resolve one input, TFX reads all executions of the pipeline and of the node, and takes those that are also of this
run. With 10,000 executions in the store that is 2.4 seconds an input. What it would find is the same without the rest.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

from tfx.orchestration import metadata as tfx_metadata

from pipeline.metadata.client import PatientStore
from pipeline.metadata.properties import NODE, PIPELINE_RUN

# How TFX asks for the executions that are in several contexts.
_IN_CONTEXTS = re.compile(r"contexts_\d+\.id = (\d+)")


class RunMetadata(tfx_metadata.Metadata):
    """TFX's handle, on one run."""

    def __init__(self, connection_config: Any, run_id: str, hidden: Collection[int] = ()) -> None:
        """Sets up.

        Args:
          connection_config: of the store.
          run_id: of the run.
          hidden: executions that TFX shall not see: it would write over those of earlier attempts at the same node.
        """
        super().__init__(connection_config)
        self._run_id = run_id
        self._hidden = hidden

    def __enter__(self) -> RunMetadata:
        super().__enter__()
        self._store = _RunStore(self._connection_config, self._run_id, self._hidden)
        return self


class _RunStore(PatientStore):
    """A store whose contexts hold the executions of one run only."""

    def __init__(self, config: Any, run_id: str, hidden: Collection[int]) -> None:
        super().__init__(config)
        self._run_id = run_id
        self._hidden = hidden

    def get_executions_by_context(
        self, context_id: int, list_options: Any = None, extra_options: Any = None
    ) -> list[Any]:
        return self._in_contexts({context_id})

    def get_executions(self, list_options: Any = None, extra_options: Any = None) -> list[Any]:
        wanted = _IN_CONTEXTS.findall(list_options.filter_query or "") if list_options else []
        if not wanted:
            return list(super().get_executions(list_options, extra_options))
        return self._in_contexts(set(map(int, wanted)))

    def _in_contexts(self, wanted: set[int]) -> list[Any]:
        run = self.get_context_by_type_and_name(PIPELINE_RUN, self._run_id)
        if run is None:
            return []
        # Of a node that a resumed run tried several times, the last execution alone counts.
        newest: dict[str, tuple[Any, set[int]]] = {}
        for execution in sorted(super().get_executions_by_context(run.id), key=lambda execution: execution.id):
            if execution.id in self._hidden:
                continue
            contexts = self.get_contexts_by_execution(execution.id)
            node = next((context.name for context in contexts if context.type == NODE), f"execution {execution.id}")
            newest[node] = execution, {context.id for context in contexts}
        return [execution for execution, contexts in newest.values() if wanted <= contexts]
