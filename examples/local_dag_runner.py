"""Run the pipeline under TFX's own LocalDagRunner, without `sae`.

    python -m examples.local_dag_runner /tmp/digits training.epochs=5

The TFX pipeline is the one that `sae run` runs. TFX's runner has its own cache and records no digests, so `sae plan`,
`verify` and `resume` know nothing of these runs; `sae runs --metadata FILE` and `sae serve --metadata FILE` show them.
"""

from __future__ import annotations

import pathlib
import sys

from tfx.orchestration import pipeline as tfx_pipeline
from tfx.orchestration.local.local_dag_runner import LocalDagRunner

from pipeline.core import settings
from pipeline.core.pipeline_root import Root
from pipeline.definition.pipeline import create_pipeline
from pipeline.definition.spec import ConfiguredPipeline
from pipeline.metadata import root_store
from pipeline.sparse_autoencoder.definition import PIPELINE


def sample_pipeline(folder: pathlib.Path, *assignments: str) -> tfx_pipeline.Pipeline:
    """Return the TFX pipeline on the embedded sample.

    Args:
      folder: for the sample, the artifacts, ML Metadata (`metadata.sqlite`) and served models; created.
      assignments: settings, such as `training.epochs=5`.
    """
    root = Root.at(folder)
    root.create()
    request = settings.Request("sample", assignments=assignments, root=str(folder), config_type=PIPELINE.configuration)
    found = PIPELINE.data.find(root, request, settings.resolve(request), lambda builder: None)
    dataset = PIPELINE.data.prepare(found.dataset, root)
    configured = ConfiguredPipeline(PIPELINE, found.settings, dataset, root.serving)
    return create_pipeline(configured, root.artifacts, root_store.of(root).connection_config())


if __name__ == "__main__":
    LocalDagRunner().run(sample_pipeline(pathlib.Path(sys.argv[1]), *sys.argv[2:]))
