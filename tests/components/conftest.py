"""A small model, trained and evaluated by the real nodes once for all tests that need one."""

from __future__ import annotations

import dataclasses
import fcntl
import json
import math
import os
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from pipeline_config import Value
from tests import lazy, nodes, tfds_builders

artifact = lazy.module("tfx.types.artifact")

SETTINGS = {
    "data.train_split": "train[:60]",
    "data.validation_split": "train[60:]",
    "data.shard_examples": 25,
    "model.hidden_layers": "16",
    "model.code_units": 4,
    "training.epochs": 30,
    "training.batch_size": 15,  # a smaller last batch would be traced as well
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


def made_once(
    name: str, tmp_path_factory: pytest.TempPathFactory, make: Callable[[pathlib.Path], dict[str, Any]]
) -> dict[str, Any]:
    """Artifacts by key that `make` writes into a folder, by whichever of the processes that share the tests is first.

    Nobody may change them.
    """
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    record = shared / f"{name}.json"
    with open(shared / f"{name}.lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not record.exists():
            made = make(tmp_path_factory.mktemp(name))
            record.write_text(json.dumps({key: one.to_json_dict() for key, one in made.items()}))
    return {
        key: artifact.Artifact.from_json_dict(told)
        for key, told in json.loads(record.read_text(encoding="utf-8")).items()
    }


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    def make(folder: pathlib.Path) -> dict[str, Any]:
        records = {"train": tfds_builders.bands(range(90)), "test": tfds_builders.bands(range(100, 131))}
        data = nodes.artifact("Model", folder)  # any type: the folder counts
        data.uri = tfds_builders.prepare(folder / "data", records, files=2)
        components = components_of(folder, data.uri)
        made = {"data": data, "schema": nodes.artifact("Schema", folder / "schema")}
        made |= nodes.run(components["ExampleGen"], folder / "ExampleGen")
        examples = {"examples": made["examples"]}
        made |= nodes.run(components["Transform"], folder / "Transform", **examples, schema=made["schema"])
        graph = {"transform_graph": made["transform_graph"]}
        return made | nodes.run(components["Trainer"], folder / "Trainer", **examples, **graph)

    made = made_once("trained", tmp_path_factory, make)
    builder_dir = made["data"].uri
    return Trained(
        builder_dir,
        components_of(tmp_path_factory.mktemp("components"), builder_dir),
        **{name: made[name] for name in ("examples", "schema", "transform_graph", "model", "model_run")},
    )


def components_of(folder: pathlib.Path, builder_dir: str, settings: Mapping[str, Value] = SETTINGS) -> dict[str, Any]:
    return nodes.make(folder, settings, builder_dir, {"train": 60, "validation": 30, "test": 31})


@pytest.fixture(scope="session")
def streamed_run(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The output `model_run` of a Trainer that may keep no images in memory, after 5 epochs."""
    settings = SETTINGS | {"training.resident_mib": 0, "training.epochs": 5}
    inputs = {"examples": trained.examples, "transform_graph": trained.transform_graph}

    def make(folder: pathlib.Path) -> dict[str, Any]:
        return nodes.run(components_of(folder, trained.builder_dir, settings)["Trainer"], folder, **inputs)

    return made_once("streamed", tmp_path_factory, make)["model_run"]


@pytest.fixture(scope="session")
def codes(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The output of Encode."""
    inputs = {"examples": trained.examples, "transform_graph": trained.transform_graph, "model": trained.model}
    encode = trained.components["Encode"]
    return made_once("encode", tmp_path_factory, lambda folder: nodes.run(encode, folder, **inputs))["codes"]


@pytest.fixture(scope="session")
def pixel_scores(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The output of the PixelProbe."""
    inputs = {"examples": trained.examples, "transform_graph": trained.transform_graph}
    probe = trained.components["PixelProbe"]
    return made_once("pixels", tmp_path_factory, lambda folder: nodes.run(probe, folder, **inputs))["pixel_scores"]


@pytest.fixture(scope="session")
def scores(trained: Trained, codes: Any, pixel_scores: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The output of the Probe."""
    inputs = {"examples": trained.examples, "transform_graph": trained.transform_graph, "model_run": trained.model_run}
    inputs |= {"codes": codes, "pixel_scores": pixel_scores}
    probe = trained.components["Probe"]
    return made_once("probe", tmp_path_factory, lambda folder: nodes.run(probe, folder, **inputs))["scores"]


# Gates of the Evaluator that every model passes which learned anything.
LOOSEST: dict[str, Value] = {"max_bce": math.inf, "max_bce_worst_label": math.inf, "max_bce_to_mean_image": 0.99}


@pytest.fixture(scope="session")
def evaluated(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The Evaluator's outputs on the trained model, with the loosest gates."""
    settings = SETTINGS | {f"evaluation.{name}": limit for name, limit in LOOSEST.items()}
    inputs = {"examples": trained.examples, "model": trained.model, "schema": trained.schema}

    def make(folder: pathlib.Path) -> dict[str, Any]:
        return nodes.run(nodes.make(folder, settings)["Evaluator"], folder, **inputs)

    return made_once("evaluated", tmp_path_factory, make)
