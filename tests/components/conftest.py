"""A small model, trained by the real nodes once for all tests that need one."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from tests import nodes, tfds_builders

SETTINGS = {
    "data.train_split": "train[:60]",
    "data.validation_split": "train[60:]",
    "data.shard_examples": 25,
    "model.hidden_layers": "16",
    "model.code_units": 4,
    "training.epochs": 30,
    "training.batch_size": 16,
    "training.learning_rate": 0.01,
    "training.jit_compile": False,
}


@dataclasses.dataclass(frozen=True)
class Trained:
    """What the nodes up to the Trainer made of a data set with 60, 30 and 31 images.

    Attributes:
      builder_dir: the data set; the files of its test split hold the numbers 100 to 130 of `tfds_builders.band`.
      components: of the pipeline, by id.
      examples, schema, transform_graph, model, model_run: artifacts.
    """

    builder_dir: str
    components: dict[str, Any]
    examples: Any
    schema: Any
    transform_graph: Any
    model: Any
    model_run: Any


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("trained")
    records = {"train": tfds_builders.bands(range(90)), "test": tfds_builders.bands(range(100, 131))}
    builder_dir = tfds_builders.prepare(folder / "data", records, files=2)
    components = nodes.make(folder, SETTINGS, builder_dir, {"train": 60, "validation": 30, "test": 31})
    examples = nodes.run(components["ExampleGen"], folder / "ExampleGen")["examples"]
    schema = nodes.artifact("Schema", folder / "schema")
    transform = nodes.run(components["Transform"], folder / "Transform", examples=examples, schema=schema)
    graph = transform["transform_graph"]
    training = nodes.run(components["Trainer"], folder / "Trainer", examples=examples, transform_graph=graph)
    return Trained(builder_dir, components, examples, schema, graph, training["model"], training["model_run"])


@pytest.fixture(scope="session")
def codes(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The output of Encode."""
    inputs = {"examples": trained.examples, "transform_graph": trained.transform_graph, "model": trained.model}
    return nodes.run(trained.components["Encode"], tmp_path_factory.mktemp("encode"), **inputs)["codes"]


@pytest.fixture(scope="session")
def scores(trained: Trained, codes: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The output of the Probe."""
    inputs = {"examples": trained.examples, "transform_graph": trained.transform_graph, "model_run": trained.model_run}
    return nodes.run(trained.components["Probe"], tmp_path_factory.mktemp("probe"), codes=codes, **inputs)["scores"]
