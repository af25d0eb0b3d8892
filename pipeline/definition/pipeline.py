"""Create the TFX pipeline of a declaration, without running it. Importing this module imports TFX."""

from __future__ import annotations

import pathlib
from typing import Any

from tfx.orchestration import pipeline as tfx_pipeline

from pipeline.definition.spec import ComponentInputs, ConfiguredPipeline


def create_pipeline(
    configured: ConfiguredPipeline, artifacts_dir: pathlib.Path, metadata: Any
) -> tfx_pipeline.Pipeline:
    """Create the components and connect them.

    Args:
      configured: the pipeline, its settings and its data set.
      artifacts_dir: absolute path of the folder for the nodes' outputs.
      metadata: `ConnectionConfig` of ML Metadata: where the store is.
    """
    components: dict[str, Any] = {}
    for node in configured.pipeline.nodes:
        component = node.component(
            ComponentInputs(
                {key: components[upstream].outputs[output] for key, (upstream, output) in node.inputs.items()},
                configured.parameters[node.name],
                configured.paths[node.name],
                configured.dataset,
                configured.config,
            )
        ).with_id(node.name)
        for upstream in node.waits_for:
            component.add_upstream_node(components[upstream])
        components[node.name] = component
    return tfx_pipeline.Pipeline(
        pipeline_name=configured.pipeline.name,
        pipeline_root=str(artifacts_dir),
        components=list(components.values()),
        enable_cache=True,
        metadata_connection_config=metadata,
    )
