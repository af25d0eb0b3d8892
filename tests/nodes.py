"""Single nodes of the real pipeline, run without metadata: what the launcher does around an executor."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping
from typing import Any

import pipeline_config
from pipeline.core.settings import Settings
from pipeline.definition.spec import ConfiguredPipeline
from pipeline.sparse_autoencoder.definition import PIPELINE
from pipeline.sparse_autoencoder.image_dataset import ImageDataset
from pipeline_config import PipelineConfig
from tests import lazy
from tests.tfds_builders import HEIGHT, LABELS, WIDTH

base_beam_executor = lazy.module("tfx.dsl.components.base.base_beam_executor")
definition = lazy.module("pipeline.definition.pipeline")
engine = lazy.module("pipeline.orchestration.tfx.beam_engine")
metadata = lazy.module("tfx.orchestration.metadata")
schema = lazy.module("components.data.schema")
standard_artifacts = lazy.module("tfx.types.standard_artifacts")


def make(
    folder: pathlib.Path,
    settings: Mapping[str, pipeline_config.Value],
    builder_dir: str = "",
    split_sizes: Mapping[str, int] | None = None,
    described: ImageDataset | None = None,
) -> dict[str, Any]:
    """The pipeline's components by id.

    They are for the data set `described`, or for one of `tests.tfds_builders`, whose schema is written into `folder`.
    """
    schema_file = folder / "schema" / "schema.pbtxt"
    schema_file.parent.mkdir(parents=True, exist_ok=True)
    schema_file.write_text(schema.schema_text(HEIGHT, WIDTH, LABELS), encoding="utf-8")
    described = described or ImageDataset(
        builder_dir=builder_dir,
        files={"bands.tfrecord": "a-digest"},
        name="bands",
        version="1.2.3",
        height=HEIGHT,
        width=WIDTH,
        label_names=("top", "middle", "bottom"),
        split_sizes=dict(split_sizes or {"train": 0, "validation": 0, "test": 0}),
        schema_file=str(schema_file),
    )
    configured = ConfiguredPipeline(
        PIPELINE, Settings(PipelineConfig.build(settings), {}, "mnist"), described, folder / "serving"
    )
    pipeline = definition.create_pipeline(
        configured, folder / "artifacts", metadata.sqlite_metadata_connection_config(f"{folder}/metadata.sqlite")
    )
    return {component.id: component for component in pipeline.components}


def run(component: Any, folder: pathlib.Path, **inputs: Any) -> dict[str, Any]:
    """Runs a component's executor on artifacts. Returns its output artifacts, which lie in `folder`."""
    outputs = {}
    for key, channel in component.outputs.items():
        outputs[key] = channel.type()
        outputs[key].uri = str(folder / key)
        (folder / key).mkdir(parents=True)
    executor = component.executor_spec.executor_class
    context = {"tmp_dir": str(folder / "temporary"), "unique_id": "1"}
    if issubclass(executor, base_beam_executor.BaseBeamExecutor):
        context["make_beam_pipeline_fn"] = lambda: engine.make_beam_pipeline(1, 1_000)
    executor(executor.Context(**context)).Do(
        {key: [artifact] for key, artifact in inputs.items()},
        {key: [artifact] for key, artifact in outputs.items()},
        dict(component.exec_properties),
    )
    return outputs


def artifact(kind: str, folder: pathlib.Path) -> Any:
    """An artifact of the type `kind` whose content lies in `folder`."""
    made = getattr(standard_artifacts, kind)()
    made.uri = str(folder)
    return made
