"""What a pipeline declares: nodes with their hooks, settings and a data set. This module does not import TFX.

All commands and pages read a `Pipeline` object; none of them knows a node, a model or an artifact type by name.
`pipeline/sparse_autoencoder` declares the pipeline of this project; docs/extending.md shows how to declare another one.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import importlib
import os
import pathlib
import sys
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any

from components.evaluation.metrics import Metric
from pipeline.artifacts import types
from pipeline.artifacts.types import ArtifactType
from pipeline.core.dataset import Dataset
from pipeline.core.errors import UsageError
from pipeline.core.pipeline_root import Root
from pipeline.core.project import python_path
from pipeline.core.settings import Request, Settings
from pipeline.metadata.types import Artifact, Execution
from pipeline_config import Configuration, EngineConfig, Value

if TYPE_CHECKING:  # imports ML Metadata, which commands about settings do not need
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
      paths: the node's paths, by property.
      dataset: the data set of the run.
      config: all settings.
    """

    inputs: Mapping[str, Any]
    parameters: Mapping[str, Any]
    paths: Mapping[str, Any]
    dataset: Any
    config: Any


@dataclasses.dataclass(frozen=True)
class Reuse:
    """A cached result whose key matches, passed to the hook that decides whether it is outdated.

    Attributes:
      root, store: the pipeline root and its ML Metadata store.
      candidate: the execution with that key.
      outputs: its outputs, by key.
      runtime_properties: the runtime properties that the node would have now.
      same_run: whether the execution belongs to an earlier attempt at the same run.
    """

    root: Root
    store: Store
    candidate: Execution
    outputs: Outputs
    runtime_properties: Mapping[str, str]
    same_run: bool


def _never_skipped(outputs: Outputs) -> str:
    del outputs
    return ""


@dataclasses.dataclass(frozen=True)
class Node:
    """A node of a pipeline.

    Attributes:
      name: the node's id in TFX.
      component: constructs the TFX component. It imports TFX itself, so that declaring a node is quick.
      inputs: the node and output key that each input comes from, by input key.
      outputs: keys of the outputs.
      code: the module, in a package, whose code is in the cache key, with all modules that it imports and that no
        installed distribution contains; empty if the node runs TFX's code alone.
      steps: modules whose steps run in its Beam job in place of those of a library. Their code is in the key as well.
      packages: distributions that the node runs besides those that its code imports. Their versions are in the key.
      parameters: parameters from configuration and data set, as values that JSON can represent. They are in the key.
      contents: digests, by file name, of files that the node reads besides its inputs. They are in the key.
      paths: paths, by property, from the data set and the serving folder. They are not in the key.
      after: nodes that must run before this one, besides those that it reads from.
      beside: the node beside which it may be executed, in a thread; it is recorded after that one. It must read outputs
        of earlier nodes only, and draw no random numbers from generators of the process. Beam jobs wait all the same.
      meanwhile: saves later nodes time, as by imports, in a thread while this node is executed, after the nodes beside
        it. It gets the inputs and the names of the later nodes of the run, and changes no result: if it fails, that is
        logged.
      threads: whether its result depends on the number of TensorFlow's threads.
      batches: whether its result depends on Beam's batch size.
      largest_batch: returns the largest batch of Beam whose memory is bounded for a data set, in examples; None: any.
      any_workers: whether its result is the same for any number of Beam workers, and on a cluster; otherwise it runs on
        one worker of this machine.
      saved_models: the folder of the SavedModel in each output that contains one, by output key.
      depends_on_history: whether the result also depends on earlier pushes, which are not in the key. `sae verify` does
        not compare such a node.
      restorable: whether `sae restore` can regenerate a lost output.
      check_inputs: raises `UnavailableError` if the inputs do not belong together.
      missing_output: returns an output that a SavedModel lacks and the node needs, or an empty text. It gets the
        settings and each SavedModel that the node reads from an earlier run, which other code may have made.
      runtime_properties: further properties, computed when the node runs. They are not in the key.
      outdated: returns why a cached result is outdated, or an empty text.
      skipped: returns why a node that succeeded counts as skipped, or an empty text.
    """

    name: str
    component: Callable[[ComponentInputs], Any]
    inputs: Mapping[str, OutputName] = dataclasses.field(default_factory=dict)
    outputs: tuple[str, ...] = ()
    code: str = ""
    steps: tuple[str, ...] = ()
    packages: tuple[str, ...] = ("tfx",)
    parameters: Callable[[Any, Any], dict[str, Any]] = lambda config, dataset: {}
    contents: Callable[[Any], dict[str, str]] = lambda dataset: {}
    paths: Callable[[Any, pathlib.Path], dict[str, str]] = lambda dataset, serving_dir: {}
    after: tuple[str, ...] = ()
    beside: str = ""
    meanwhile: Callable[[Outputs, Collection[str]], None] | None = None
    threads: bool = False
    batches: bool = False
    largest_batch: Callable[[Any], int | None] = lambda dataset: None
    any_workers: bool = False
    saved_models: Mapping[str, str] = dataclasses.field(default_factory=dict)
    depends_on_history: bool = False
    restorable: bool = True
    check_inputs: Callable[[Outputs], None] = lambda inputs: None
    missing_output: Callable[[Any, Any], str] = lambda config, model: ""
    runtime_properties: Callable[[Root, Store, Outputs], dict[str, str]] = lambda root, store, inputs: {}
    outdated: Callable[[Reuse], str] = lambda reuse: ""
    skipped: Callable[[Outputs], str] = _never_skipped

    @property
    def may_be_skipped(self) -> bool:
        """Return whether it may count as skipped though it succeeded."""
        return self.skipped is not _never_skipped

    def engine_for(self, engine: EngineConfig, dataset: Any) -> EngineConfig:
        """Return the settings of the engine for this node: the batch size is at most `largest_batch`."""
        most = self.largest_batch(dataset)
        if most is None or engine.beam_batch_size <= most:
            return engine
        return dataclasses.replace(engine, beam_batch_size=most)

    @property
    def upstream(self) -> frozenset[str]:
        """Return the nodes that must run before this one."""
        return frozenset(self.waits_for) | self.reads

    @property
    def reads(self) -> frozenset[str]:
        """Return the nodes whose outputs it reads."""
        return frozenset(node for node, _ in self.inputs.values())

    @property
    def waits_for(self) -> tuple[str, ...]:
        """Return the nodes that must run before this one though it reads nothing from them."""
        return (*self.after, self.beside) if self.beside else self.after


