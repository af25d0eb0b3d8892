"""What a run of a part takes over from an earlier run: chosen, looked at, and told to TFX."""

from __future__ import annotations

from collections.abc import Sequence

from tfx.orchestration.pipeline import RunOptions

from pipeline.core.errors import UnavailableError
from pipeline.core.events import Listener, Note
from pipeline.core.pipeline_root import Root
from pipeline.metadata.store import Store
from pipeline.metadata.writer import MetadataWriter
from pipeline.orchestration import partial_run as parts
from pipeline.orchestration.cache import Decider
from pipeline.orchestration.request import RunRequest
from pipeline.orchestration.tfx import partial_run


def options(request: RunRequest, root: Root, store: Store, decider: Decider, tell: Listener) -> RunOptions | None:
    """TFX's options for the part that was asked for; None for the whole pipeline.

    Raises:
      NotFoundError, UsageError: see `parts.nodes_of` and `parts.base_run`.
      UnavailableError: what is to be taken over is damaged, and out of use now; or a model of it does not load here.
    """
    if not (request.from_node or request.to_node):
        return None
    _, needed = parts.nodes_of(request.from_node, request.to_node)
    base_run = None
    if needed:
        base_run = parts.base_run(store, root, request.base_run, needed)
        _check_bytes(store, root, decider, base_run, needed)
        tell(Note(f"reusing {', '.join(needed)} of run {base_run}"))
        for notice in partial_run.check_models(store, base_run, needed):
            tell(Note(notice, warning=True))
    return RunOptions(
        from_nodes=[request.from_node] if request.from_node else [],
        to_nodes=[request.to_node] if request.to_node else [],
        base_pipeline_run_id=base_run,
    )


def _check_bytes(store: Store, root: Root, decider: Decider, run_id: str, needed: Sequence[str]) -> None:
    """Raises `UnavailableError` where what is to be reused is damaged, and takes that out of use."""
    executions = store.executions(run_id)
    for name in needed:
        for key, output in store.outputs(executions[name].id).items():
            if reason := decider.damage(output):
                MetadataWriter(root).take_out_of_use(output.id, reason)
                raise UnavailableError(
                    f"{name}'s {key} of run {run_id} is damaged and out of use: {reason}; make it again with "
                    f"--from-node {name}"
                )
