"""Runs of a part of the pipeline, with the rest taken from an earlier run: of this TFX line or of the other."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence

import tensorflow as tf
import tensorflow_transform as tft
from tfx.dsl.compiler import compiler
from tfx.orchestration import pipeline as tfx_pipeline
from tfx.orchestration.portable import partial_run_utils
from tfx.proto.orchestration import pipeline_pb2
from tfx.utils import path_utils

from pipeline import lines, metadata, settings
from pipeline.errors import NotFoundError, UnavailableError
from pipeline.events import NodeState
from pipeline.root import Root

# Where the nodes that write a SavedModel have it: the output, and the model's folder in it.
_MODELS = {
    "Transform": ("transform_graph", lambda uri: os.path.join(uri, tft.TFTransformOutput.TRANSFORM_FN_DIR)),
    "Trainer": ("model", path_utils.serving_model_path),
}
_TFX_VERSION = "tfx_version"  # TFX notes it on every artifact


def mark(pipeline: pipeline_pb2.Pipeline, run_options: pipeline_pb2.RunOptions) -> None:
    """Marks the nodes of a compiled pipeline as to be run, to be reused or to be left alone."""
    partial_run_utils.mark_pipeline(
        pipeline,
        from_nodes=run_options.partial_run.from_nodes or None,
        to_nodes=run_options.partial_run.to_nodes or None,
        snapshot_settings=run_options.partial_run.snapshot_settings,
    )
    for node in pipeline.nodes:
        options = node.pipeline_node.execution_options
        if options.HasField("skip") and not is_reused(node.pipeline_node):
            # TFX would also take over what no node of this part needs, from whatever run is the latest.
            options.skip.Clear()
            options.skip.reuse_artifacts_mode = pipeline_pb2.NodeExecutionOptions.Skip.NEVER


def nodes_of(
    pipeline: tfx_pipeline.Pipeline, from_nodes: Collection[str], to_nodes: Collection[str]
) -> tuple[set[str], set[str]]:
    """The nodes that a run of this part of `pipeline` runs, and those whose earlier outputs it needs."""
    marked = partial_run_utils.mark_pipeline(
        compiler.Compiler().compile(pipeline), from_nodes=from_nodes or None, to_nodes=to_nodes or None
    )
    nodes = [node.pipeline_node for node in marked.nodes]
    return (
        {node.node_info.id for node in nodes if node.execution_options.HasField("run")},
        {node.node_info.id for node in nodes if is_reused(node)},
    )


def is_reused(node: pipeline_pb2.PipelineNode) -> bool:
    """Whether a marked node's outputs come from the earlier run."""
    options = node.execution_options
    required = pipeline_pb2.NodeExecutionOptions.Skip.REQUIRED
    return bool(options.HasField("skip") and options.skip.reuse_artifacts_mode == required)


def base_run(store: metadata.Store, root: Root, wanted: str, needed: Sequence[str]) -> str:
    """The run to take nodes from: the one asked for, else the newest in which all of them succeeded.

    Args:
      wanted: a run id; empty for the newest.
      needed: the nodes.

    Raises:
      NotFoundError: there is no such run.
    """
    run_ids = store.run_ids()
    if wanted and wanted not in run_ids:
        raise NotFoundError(f"--base {wanted}: no such run in {root.path}{settings.closest(wanted, run_ids)}")
    for run_id in [wanted] if wanted else run_ids:
        executions = store.executions(run_id)
        lacking = [
            node
            for node in needed
            if node not in executions or executions[node].state not in (NodeState.EXECUTED, NodeState.CACHED)
        ]
        if not lacking:
            return run_id
        if wanted:
            raise NotFoundError(f"--base {wanted}: {', '.join(lacking)} did not succeed in that run")
    raise NotFoundError(f"no run in {root.path} in which {', '.join(needed)} succeeded: run the whole pipeline first")


def check_models(store: metadata.Store, run_id: str, needed: Sequence[str]) -> list[str]:
    """Loads the models of a run that are to be used again: those of the other line may not load with this one.

    Returns:
      A notice for each that the other line made.

    Raises:
      UnavailableError: one does not load.
    """
    executions = store.executions(run_id)
    notices = []
    for node in [node for node in needed if node in _MODELS]:
        key, folder_of = _MODELS[node]
        output = store.outputs(executions[node].id)[key]
        version = str(output.properties.get(_TFX_VERSION, "an unknown version"))
        try:
            tf.saved_model.load(folder_of(output.uri))
        except Exception as error:  # whatever it is: damaged files, unknown operations, another format
            reason = f"{type(error).__name__}: {error}".splitlines()[0]  # some say nothing but their type
            raise UnavailableError(
                f"the model that {node} made in run {run_id}, with TFX {version}, does not load with TFX "
                f"{lines.here().name} ({reason}): make it again with --from-node {node}"
            ) from error
        if not version.startswith(lines.here().name + "."):
            notices.append(f"{node}'s model of run {run_id} was made with TFX {version}; it loads with this one")
    return notices