@dataclasses.dataclass(frozen=True)
class FoundDataset:
    """The data set of a run.

    Attributes:
      settings: the resolved settings; those of the sample if it replaces the data set.
      dataset: the data set.
      exact: False if it was found for other data settings, so that its sizes may differ.
    """

    settings: Settings
    dataset: Dataset
    exact: bool = True


@dataclasses.dataclass(frozen=True)
class DataLookup:
    """Where a run will find its data, as far as that is known before it starts.

    Attributes:
      good: whether it is there, or something that may replace it.
      found: what is there, in words.
      advice: what to do if it is not good.
    """

    good: bool
    found: str
    advice: str = ""


@dataclasses.dataclass(frozen=True)
class DataSource:
    """How a pipeline finds its data set.

    Attributes:
      dataset: the class that describes it.
      settings: names of the settings that choose it: a rerun with others of these finds its data set anew.
      recall: returns a data set found by an earlier run, without importing TensorFlow; None if `find` is needed.
      find: finds the data set; may be slow. Its last argument downloads and prepares a data set and shows the progress.
      refresh: returns a recorded data set with the present digests of its files. Raises `UnavailableError` if it is
        gone.
      prepare: does the same and makes it ready for a run in a root.
      fingerprint: returns the digest of the data that a run would read, to detect changes; empty if there is none.
      look_up: returns where a run will find its data, without importing TensorFlow; None if that is not known. Raises
        `SaeError` if the data is there, but a run cannot use it.
      run_options: returns the options of `sae run` that choose a data set, by its name.
      hints: returns one line for each setting that does not suit the data set, without importing TensorFlow. Its second
        argument is whether a model can pass the gates: if not, no line tells how to train a better one.
      slice_titles: returns what people see in place of the recorded names of slices: `label cat` for `label 0`.
      words: returns words that people see in labels of metrics and titles, in place of others: `vector` for `image`.
    """

    dataset: type[Dataset]
    recall: Callable[[Root, Request, Settings], FoundDataset | None]
    find: Callable[[Root, Request, Settings, Callable[[Any], None]], FoundDataset]
    refresh: Callable[[Any], Dataset]
    prepare: Callable[[Any, Root], Dataset]
    fingerprint: Callable[[Root, Request, Settings], str]
    settings: Collection[str] = ()
    look_up: Callable[[Settings], DataLookup | None] = lambda asked: None
    run_options: Callable[[str], tuple[str, ...]] = lambda dataset: ()
    hints: Callable[[Settings, bool], tuple[str, ...]] = lambda resolved, attainable: ()
    slice_titles: Callable[[Any], Mapping[str, str]] = lambda dataset: {}
    words: Callable[[Any], Mapping[str, str]] = lambda dataset: {}


