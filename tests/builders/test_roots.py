"""What the builders record, written out: they take keys and decisions from the code that other tests try on them."""

from __future__ import annotations

import pathlib

import pytest

from components.push import decision
from tests.builders.roots import METRICS, Recorded

THREADS = {"intra_op_threads": "2", "inter_op_threads": "2"}
GATES = {
    "gates.max_loss": "0.12",
    "gates.max_loss_worst_label": "0.16",
    "gates.max_loss_to_mean_image": "0.9",
    "gates.loss": '"bce"',
    "gates.max_dead_units": "Infinity",
    "gates.max_active_units": "Infinity",
    "gates.noise": "false",
}
# By node: its parameters as JSON, and its inputs; the Report's parameters are the texts of its page.
KEYS = {
    "ExampleGen": (
        {
            "splits.train": '"train[:50000]"',
            "splits.validation": '"train[50000:]"',
            "splits.test": '"test"',
            "shard_examples": "10000",
            "size": "null",
            "ids": "false",
        },
        [],
    ),
    "SchemaGen": ({}, []),
    "StatisticsGen": ({"num_top_values": "0", "beam_batch_size": "1000"}, ["examples"]),
    "ExampleValidator": ({}, ["schema", "statistics"]),
    "DataGate": (
        {
            "expected_examples.train": "50000",
            "expected_examples.validation": "10000",
            "expected_examples.test": "10000",
        },
        ["anomalies", "statistics"],
    ),
    "Transform": (
        {
            "custom_config.height": "28",
            "custom_config.width": "28",
            "custom_config.channels": "1",
            "custom_config.kind": '"image"',
            "custom_config.dtype": '"uint8"',
            "custom_config.scaling": '"auto"',
            "materialize": "false",
            "disable_analyzer_cache": "true",
            "disable_statistics": "true",
        },
        ["examples", "schema"],
    ),
    "Trainer": (
        {
            "epochs": "50",
            "batch_size": "256",
            "validation_batch_size": "1000",
            "learning_rate": "0.001",
            "seed": "0",
            "jit_compile": "true",
            "resident_mib": "2048",
            "schedule": '"constant"',
            "warm_up": "0.0",
            "hidden_layers": "[256]",
            "sparsity": '"l1"',
            "output_bias": '"zeros"',
            "noise": '"none"',
            "code_units": "32",
            "l1": "0.001",
            "code_bias": "1.0",
            "loss": '"bce"',
            "scaling": '"auto"',
            "train_examples": "50000",
            "validation_examples": "10000",
            **THREADS,
        },
        ["examples", "transform_graph"],
    ),
    "Evaluator": (
        {**GATES, "example_splits": '["test"]', "labelled": "true", **THREADS, "beam_batch_size": "1000"},
        ["examples", "model", "schema"],
    ),
    "Encode": ({"splits": '["train", "validation", "test"]', **THREADS}, ["examples", "model", "transform_graph"]),
    "PixelProbe": ({"label_names": '["0", "1"]', "values": "784"}, ["examples", "transform_graph"]),
    "Probe": ({"label_names": '["0", "1"]'}, ["codes", "examples", "model_run", "pixel_scores", "transform_graph"]),
    "PushGate": ({"max_bce_to_served": "1.05", **THREADS}, ["evaluation", "examples", "model", "model_blessing"]),
    "Pusher": ({}, ["decision", "model", "model_blessing"]),
}


@pytest.fixture
def recorded(tmp_path: pathlib.Path) -> Recorded:
    return Recorded(tmp_path)


def test_keys_hold_what_each_node_depends_on(recorded: Recorded) -> None:
    recorded.run("r1")
    keys = {node: one.key.parts for node, one in recorded.decisions().items()}
    assert {node: (dict(keys[node]["parameters"]), sorted(keys[node]["inputs"])) for node in KEYS} == KEYS
    assert keys.keys() - KEYS.keys() == {"Report"}
    # A content digest begins with the output that it is of.
    outputs = {"model_blessing": "blessing"}
    for parts in keys.values():
        for name, content in parts["inputs"].items():
            assert content.partition("-1:")[0] == outputs.get(name, name)
    dependencies = "and all that these require"
    assert keys["SchemaGen"]["packages"].keys() == {"python", "tfx", dependencies}
    assert keys["Pusher"]["packages"].keys() == {"ml-pipelines-sdk", "python", "tfx", dependencies}
    digests = {
        "mnist-test.tfrecord": "24ffadb0b612cefb4b2f4f7fd73f30e7e18bc39125dff127ad270168d5e2cb07",
        "mnist-train.tfrecord": "b98e9c4b0c6f3f4dee96a598b03abeba17b072b75a5b388ac13b3075e66c3e75",
    }
    assert keys["ExampleGen"]["data"] == digests
    assert [node for node, parts in keys.items() if parts["data"]] == ["ExampleGen", "SchemaGen"]


def test_the_push_gate_decides_on_the_newest_pushed_model_of_the_same_l1(recorded: Recorded) -> None:
    found = []
    for run_id, *assignments in (("first",), ("same", "training.seed=5"), ("other", "model.l1=1e-5")):
        recorded.run(run_id, *assignments)
        made = decision.read(recorded.folder_of(run_id, "PushGate", "decision"))
        assert made.loss == METRICS["bce"] == 0.0943
        found.append((made.push, made.l1, made.baseline and (made.baseline.version, made.baseline.run_id)))
    recorded.run("rejected", "training.seed=6", blessed=False)
    made = decision.read(recorded.folder_of("rejected", "PushGate", "decision"))
    found.append((made.push, made.l1, made.baseline))
    assert found == [(True, 0.001, None), (True, 0.001, (1, "first")), (True, 1e-5, None), (False, 0.001, None)]
