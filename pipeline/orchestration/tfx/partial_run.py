"""Partial runs in TFX: mark the nodes of a compiled pipeline to run, and check what is reused of the base run."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import tensorflow as tf
from tfx.orchestration.pipeline import RunOptions
from tfx.orchestration.portable import partial_run_utils
from tfx.proto.orchestration import pipeline_pb2

from pipeline.core import tfx_versions
from pipeline.core.errors import UnavailableError
from pipeline.core.events import Listener, Note
from pipeline.definition.spec import ConfiguredPipeline
from pipeline.metadata.types import Execution
from pipeline.metadata.writer import MetadataWriter
from pipeline.orchestration import partial_run
from pipeline.orchestration.cache import NodeCache
from pipeline.orchestration.request import RunRequest

_TFX_VERSION = "tfx_version"  # property that TFX records on every artifact


def mark(pipeline: pipeline_pb2.Pipeline, run_options: pipeline_pb2.RunOptions) -> None:
    """Mark each node of a compiled pipeline to be run, reused or left out."""
    partial_run_utils.mark_pipeline(
        pipeline,
        from_nodes=run_options.partial_run.from_nodes or None,
        to_nodes=run_options.partial_run.to_nodes or None,
        snapshot_settings=run_options.partial_run.snapshot_settings,
    )
    for node in pipeline.nodes:
        options = node.pipeline_node.execution_options
        if options.HasField("skip") and not is_reused(node.pipeline_node):
            # TFX would also reuse what no node of this part needs, from the latest run.
            options.skip.Clear()
            options.skip.reuse_artifacts_mode = pipeline_pb2.NodeExecutionOptions.Skip.NEVER


def is_reused(node: pipeline_pb2.PipelineNode) -> bool:
    """Whether a marked node's outputs come from the base run."""
    options = node.execution_options
    required = pipeline_pb2.NodeExecutionOptions.Skip.REQUIRED
    return bool(options.HasField("skip") and options.skip.reuse_artifacts_mode == required)


def options(request: RunRequest, cache: NodeCache, tell: Listener) -> RunOptions | None:
    """Return TFX's options for a partial run; None for a run of the whole pipeline.

    Raises:
      NotFoundError, UsageError: see `partial_run.nodes_of` and `partial_run.base_run`.
      UnavailableError: an artifact to reuse is damaged, and now out of use; or a model to reuse does not load, or lacks
        an output that a node needs.
    """
    if not (request.from_node or request.to_node):
        return None
    to_run, needed = partial_run.nodes_of(request.pipeline, request.from_node, request.to_node)
    base_run = None
    if needed:
        base_run = partial_run.base_run(cache.store, cache.root, request.base_run, needed)
        executions = cache.store.executions(base_run)
        reused = {name: executions[name] for name in needed}
        _check_files(cache, base_run, reused)
        tell(Note(f"reusing {', '.join(needed)} of run {base_run}"))
        _warn_of_changes(cache, base_run, reused, tell)
        for node, key, model in _load_models(cache, base_run, reused, tell):
            _check_outputs(cache.configured, to_run, base_run, node, key, model)
    return RunOptions(
        from_nodes=partial_run.split(request.from_node),
        to_nodes=partial_run.split(request.to_node),
        base_pipeline_run_id=base_run,
    )


def _warn_of_changes(cache: NodeCache, run_id: str, reused: Mapping[str, Execution], tell: Listener) -> None:
    """Warn that a reused output was made with other settings, code, data or packages than this run records."""
    for name, execution in reused.items():
        if changes := cache.changes_since(cache.configured.pipeline.by_name[name], execution):
            remedy = f"--from-node {name} runs it too"
            notice = f"{name} of run {run_id} differs from this run: {'; '.join(changes)}; {remedy}"
            tell(Note(notice, warning=True))


def _check_files(cache: NodeCache, run_id: str, reused: Mapping[str, Execution]) -> None:
    """Raise `UnavailableError` if an artifact to reuse is damaged, and take it out of use."""
    for name, execution in reused.items():
        for key, output in cache.store.outputs(execution.id).items():
            if reason := cache.damage(output):
                MetadataWriter(cache.root).mark_out_of_use(output.id, reason)
                raise UnavailableError(
                    f"{name}'s {key} of run {run_id} is damaged and out of use: {reason}; regenerate it with "
                    f"--from-node {name}"
                )


def _load_models(
    cache: NodeCache, run_id: str, reused: Mapping[str, Execution], tell: Listener
) -> Iterator[tuple[str, str, Any]]:
    """Yield node, output key and SavedModel of each model to reuse.

    Raises:
      UnavailableError: one does not load: one of another TFX version may not.
    """
    nodes, here = cache.configured.pipeline.by_name, tfx_versions.here().name
    models = [(name, *model) for name in reused for model in nodes[name].saved_models.items()]
    for node, key, folder in models:
        output = cache.store.outputs(reused[node].id)[key]
        version = str(output.properties.get(_TFX_VERSION, "an unknown version"))
        try:
            model = tf.saved_model.load(os.path.join(output.uri, folder))
        except Exception as error:  # damaged files, unknown operations, another format
            reason = f"{type(error).__name__}: {error}".splitlines()[0]  # some have no message
            raise UnavailableError(
                f"the model that {node} made in run {run_id}, with TFX {version}, does not load with TFX {here} "
                f"({reason}); regenerate it with --from-node {node}"
            ) from error
        if not version.startswith(f"{here}."):
            notice = f"{node}'s model of run {run_id} was made with TFX {version}; it loads with this one"
            tell(Note(notice, warning=True))
        yield node, key, model


def _check_outputs(
    configured: ConfiguredPipeline, to_run: Sequence[str], run_id: str, node: str, key: str, model: Any
) -> None:
    """Raise `UnavailableError` if the model of a node lacks an output that a node to run needs."""
    for reader in (configured.pipeline.by_name[name] for name in to_run):
        if (node, key) in reader.inputs.values() and (lacking := reader.missing_output(configured.config, model)):
            raise UnavailableError(
                f"the model that {node} made in run {run_id} lacks the output {lacking}, which {reader.name} needs: "
                f"another version of the code, or other settings, made it; make a new one with --from-node {node}"
            )