@dataclasses.dataclass(frozen=True)
class RecordedInputs:
    """The settings, by dotted name, and the data set of a run, as its manifest records them."""

    settings: Mapping[str, Value]
    dataset: Any


@dataclasses.dataclass(frozen=True)
class EncodeRequest:
    """New data to encode with a model.

    Attributes:
      data: a file, a folder, or the name of a prepared data set.
      model: `latest`, a version, or the folder of a model.
      target: the file to write.
      label: the column or array of the labels in a file; empty: the usual names.
      labels: a file with the labels; empty: none.
      no_labels: whether to leave labels out.
      array: the array with the data in a file of several; empty: the only one.
      leave_out: columns of a table that are no data, beside those left out of the training data.
      group: the column or array of the groups, which is not encoded; empty: none.
      skip_unreadable: whether to leave out records that cannot be read.
    """

    data: str
    model: str
    target: pathlib.Path
    label: str = ""
    labels: str = ""
    no_labels: bool = False
    array: str = ""
    leave_out: tuple[str, ...] = ()
    group: str = ""
    skip_unreadable: bool = False


@dataclasses.dataclass(frozen=True)
class Frontier:
    """What pages of sweeps draw against each other.

    Attributes:
      x: the name of a metric of runs, drawn across; less is better, unless it declares otherwise.
      y: the name of the metric drawn up, or, for runs without it, of the one that replaces it (`instead_of`).
      method: the setting whose values have a frontier each; empty: all points have one.
      marked: the name of a metric; points where it is above 0 are marked. Empty: none.
    """

    x: str
    y: str
    method: str = ""
    marked: str = ""


@dataclasses.dataclass(frozen=True)
class SweepSpec:
    """How sweeps run a pipeline and choose among its models.

    Attributes:
      nodes: the last nodes of the run of a point; those that they depend on run as well. None of them pushes a model.
      validation: by the name of a metric of runs on the test split, that of the same metric on the validation split,
        by which models are chosen.
      missing: returns the metrics that a run with these settings will not have, as far as these tell: none of them is
        the objective of a sweep.
      baselines: returns baselines of a run, by the name of their metric, from its outputs, where it does not record
        them.
      frontier: what pages of sweeps draw against each other; None: nothing.
    """

    nodes: tuple[str, ...]
    validation: Mapping[str, str] = dataclasses.field(default_factory=dict)
    missing: Callable[[Any], Collection[str]] = lambda config: ()
    baselines: Callable[[Mapping[OutputName, Artifact]], Mapping[str, float]] = lambda outputs: {}
    frontier: Frontier | None = None


@dataclasses.dataclass(frozen=True)
class RunMetrics:
    """What was measured in a run.

    Attributes:
      metrics: by name.
      reasons: why its model was not blessed.
      attainable: whether any model can pass the gates on these data.
    """

    metrics: dict[str, float]
    reasons: tuple[str, ...] = ()
    attainable: bool = True


