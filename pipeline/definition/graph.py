"""The pipeline's nodes as plain data: what each reads and writes, its parameters, and whose code it runs.

Free of TFX: `definition` wires TFX's components from it, and whoever must know, without the slow imports, whether a
node would run reads it too. A test holds it against the pipeline that TFX compiles.
"""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Mapping
from typing import Any

from components.data import features
from pipeline.core import file_digests
from pipeline.definition.dataset import Source
from pipeline_config import PipelineConfig

PIPELINE_NAME = "sparse_autoencoder"
PUSH_GATE = "PushGate"


@dataclasses.dataclass(frozen=True)
class Node:
    """A node of the pipeline.

    Attributes:
      name: its id in TFX.
      inputs: by key, the node and the output key that it reads.
      outputs: keys of what it writes.
      code: the module of `components` whose code, with what it imports, decides what it does; empty: TFX's alone.
      packages: distributions that it runs besides those that this code imports.
      threads: whether TensorFlow computes in it with as many threads as configured.
      batches: whether Beam hands it examples in batches of the configured size.
      after: nodes that it waits for without reading from them.
      of_history: whether its result also depends on what was served before, which no key and no other root holds.
    """

    name: str
    inputs: Mapping[str, tuple[str, str]]
    outputs: tuple[str, ...]
    code: str = ""
    packages: tuple[str, ...] = ("tfx",)
    threads: bool = False
    batches: bool = False
    after: tuple[str, ...] = ()
    of_history: bool = False

    @property
    def upstream(self) -> frozenset[str]:
        """The nodes that run before it because it needs them."""
        return frozenset(self.after) | {node for node, _ in self.inputs.values()}


_EXAMPLES = ("ExampleGen", "examples")
_STATISTICS = ("StatisticsGen", "statistics")
_SCHEMA = ("SchemaGen", "schema")
_GRAPH = ("Transform", "transform_graph")
_MODEL = ("Trainer", "model")
_EVALUATION = ("Evaluator", "evaluation")
_BLESSING = ("Evaluator", "blessing")

# In the order in which they run.
ALL = (
    Node("ExampleGen", {}, ("examples",), "components.data.example_gen"),
    Node("SchemaGen", {}, ("schema",)),
    Node(
        "StatisticsGen",
        {"examples": _EXAMPLES},
        ("statistics",),
        packages=("tfx", "tensorflow-data-validation"),
        batches=True,
    ),
    Node(
        "ExampleValidator",
        {"statistics": _STATISTICS, "schema": _SCHEMA},
        ("anomalies",),
        packages=("tfx", "tensorflow-data-validation"),
    ),
    Node(
        "DataGate",
        {"anomalies": ("ExampleValidator", "anomalies"), "statistics": _STATISTICS},
        (),
        "components.data.data_gate",
    ),
    Node(
        "Transform",
        {"examples": _EXAMPLES, "schema": _SCHEMA},
        ("transform_graph",),
        "components.data.preprocessing",
        packages=("tfx", "tensorflow-transform"),
        after=("DataGate",),
    ),
    Node(
        "Trainer",
        {"examples": _EXAMPLES, "transform_graph": _GRAPH},
        ("model", "model_run"),
        "components.model.run_fn",
        threads=True,
        after=("DataGate",),
    ),
    Node(
        "Evaluator",
        {"examples": _EXAMPLES, "model": _MODEL, "schema": _SCHEMA},
        ("evaluation", "blessing"),
        "components.evaluation.evaluator",
        packages=("tfx", "tensorflow-model-analysis"),
        threads=True,
        batches=True,
    ),
    Node(
        PUSH_GATE,
        {"examples": _EXAMPLES, "model": _MODEL, "evaluation": _EVALUATION, "model_blessing": _BLESSING},
        ("decision",),
        "components.push.gate",
        threads=True,
        of_history=True,
    ),
    Node(
        "Report",
        {
            "examples": _EXAMPLES,
            "transform_graph": _GRAPH,
            "model": _MODEL,
            "model_run": ("Trainer", "model_run"),
            "evaluation": _EVALUATION,
            "blessing": _BLESSING,
        },
        ("report",),
        "components.report.component",
        threads=True,
    ),
    Node(
        "Pusher",
        {"model": _MODEL, "model_blessing": _BLESSING, "decision": (PUSH_GATE, "decision")},
        ("pushed_model",),
        "components.push.pusher",
        of_history=True,
    ),
)
NAMES = tuple(node.name for node in ALL)
BY_NAME = {node.name: node for node in ALL}

