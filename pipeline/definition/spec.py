"""What a pipeline declares: its nodes with their hooks, its settings and its data set. Free of TFX.

The orchestrator, the cache, `plan`, `why`, the manifest and the pages read a `Pipeline` and know no node by name.
`pipeline/sparse_autoencoder` declares the pipeline of this project; docs/extending.md shows how to declare another one.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
import os
import pathlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from components.evaluation.metrics import Metric
from pipeline.artifacts import types
from pipeline.artifacts.types import ArtifactType
from pipeline.core.dataset import Dataset
from pipeline.core.errors import UsageError
from pipeline.core.pipeline_root import Root
from pipeline.core.settings import Request, Settings
from pipeline.metadata.types import Artifact, Execution
from pipeline_config import Configuration

if TYPE_CHECKING:  # it brings ML Metadata, which commands on settings do without
    from pipeline.metadata.store import Store

PIPELINE_VARIABLE = "SAE_PIPELINE"
DEFAULT_PIPELINE = "pipeline.sparse_autoencoder.definition:PIPELINE"
OutputName = tuple[str, str]  # a node and the key of one of its outputs
Outputs = Mapping[str, Artifact]  # artifacts by the key of an input or output


@dataclasses.dataclass(frozen=True)
class ComponentInputs:
    """What a node's TFX component is constructed from.

    Attributes:
      inputs: the channel of each input, by key.
      parameters: the node's parameters.
      paths: the places that it is told.
      dataset: the data set of the run.
      config: every setting.
    """

    inputs: Mapping[str, Any]
    parameters: Mapping[str, Any]
    paths: Mapping[str, Any]
    dataset: Any
    config: Any


@dataclasses.dataclass(frozen=True)
class Reuse:
    """A result of a node that has the right key, for the hook that says whether it must be made again.

    Attributes:
      root, store: where it was made.
      candidate: the execution that made it.
      outputs: its outputs, by key.
      runtime_properties: what the node would be told now.
      same_run: whether an earlier attempt at the same run made it.
    """

    root: Root
    store: Store
    candidate: Execution
    outputs: Outputs
    runtime_properties: Mapping[str, str]
    same_run: bool


def _no_parameters(config: Any, dataset: Any) -> dict[str, Any]:
    return {}


@dataclasses.dataclass(frozen=True)
class Node:
    """A node of a pipeline.

    Attributes:
      name: its id in TFX.
      component: constructs its TFX component; imports TFX inside, so that declaring a node stays quick.
      inputs: by key, the node and the output key that it reads.
      outputs: keys of what it writes.
      code: the module whose code, with what it imports, decides what it does; empty: TFX's alone.
      packages: distributions that it runs besides those that this code imports.
      parameters: what it is told, from configuration and data set; values that JSON can hold. It is in the cache key.
      contents: digests of the files that it reads beside its inputs, by the file's name. They are in the key.
      paths: the places that it is told, by property, from the data set and the serving folder. They are in no key.
      after: nodes that it waits for without reading from them.
      threads: whether TensorFlow computes in it with as many threads as configured.
      batches: whether Beam hands it examples in batches of the configured size.
      any_workers: whether its result is the same for any number of Beam workers; it runs on one where it is not.
      saved_models: folder of the SavedModel in each output that holds one, by the output's key.
      depends_on_history: whether its result also depends on what was served before, which no key and no other root
        holds. `sae verify` does not compare it.
      restorable: whether a lost output of it can be made again.
      check_inputs: raises `UnavailableError` where artifacts that it would read do not belong together.
      runtime_properties: what it is told at run time besides, by property; in no key.
      outdated: why a cached result must be made again, or an empty text.
      skipped: why a node that succeeded counts as skipped, from its outputs, or an empty text.
    """

    name: str
    component: Callable[[ComponentInputs], Any]
    inputs: Mapping[str, OutputName] = dataclasses.field(default_factory=dict)
    outputs: tuple[str, ...] = ()
    code: str = ""
    packages: tuple[str, ...] = ("tfx",)
    parameters: Callable[[Any, Any], dict[str, Any]] = _no_parameters
    contents: Callable[[Any], dict[str, str]] = lambda dataset: {}
    paths: Callable[[Any, pathlib.Path], dict[str, str]] = lambda dataset, serving_dir: {}
    after: tuple[str, ...] = ()
    threads: bool = False
    batches: bool = False
    any_workers: bool = False
    saved_models: Mapping[str, str] = dataclasses.field(default_factory=dict)
    depends_on_history: bool = False
    restorable: bool = True
    check_inputs: Callable[[Outputs], None] = lambda inputs: None
    runtime_properties: Callable[[Root, Store, Outputs], dict[str, str]] = lambda root, store, inputs: {}
    outdated: Callable[[Reuse], str] = lambda reuse: ""
    skipped: Callable[[Outputs], str] = lambda outputs: ""

    @property
    def upstream(self) -> frozenset[str]:
        """The nodes that run before it because it needs them."""
        return frozenset(self.after) | {node for node, _ in self.inputs.values()}


@dataclasses.dataclass(frozen=True)
class FoundDataset:
    """The data set of a run.

    Attributes:
      settings: those asked for, or others where another data set stands in.
      dataset: the data set.
      exact: False where it was found for other data settings: its sizes may then differ.
    """

    settings: Settings
    dataset: Dataset
    exact: bool = True


@dataclasses.dataclass(frozen=True)
class DataSource:
    """How a pipeline finds its data set.

    Attributes:
      dataset: the class that describes it.
      recall: the data set as far as that can be told quickly, without TensorFlow; None where it must be looked for.
      find: looks for it; may be slow. Its last argument downloads and prepares a data set and shows the progress.
      refresh: a recorded data set with its files as they are now. Raises `UnavailableError` where it is gone.
      prepare: the same, ready to be read by a run in this root.
      fingerprint: digest of the data that a run would read, to find out whether it changed; empty where there is none.
    """

    dataset: type[Dataset]
    recall: Callable[[Root, Request, Settings], FoundDataset | None]
    find: Callable[[Root, Request, Settings, Callable[[Any], None]], FoundDataset]
    refresh: Callable[[Any], Dataset]
    prepare: Callable[[Any, Root], Dataset]
    fingerprint: Callable[[Root, Request, Settings], str]


@dataclasses.dataclass(frozen=True)
class Pipeline:
    """A pipeline.

    Attributes:
      name: of the TFX pipeline; the name of its context in ML Metadata.
      nodes: in the order in which they run.
      configuration: its settings: a class derived from `Configuration`.
      data: how its data set is found.
      model, evaluation, blessing, decision, pushed, report: the output that holds it; None where there is none.
      artifact_types: types of artifact of its own, known as soon as the pipeline is imported.
      metrics: what its evaluation found, by name, and why the model was not blessed.
      declared_metrics: metrics of its evaluation; those with a column are shown in lists of runs, the headline first.
      location: where it is declared, `MODULE:NAME`; empty: it is the default pipeline.
    """

    name: str
    nodes: tuple[Node, ...]
    configuration: type[Configuration]
    data: DataSource
    model: OutputName | None = None
    evaluation: OutputName | None = None
    blessing: OutputName | None = None
    decision: OutputName | None = None
    pushed: OutputName | None = None
    report: OutputName | None = None
    artifact_types: tuple[ArtifactType, ...] = ()
    metrics: Callable[[ConfiguredPipeline, Mapping[OutputName, Artifact]], tuple[dict[str, float], tuple[str, ...]]] = (
        lambda configured, outputs: ({}, ())
    )
    declared_metrics: tuple[Metric, ...] = ()
    location: str = ""

    def __post_init__(self) -> None:
        types.register(*self.artifact_types)

    @functools.cached_property
    def by_name(self) -> dict[str, Node]:
        """The nodes by name, in their order."""
        return {node.name: node for node in self.nodes}

    @functools.cached_property
    def names(self) -> tuple[str, ...]:
        """The nodes' names, in their order."""
        return tuple(self.by_name)


