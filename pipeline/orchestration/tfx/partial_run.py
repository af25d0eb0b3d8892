"""TFX's side of a partial run: which nodes of a compiled pipeline to run, and models that may not load here."""

from __future__ import annotations

import os
from collections.abc import Sequence

import tensorflow as tf
import tensorflow_transform as tft
from tfx.orchestration.portable import partial_run_utils
from tfx.proto.orchestration import pipeline_pb2
from tfx.utils import path_utils

from pipeline.core import tfx_versions
from pipeline.core.errors import UnavailableError
from pipeline.metadata.store import Store

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


def is_reused(node: pipeline_pb2.PipelineNode) -> bool:
    """Whether a marked node's outputs come from the earlier run."""
    options = node.execution_options
    required = pipeline_pb2.NodeExecutionOptions.Skip.REQUIRED
    return bool(options.HasField("skip") and options.skip.reuse_artifacts_mode == required)


def check_models(store: Store, run_id: str, needed: Sequence[str]) -> list[str]:
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
                f"{tfx_versions.here().name} ({reason}): make it again with --from-node {node}"
            ) from error
        if not version.startswith(tfx_versions.here().name + "."):
            notices.append(f"{node}'s model of run {run_id} was made with TFX {version}; it loads with this one")
    return notices
