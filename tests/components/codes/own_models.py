"""Models of data sets made by `sae data add`: the real nodes around an untrained model, which encodes as well."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from components.codes import table
from components.data.own_data import forms, survey
from components.data.own_data.records import Options
from pipeline.core.pipeline_root import Root
from pipeline.core.settings import Settings
from pipeline.sparse_autoencoder.image_dataset import ImageDataset
from pipeline_config import PipelineConfig
from tests import lazy, nodes

autoencoder = lazy.module("components.model.autoencoder")
builder = lazy.module("components.data.own_data.builder")
dataset_resolver = lazy.module("pipeline.sparse_autoencoder.dataset_resolver")
saved_model = lazy.module("components.model.saved_model")
tfds = lazy.module("tensorflow_datasets")
tft = lazy.module("tensorflow_transform")


@dataclasses.dataclass(frozen=True)
class OwnModel:
    """A model of an own data set.

    Attributes:
      described: the data set.
      settings: of the run.
      model: the folder of the SavedModel.
      codes: the table that the node Encode wrote.
      artifacts: by key.
    """

    described: ImageDataset
    settings: PipelineConfig
    model: pathlib.Path
    codes: pa.Table
    artifacts: Mapping[str, Any]


def make(folder: pathlib.Path, path: pathlib.Path, options: Options, settings: Mapping[str, Any]) -> OwnModel:
    """Add the data set at `path`, and run ExampleGen, Transform and Encode on it."""
    source = forms.open_source(path, options)
    prepared = builder.prepare(folder, "own", "1.0.0", source, survey.survey(source, options), options)
    config = PipelineConfig.build({"data.dataset": "own", "data.data_dir": str(folder), **settings})
    (folder / "root" / "data").mkdir(parents=True)
    found = tfds.builder_from_directory(str(prepared))
    described = dataset_resolver.describe(
        found, {"own": "a-digest"}, Settings(config, {}, "mnist"), Root(folder / "root"), ""
    )
    components = nodes.make(folder, settings, described=described)
    made = nodes.run(components["ExampleGen"], folder / "ExampleGen")
    made["schema"] = nodes.artifact("Schema", pathlib.Path(described.schema_file).parent)
    made |= nodes.run(components["Transform"], folder / "Transform", examples=made["examples"], schema=made["schema"])
    values = described.height * described.width * described.channels
    graph = tft.TFTransformOutput(made["transform_graph"].uri)
    model = autoencoder.build_autoencoder(values, (16,), 4, 0.0, seed=1, code_bias=0.1, loss="mse")
    saved = folder / "model" / "Format-Serving"
    saved_model.save(model, graph, np.full(values, 0.5, np.float32), saved)
    made["model"] = nodes.artifact("Model", folder / "model")
    used = {key: made[key] for key in ("examples", "transform_graph", "model")}
    made |= nodes.run(components["Encode"], folder / "Encode", **used)
    return OwnModel(described, config, saved, pq.read_table(pathlib.Path(made["codes"].uri, table.FILE)), made)