def of_root(root: Root, given: str = "") -> Pipeline:
    """The pipeline to use on a root: the one given, else of SAE_PIPELINE, else of the root's runs, else the default."""
    return load(given or os.environ.get(PIPELINE_VARIABLE) or root.pipeline() or DEFAULT_PIPELINE)


def load(location: str) -> Pipeline:
    """Import the pipeline that is declared in `MODULE:NAME`.

    Raises:
      UsageError: there is no such module, or no pipeline of that name in it.
    """
    module, _, name = location.partition(":")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise UsageError(
            f"--pipeline {location}: {error}; write MODULE:NAME of a module that Python can import and of the Pipeline "
            "in it, as in pipeline.sparse_autoencoder.definition:PIPELINE"
        ) from error
    if not isinstance(found, Pipeline):
        raise UsageError(f"--pipeline {location}: {name} is a {type(found).__name__}, not a Pipeline")
    return dataclasses.replace(found, location="" if location == DEFAULT_PIPELINE else location)


class ConfiguredPipeline:
    """A pipeline with the settings and the data set of a run; what each node is told is worked out once.

    Attributes:
      pipeline: the pipeline.
      settings: of the run.
      config: every setting.
      dataset: that the run reads.
      parameters, contents, paths: of each node, by its name.
    """

    def __init__(self, pipeline: Pipeline, settings: Settings, dataset: Dataset, serving_dir: pathlib.Path) -> None:
        self.pipeline = pipeline
        self.settings = settings
        self.config = settings.config
        self.dataset = dataset
        self.parameters = {node.name: node.parameters(self.config, dataset) for node in pipeline.nodes}
        self.contents = {node.name: node.contents(dataset) for node in pipeline.nodes}
        self.paths = {node.name: node.paths(dataset, serving_dir) for node in pipeline.nodes}