Parameters = dict[str, dict[str, Any]]


def parameters(config: PipelineConfig, source: Source) -> Parameters:
    """What each node is told, by its name; values that JSON can hold.

    What names a file or folder to read is not here but in `contents`, and what names a place to write is nowhere: it
    changes no result.
    """
    training, model, evaluation = config.training, config.model, config.evaluation
    sizes = source.split_sizes
    gates = {
        "max_bce": evaluation.max_bce,
        "max_bce_worst_label": evaluation.max_bce_worst_label,
        "max_bce_to_mean_image": evaluation.max_bce_to_mean_image,
    }
    splits = (config.data.train_split, config.data.validation_split, config.data.test_split)
    expected = (config.data.train_examples, config.data.validation_examples, config.data.test_examples)
    return {
        "ExampleGen": {
            "splits": dict(zip(features.SPLITS, splits, strict=True)),
            "shard_examples": config.data.shard_examples,
        },
        "SchemaGen": {},
        # No list of the most frequent values: of pictures it says nothing.
        "StatisticsGen": {"num_top_values": 0},
        "ExampleValidator": {},
        "DataGate": {"expected_examples": dict(zip(features.SPLITS, expected, strict=True))},
        "Transform": {
            "custom_config": {"height": source.height, "width": source.width},
            # The same graph reads the images for training, evaluation, report and serving, so a second copy of the
            # data, 28 times as large, is not written.
            "materialize": False,
            "disable_analyzer_cache": True,  # there is no analyzer to cache
            "disable_statistics": True,  # StatisticsGen made them already
        },
        "Trainer": {
            "epochs": training.epochs,
            "batch_size": training.batch_size,
            "validation_batch_size": evaluation.batch_size,
            "learning_rate": training.learning_rate,
            "seed": training.seed,
            "jit_compile": training.jit_compile,
            "resident_mib": training.resident_mib,
            "hidden_units": model.hidden_units,
            "code_units": model.code_units,
            "l1": model.l1,
            "code_bias": model.code_bias,
            "train_examples": sizes[features.TRAIN],
            "validation_examples": sizes[features.VALIDATION],
        },
        "Evaluator": {"gates": gates, "example_splits": [features.TEST]},
        PUSH_GATE: {"max_bce_to_served": config.serving.max_bce_to_served},
        "Pusher": {},
        "Report": {
            "texts": {
                "title": f"{source.name} {source.version}",
                "notice": source.notice,
                "label_names": list(source.label_names),
                "height": source.height,
                "width": source.width,
                "gates": gates,
                "settings": _settings_in_report(config),
                "facts": {f"{split} images": f"{size:,}" for split, size in sizes.items()},
            },
            "images_per_label": evaluation.images_per_label,
        },
    }


def paths(source: Source, serving_dir: pathlib.Path) -> dict[str, dict[str, str]]:
    """The places that a node is told, by its name and the property's: they change no result."""
    return {
        "ExampleGen": {"builder_dir": source.builder_dir},
        "SchemaGen": {"schema_file": source.schema_file},
        "Pusher": {"serving_dir": str(serving_dir)},
    }


def contents(source: Source) -> dict[str, dict[str, str]]:
    """Digests of the files that a node reads beside its inputs, by node and by the file's name."""
    schema_file = pathlib.Path(source.schema_file)
    return {"ExampleGen": dict(source.files), "SchemaGen": {schema_file.name: file_digests.of_file(schema_file)}}


def _settings_in_report(config: PipelineConfig) -> dict[str, str]:
    declared = config.settings()
    return {
        name: str(value)
        for name, value in config.values().items()
        if declared[name].affects_results and declared[name].in_report
    }
