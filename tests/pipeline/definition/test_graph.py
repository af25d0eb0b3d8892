"""The nodes as plain data say what TFX compiles of the definition, and parts of them what TFX marks."""

from __future__ import annotations

import importlib.util
import itertools
import math
import pathlib
from typing import Any

import pytest

from pipeline.core.errors import NotFoundError, UsageError
from pipeline.core.settings import Request
from pipeline.orchestration import partial_run
from pipeline.orchestration.request import RunRequest
from pipeline.sparse_autoencoder.definition import PIPELINE
from pipeline.sparse_autoencoder.image_dataset import ImageDataset
from pipeline_config import PipelineConfig
from tests import lazy
from tests import nodes as made

compiler = lazy.module("tfx.dsl.compiler.compiler")
partial_run_utils = lazy.module("tfx.orchestration.portable.partial_run_utils")
pipeline_pb2 = lazy.module("tfx.proto.orchestration.pipeline_pb2")
tfx_pipeline = lazy.module("tfx.orchestration.pipeline")


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The pipeline as TFX's intermediate representation."""
    folder = tmp_path_factory.mktemp("definition")
    components = list(made.make(folder, {}).values())
    pipeline = tfx_pipeline.Pipeline(PIPELINE.name, pipeline_root=str(folder), components=components)
    return compiler.Compiler().compile(pipeline)


@pytest.mark.component
def test_the_nodes_are_those_of_the_compiled_pipeline_in_its_order(compiled: Any) -> None:
    assert tuple(node.pipeline_node.node_info.id for node in compiled.nodes) == PIPELINE.names


@pytest.mark.component
@pytest.mark.parametrize("name", PIPELINE.names)
def test_each_node_reads_writes_and_waits_for_what_tfx_says(compiled: Any, name: str) -> None:
    [node] = [node.pipeline_node for node in compiled.nodes if node.pipeline_node.node_info.id == name]
    inputs = {
        key: (channel.producer_node_query.id, channel.output_key)
        for key, spec in node.inputs.inputs.items()
        for channel in spec.channels
    }
    assert inputs == dict(PIPELINE.by_name[name].inputs)
    assert set(node.outputs.outputs) == set(PIPELINE.by_name[name].outputs)
    assert set(node.upstream_nodes) == PIPELINE.by_name[name].upstream


@pytest.mark.component
def test_no_node_is_told_an_infinite_number(tmp_path: pathlib.Path) -> None:
    """ML Metadata on SQLite fails to store one; a setting may be infinite."""
    infinite = [name for name in PipelineConfig.settings() if name.startswith(("evaluation.max", "serving.max"))]
    settings = {name: math.inf for name in infinite if not name.endswith("_to_mean_image")}
    assert len(settings) == 7
    for component in made.make(tmp_path, settings).values():
        told = [value for value in component.exec_properties.values() if isinstance(value, float)]
        assert all(map(math.isfinite, told)), component.id


@pytest.mark.component
def test_every_part_is_the_one_that_tfx_marks(compiled: Any) -> None:
    compared = 0
    for first, last in itertools.product(["", *PIPELINE.names], repeat=2):
        if not first and not last:
            continue
        pipeline = pipeline_pb2.Pipeline.FromString(compiled.SerializeToString())
        marked = partial_run_utils.mark_pipeline(pipeline, [first] if first else None, [last] if last else None)
        options = {node.pipeline_node.node_info.id: node.pipeline_node.execution_options for node in marked.nodes}
        runs = [name for name in PIPELINE.names if options[name].HasField("run")]
        required = pipeline_pb2.NodeExecutionOptions.Skip.REQUIRED
        reused = [name for name in PIPELINE.names if options[name].skip.reuse_artifacts_mode == required]
        if runs:
            assert partial_run.nodes_of(PIPELINE, first, last) == (runs, reused), (first, last)
            compared += 1
        else:
            with pytest.raises(UsageError, match=f"--from-node {first}.*--to-node {last}"):
                partial_run.nodes_of(PIPELINE, first, last)
    assert compared > 20


def test_the_whole_needs_nothing_of_another_run() -> None:
    assert partial_run.nodes_of(PIPELINE, "", "") == (list(PIPELINE.names), [])


def test_a_part_may_end_or_begin_at_several_nodes() -> None:
    to_run, reused = partial_run.nodes_of(PIPELINE, "", "StatisticsGen,SchemaGen")
    assert (to_run, reused) == (["ExampleGen", "SchemaGen", "StatisticsGen"], [])
    to_run, _ = partial_run.nodes_of(PIPELINE, "Report,Pusher", "")
    assert to_run == ["Pusher", "Report"]
    found = partial_run.with_nodes(RunRequest(PIPELINE, Request(), to_node="evaluator, Probe"))
    assert found.to_node == "Evaluator,Probe"
    with pytest.raises(NotFoundError, match="Trainr"):
        partial_run.with_nodes(RunRequest(PIPELINE, Request(), to_node="Probe,Trainr"))
    with pytest.raises(NotFoundError, match="--to-node ,"):
        partial_run.with_nodes(RunRequest(PIPELINE, Request(), to_node=","))


def test_a_misspelt_node_is_refused_with_the_closest() -> None:
    with pytest.raises(NotFoundError, match=r"--to-node Trainr.*\bTrainer\b"):
        partial_run.with_nodes(RunRequest(PIPELINE, Request(), to_node="Trainr"))


def test_every_module_whose_code_is_in_a_key_exists() -> None:
    modules = [node.code for node in PIPELINE.nodes if node.code]
    assert len(modules) == 11
    assert all(importlib.util.find_spec(module) for module in modules)


def source(folder: pathlib.Path, **changes: Any) -> ImageDataset:
    schema_file = folder / "a.pbtxt"
    schema_file.write_text("feature {}")
    values = {
        "builder_dir": "/data/mnist/3.0.1", "files": {"a": "1"}, "name": "mnist", "version": "3.0.1", "height": 28,
        "width": 28, "label_names": ("0", "1"), "split_sizes": {"train": 6, "validation": 2, "test": 1},
        "schema_file": str(schema_file),
    }  # fmt: skip
    return ImageDataset(**{**values, **changes})


def contents(dataset: ImageDataset) -> dict[str, dict[str, str]]:
    return {node.name: node.contents(dataset) for node in PIPELINE.nodes}


def test_files_count_by_content_not_by_place(tmp_path: pathlib.Path) -> None:
    found = contents(source(tmp_path))
    assert found["ExampleGen"] == {"a": "1"}
    assert list(found["SchemaGen"]) == ["a.pbtxt"]
    (tmp_path / "other").mkdir()
    assert contents(source(tmp_path / "other", builder_dir="/elsewhere")) == found
    same = source(tmp_path)
    (tmp_path / "a.pbtxt").write_text("feature { }")
    assert contents(same)["SchemaGen"] != found["SchemaGen"]