@dataclasses.dataclass(frozen=True)
class Pipeline:
    """A pipeline.

    Attributes:
      name: the name of the TFX pipeline and of its context in ML Metadata.
      nodes: the nodes, in the order in which they run.
      configuration: the class of its settings.
      data: how its data set is found.
      model, evaluation, blessing, decision, pushed, report: the output with each of these; None if there is none.
      artifact_types: artifact types of its own; they are registered when the pipeline is imported.
      metrics: returns what was measured in a run.
      incomparable: returns why the losses of two runs cannot be compared, one phrase each, from the settings and the
        data set of each; empty if they can.
      declared_metrics: metrics of its evaluation; those with a column are shown in lists of runs, the headline first.
      encode: writes the codes of new data, calls its last argument with each warning, and returns a JSON object on the
        result; None if the pipeline has no codes.
      sweep: how sweeps run it; None: all nodes that do not depend on earlier pushes, chosen by the metric as it is.
      around_nodes: returns a context in which all nodes of a run run, for what they share in the memory of the process.
      location: where it is declared, `MODULE:NAME`; empty for the default pipeline.
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
    metrics: Callable[[ConfiguredPipeline, Mapping[OutputName, Artifact]], RunMetrics] = lambda configured, outputs: (
        RunMetrics({})
    )
    incomparable: Callable[[RecordedInputs, RecordedInputs], tuple[str, ...]] = lambda first, other: ()
    declared_metrics: tuple[Metric, ...] = ()
    encode: Callable[[Root, EncodeRequest, Callable[[str], None]], dict[str, Any]] | None = None
    sweep: SweepSpec | None = None
    around_nodes: Callable[[], contextlib.AbstractContextManager[None]] = contextlib.nullcontext
    location: str = ""

    def __post_init__(self) -> None:
        types.register(*self.artifact_types)
        earlier: dict[str, frozenset[str]] = {}  # the nodes before each node
        for node in self.nodes:
            if missing := node.upstream - earlier.keys():
                raise ValueError(f"{node.name} needs {', '.join(sorted(missing))}, but no earlier node has that name")
            if node.beside and (late := (node.reads | set(node.after)) - earlier[node.beside]):
                needed = ", ".join(sorted(late))
                raise ValueError(f"{node.name} cannot be executed beside {node.beside}: it needs {needed}")
            earlier[node.name] = frozenset(earlier)

    @property
    def options(self) -> tuple[str, ...]:
        """Return the options of `sae` that select it; none for the default pipeline."""
        return ("--pipeline", self.location) if self.location else ()

    @property
    def headline(self) -> Metric | None:
        """Return the metric that stands for a model in lists of models; None if no metric has a column."""
        return next(iter(self.columns), None)

    @property
    def headlines(self) -> tuple[Metric, ...]:
        """Return the headline metric, and those that are columns in its place for models without it."""
        first = self.headline
        return tuple(one for one in self.columns if first and first.run_key in (one.run_key, one.instead_of))

    @property
    def columns(self) -> tuple[Metric, ...]:
        """Return the metrics that are columns of a list of runs."""
        return tuple(one for one in self.declared_metrics if one.column)

    @functools.cached_property
    def by_name(self) -> dict[str, Node]:
        """Return the nodes by name, in their order."""
        return {node.name: node for node in self.nodes}

    @property
    def sweep_spec(self) -> SweepSpec:
        """Return how sweeps run it."""
        if self.sweep is not None:
            return self.sweep
        pushes = {node.name for node in self.nodes if node.depends_on_history}
        for node in self.nodes:  # in the order in which they run
            if node.upstream & pushes:
                pushes.add(node.name)
        return SweepSpec(tuple(node.name for node in self.nodes if node.name not in pushes))

    @functools.cached_property
    def names(self) -> tuple[str, ...]:
        """Return the names of the nodes, in their order."""
        return tuple(self.by_name)


def of_root(root: Root, given: str = "") -> Pipeline:
    """Load the pipeline given, or else of SAE_PIPELINE, or else of the root's runs, or else the default.

    Raises:
      UsageError: there is no such pipeline, or the root contains runs of another one.
      UnavailableError: the root's record of its pipeline is damaged.
    """
    if given:
        found = load(given)
    elif named := os.environ.get(PIPELINE_VARIABLE):
        found = load(named, f"{PIPELINE_VARIABLE}={named}")
    elif recorded := root.pipeline():
        return load(recorded, f"the pipeline {recorded} of {root.about}")
    else:
        return load(DEFAULT_PIPELINE)
    root.check_pipeline(found.location)
    return found


def load(location: str, named: str = "") -> Pipeline:
    """Import the pipeline that is declared in `MODULE:NAME`.

    Modules in the working directory are found, as by `python -m`, also by the processes that this one starts.

    Args:
      location: where it is declared.
      named: what an error calls it; the option by default.

    Raises:
      UsageError: there is no such module, or it has no pipeline of that name.
    """
    named = named or f"--pipeline {location}"
    module, separator, name = location.partition(":")
    if location != DEFAULT_PIPELINE:
        _search_working_directory()
    try:
        if not separator or not name or not all(part.isidentifier() for part in module.split(".")):
            raise ValueError("it is not MODULE:NAME")
        found = getattr(importlib.import_module(module), name)
    except Exception as error:  # any error of this module's own code
        raise UsageError(
            f"{named}: {error}; write MODULE:NAME of a module that Python can import, in the working directory or on "
            f"PYTHONPATH, and of the Pipeline in it, as in {DEFAULT_PIPELINE}"
        ) from error
    if not isinstance(found, Pipeline):
        raise UsageError(f"{named}: {name} is a {type(found).__name__}, not a Pipeline")
    return dataclasses.replace(found, location="" if location == DEFAULT_PIPELINE else location)


def _search_working_directory() -> None:
    folder = os.getcwd()
    if folder not in sys.path:
        sys.path.insert(0, folder)
        os.environ["PYTHONPATH"] = python_path(folder)


class ConfiguredPipeline:
    """A pipeline with the settings and the data set of a run, and the parameters of each node.

    Attributes:
      pipeline: the pipeline.
      settings: the settings of the run.
      config: their values.
      dataset: the data set of the run.
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
