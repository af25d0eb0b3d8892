"""The declaration of this project's pipeline: data, validation, transform, training, evaluation, report, push.

Each node is declared once: the TFX component, its parameters, what enters its cache key, and its hooks. TFX is imported
only when the components are constructed.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import pathlib
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from components import json_text
from components.data import features
from components.evaluation import metrics, probe_limits, thresholds
from components.push import decision, serving_dir
from pipeline.core import file_digests
from pipeline.core.errors import UnavailableError
from pipeline.core.pipeline_root import Root
from pipeline.core.settings import Request, Settings
from pipeline.definition.spec import (
    ComponentInputs,
    ConfiguredPipeline,
    DataSource,
    EncodeRequest,
    FoundDataset,
    Frontier,
    Node,
    OutputName,
    Outputs,
    Pipeline,
    RecordedInputs,
    Reuse,
    RunMetrics,
    SweepSpec,
)
from pipeline.metadata.properties import METRICS, MODEL_DIGEST, PCA_MSE
from pipeline.metadata.types import Artifact
from pipeline.sparse_autoencoder import dataset_cache, dataset_folder
from pipeline.sparse_autoencoder.image_dataset import ImageDataset
from pipeline_config import PipelineConfig, Value

if TYPE_CHECKING:  # imports ML Metadata, which commands about settings do not need
    from pipeline.metadata.store import Store

_EXAMPLES = ("ExampleGen", "examples")
_STATISTICS = ("StatisticsGen", "statistics")
_SCHEMA = ("SchemaGen", "schema")
_GRAPH = ("Transform", "transform_graph")
_MODEL = ("Trainer", "model")
_MODEL_RUN = ("Trainer", "model_run")
_EVALUATION = ("Evaluator", "evaluation")
_BLESSING = ("Evaluator", "blessing")
_CODES = ("Encode", "codes")
_PIXEL_SCORES = ("PixelProbe", "pixel_scores")
_SCORES = ("Probe", "scores")
_DECISION = ("PushGate", "decision")
_PUSHED = ("Pusher", "pushed_model")
_REPORT = ("Report", "report")


def _component(path: str) -> Callable[[ComponentInputs], Any]:
    """Return a function that imports a component and gives it the inputs, paths and parameters of its node."""
    module, _, name = path.rpartition(".")

    def make(node: ComponentInputs) -> Any:
        return getattr(importlib.import_module(module), name)(**node.inputs, **node.paths, **node.parameters)

    return make


# ExampleGen: reads a prepared TFDS data set in the same order for any number of workers.


def _example_gen(node: ComponentInputs) -> Any:
    from components.data.example_gen import TfdsExampleGen

    return TfdsExampleGen(fingerprint=node.dataset.fingerprint, **node.paths, **node.parameters)


def _example_gen_parameters(config: PipelineConfig, dataset: ImageDataset) -> dict[str, Any]:
    return {
        "splits": dataset_folder.splits(config.data, dataset.own_splits),
        "shard_examples": config.data.shard_examples,
        "size": config.data.height_and_width,
        "ids": dataset.ids,
    }


EXAMPLE_GEN = Node(
    "ExampleGen",
    _example_gen,
    outputs=("examples",),
    code="components.data.example_gen",
    parameters=_example_gen_parameters,
    contents=lambda dataset: dict(dataset.files),
    paths=lambda dataset, serving_dir: {"builder_dir": dataset.builder_dir},
    any_workers=True,
)


# SchemaGen: imports the schema from a file, because a schema inferred from the data could not validate it.


def _schema_contents(dataset: ImageDataset) -> dict[str, str]:
    file = pathlib.Path(dataset.schema_file)
    return {file.name: file_digests.of_file(file)}


SCHEMA_GEN = Node(
    "SchemaGen",
    _component("tfx.components.schema_gen.import_schema_gen.component.ImportSchemaGen"),
    outputs=("schema",),
    contents=_schema_contents,
    paths=lambda dataset, serving_dir: {"schema_file": dataset.schema_file},
)


# StatisticsGen: computes counts and ranges of each feature, for validation against the schema.


def _statistics_gen(node: ComponentInputs) -> Any:
    import tensorflow_data_validation as tfdv
    from tfx.components.statistics_gen.component import StatisticsGen

    return StatisticsGen(**node.inputs, stats_options=tfdv.StatsOptions(**node.parameters))


def _pixels(dataset: ImageDataset) -> int:
    return dataset.height * dataset.width * dataset.channels


def _largest_batch(dataset: ImageDataset) -> int:
    return features.most_at_once(_pixels(dataset))


def _statistics_parameters(config: PipelineConfig, dataset: ImageDataset) -> dict[str, Any]:
    # The most frequent values of an image say nothing, nor do statistics of ids.
    without_ids = {"feature_allowlist": list(features.VALIDATED)} if dataset.ids else {}
    return {"num_top_values": 0, **without_ids}


STATISTICS_GEN = Node(
    "StatisticsGen",
    _statistics_gen,
    inputs={"examples": _EXAMPLES},
    outputs=("statistics",),
    steps=("pipeline.orchestration.tfx.statistics_by_file",),
    packages=("tfx", "tensorflow-data-validation"),
    parameters=_statistics_parameters,
    batches=True,
    largest_batch=_largest_batch,
    any_workers=True,
)


# ExampleValidator: records anomalies. TFX's component succeeds even when it finds some.

EXAMPLE_VALIDATOR = Node(
    "ExampleValidator",
    _component("tfx.components.example_validator.component.ExampleValidator"),
    inputs={"statistics": _STATISTICS, "schema": _SCHEMA},
    outputs=("anomalies",),
    packages=("tfx", "tensorflow-data-validation"),
)


# DataGate: fails on anomalies. Transform and Trainer wait for it.


def _data_gate_parameters(config: PipelineConfig, dataset: ImageDataset) -> dict[str, Any]:
    expected = (config.data.train_examples, config.data.validation_examples, config.data.test_examples)
    return {"expected_examples": dict(zip(features.SPLITS, expected, strict=True))}


DATA_GATE = Node(
    "DataGate",
    _component("components.data.data_gate.DataGate"),
    inputs={"anomalies": ("ExampleValidator", "anomalies"), "statistics": _STATISTICS},
    code="components.data.data_gate",
    parameters=_data_gate_parameters,
)


# Transform: makes the graph that flattens and scales images or vectors.


def _transform(node: ComponentInputs) -> Any:
    from tfx.components.transform.component import Transform

    from components.data import preprocessing

    return Transform(preprocessing_fn=_dotted_path(preprocessing.preprocessing_fn), **node.inputs, **node.parameters)


def _transform_parameters(config: PipelineConfig, dataset: ImageDataset) -> dict[str, Any]:
    return {
        "custom_config": {
            "height": dataset.height,
            "width": dataset.width,
            "channels": dataset.channels,
            "kind": dataset.kind,
            "dtype": dataset.dtype,
            "scaling": config.data.scaling,
        },
        # Training, evaluation, report and serving all apply the graph to the images, so no transformed copy of the
        # data, 28 times as large, is written.
        "materialize": False,
        "disable_analyzer_cache": True,  # its key would contain paths
        "disable_statistics": True,  # StatisticsGen has computed them
    }


TRANSFORM = Node(
    "Transform",
    _transform,
    inputs={"examples": _EXAMPLES, "schema": _SCHEMA},
    outputs=("transform_graph",),
    code="components.data.preprocessing",
    steps=("pipeline.orchestration.tfx.ordered_sums",),
    packages=("tfx", "tensorflow-transform"),
    parameters=_transform_parameters,
    after=("DataGate",),
    largest_batch=_largest_batch,
    # Not `any_workers`: on two Flink hosts, the last bits of means and variances depended on the order of the work.
    saved_models={"transform_graph": "transform_fn"},  # TFTransformOutput.TRANSFORM_FN_DIR
)


# Trainer: trains the autoencoder.


def _trainer(node: ComponentInputs) -> Any:
    from tfx.components.trainer.component import Trainer
    from tfx.proto import trainer_pb2

    from components.model import run_fn

    return Trainer(
        run_fn=_dotted_path(run_fn.run_fn),
        train_args=trainer_pb2.TrainArgs(splits=[features.TRAIN]),
        eval_args=trainer_pb2.EvalArgs(splits=[features.VALIDATION]),
        custom_config=dict(node.parameters),
        **node.inputs,
    )


def _trainer_parameters(config: PipelineConfig, dataset: ImageDataset) -> dict[str, Any]:
    training, model = config.training, config.model
    return {
        "epochs": training.epochs,
        "batch_size": training.batch_size,
        "validation_batch_size": config.evaluation.batch_size,
        "learning_rate": training.learning_rate,
        "seed": training.seed,
        "jit_compile": training.jit_compile,
        "resident_mib": training.resident_mib,
        "schedule": training.schedule,
        "warm_up": training.warm_up,
        # Only those that have an effect, so that no other is a reason to train again.
        **{name: getattr(model, name) for name in model.settings() if config.has_effect(f"model.{name}")},
        "hidden_layers": list(model.widths),
        "loss": config.loss,
        "scaling": config.data.scaling,  # the push gate compares only losses of one scaling
        "train_examples": dataset.split_sizes[features.TRAIN],
        "validation_examples": dataset.split_sizes[features.VALIDATION],
    }


_WAIT = 10.0  # seconds


def _prepare_evaluation(inputs: Outputs, later: Collection[str]) -> None:
    """Import what nodes after the Trainer use, and read the test split if there is memory left for it."""
    for node, module in (("Probe", "components.evaluation.probe_threads"), ("Report", "components.report.page")):
        if node in later:
            importlib.import_module(module)
    if not {"Encode", "Report"} & set(later):
        return
    import tensorflow_transform as tft

    from components.data import resident, transformed_input

    if resident.wait_for_training_data(_WAIT):
        test = os.path.join(inputs["examples"].uri, f"Split-{features.TEST}", "*")
        transformed_input.load_ahead([test], tft.TFTransformOutput(inputs["transform_graph"].uri))


TRAINER = Node(
    "Trainer",
    _trainer,
    inputs={"examples": _EXAMPLES, "transform_graph": _GRAPH},
    outputs=("model", "model_run"),
    code="components.model.run_fn",
    parameters=_trainer_parameters,
    after=("DataGate",),
    meanwhile=_prepare_evaluation,
    threads=True,
    saved_models={"model": serving_dir.MODEL},
)


# Encode: writes the codes of the examples as a table.

ENCODE = Node(
    "Encode",
    _component("components.codes.encode.Encode"),
    inputs={"examples": _EXAMPLES, "transform_graph": _GRAPH, "model": _MODEL},
    outputs=("codes",),
    code="components.codes.encode",
    parameters=lambda config, dataset: {"splits": list(config.encoding.split_names)},
    threads=True,
)


# Evaluator: blesses the model by thresholds alone. It takes no baseline model, so its result depends on no earlier run.


def _evaluator(node: ComponentInputs) -> Any:
    from tfx.components.evaluator.component import Evaluator

    from components.evaluation import evaluator

    gates = thresholds.Gates(**node.parameters["gates"])
    return Evaluator(
        eval_config=evaluator.eval_config(gates, node.parameters["labelled"]),
        example_splits=node.parameters["example_splits"],
        module_path=evaluator.__name__,  # TFX takes `custom_eval_shared_model` from it
        **node.inputs,
    )


# Fields of `thresholds.Gates`: limits of a loss, and those of models of any loss.
_LIMITS = ("max_loss", "max_loss_worst_label", "max_loss_to_mean_image")
_LIMITS_OF_UNITS = ("max_dead_units", "max_active_units")


def _limit_setting(limit: str, loss: str) -> str:
    """Return the setting of `evaluation` that is a limit for models trained with a loss: `max_bce_worst_label`."""
    return limit.replace("loss", loss)


def _gates(config: PipelineConfig) -> dict[str, float | str | bool]:
    limits = {limit: getattr(config.evaluation, _limit_setting(limit, config.loss)) for limit in _LIMITS}
    limits |= {limit: getattr(config.evaluation, limit) for limit in _LIMITS_OF_UNITS}
    return {**limits, "loss": config.loss, "noise": config.model.noise != "none"}


def _evaluator_parameters(config: PipelineConfig, dataset: ImageDataset) -> dict[str, Any]:
    return {"gates": _gates(config), "example_splits": [features.TEST], "labelled": bool(dataset.label_names)}


def _missing_metric(config: PipelineConfig, model: Any) -> str:
    """Return the first metric of images that is not among the outputs of a model, because it was declared later."""
    from components.evaluation import tfma_metric

    outputs = model.signatures["evaluate"].structured_outputs
    names = tfma_metric.means(config.loss, noise=config.model.noise != "none")
    return next((name for name in names if name not in outputs), "")


EVALUATOR = Node(
    "Evaluator",
    _evaluator,
    inputs={"examples": _EXAMPLES, "model": _MODEL, "schema": _SCHEMA},
    outputs=("evaluation", "blessing"),
    code="components.evaluation.evaluator",
    steps=("pipeline.orchestration.tfx.evaluation_by_file",),
    packages=("tfx", "tensorflow-model-analysis"),
    parameters=_evaluator_parameters,
    threads=True,
    batches=True,
    largest_batch=_largest_batch,
    any_workers=True,
    missing_output=_missing_metric,
)


def _check_blessing(inputs: Outputs) -> None:
    """Check that a blessing belongs to the model among the same inputs.

    Raises:
      UnavailableError: the blessing is of another model.
    """
    model = inputs.get("model")
    blessing = inputs.get("model_blessing", inputs.get("blessing"))
    if model is None or blessing is None:
        return
    judged = blessing.properties.get(MODEL_DIGEST)
    # TFX alone records only the id of the model's artifact.
    number = blessing.properties.get("current_model_id")
    same = judged == model.content if judged else number in (None, model.id)
    if not same:
        raise UnavailableError(
            f"the blessing in {blessing.uri} is of another model than the one in {model.uri}: run the Evaluator on it, "
            "with --from-node Evaluator"
        )


# PushGate: compares the model with the served one. Only this node and the Pusher depend on earlier pushes.


def _push_gate(node: ComponentInputs) -> Any:
    from components.push.gate import PushGate

    # At run time the standing is filled in as a runtime property.
    return PushGate(standing="", **node.inputs, **node.parameters)


def _standing(root: Root, store: Store, inputs: Outputs) -> dict[str, str]:
    """Return how the model compares with the served model and with those pushed before, as a runtime property."""
    from pipeline.sparse_autoencoder import baseline

    return {decision.STANDING: baseline.standing(root, store, inputs["model"], inputs["examples"]).as_text()}


def _baseline_changed(reuse: Reuse) -> str:
    """Return why a cached decision is outdated: the baseline has changed since."""
    try:
        decided = decision.read(pathlib.Path(reuse.outputs["decision"].uri))
    except (OSError, ValueError) as error:
        return str(error)
    if decided.holds(decision.standing_of(reuse.runtime_properties[decision.STANDING])):
        return ""
    return "the served model, or those pushed before, changed since the decision"


PUSH_GATE = Node(
    "PushGate",
    _push_gate,
    inputs={"examples": _EXAMPLES, "model": _MODEL, "evaluation": _EVALUATION, "model_blessing": _BLESSING},
    outputs=("decision",),
    code="components.push.gate",
    parameters=lambda config, dataset: {"max_bce_to_served": config.serving.max_bce_to_served},
    threads=True,
    depends_on_history=True,
    restorable=False,
    check_inputs=_check_blessing,
    runtime_properties=_standing,
    outdated=_baseline_changed,
)


# PixelProbe: measures how well labels can be told from the pixels, in a node of its own because no model changes that.


def _pixel_probe_parameters(config: PipelineConfig, dataset: ImageDataset) -> dict[str, Any]:
    return {
        "values": probe_limits.largest_representation(config.model.code_units, _pixels(dataset)),
        "label_names": list(dataset.label_names),
    }


def _unmeasured(output: str) -> Callable[[Outputs], str]:
    return lambda outputs: str(outputs[output].properties.get(metrics.UNMEASURED, ""))


PIXEL_PROBE = Node(
    "PixelProbe",
    _component("components.evaluation.pixel_probe_node.PixelProbe"),
    inputs={"examples": _EXAMPLES, "transform_graph": _GRAPH},
    outputs=("pixel_scores",),
    code="components.evaluation.pixel_probe_node",
    parameters=_pixel_probe_parameters,
    beside="Trainer",  # which leaves a quarter of two cores idle
    skipped=_unmeasured("pixel_scores"),
)


# Probe: measures how well labels can be told from the codes.

PROBE = Node(
    "Probe",
    _component("components.evaluation.probe_node.Probe"),
    inputs={
        "examples": _EXAMPLES,
        "transform_graph": _GRAPH,
        "model_run": _MODEL_RUN,
        "codes": _CODES,
        "pixel_scores": _PIXEL_SCORES,
    },
    outputs=("scores",),
    code="components.evaluation.probe_node",
    parameters=lambda config, dataset: {"label_names": list(dataset.label_names)},
    skipped=_unmeasured("scores"),
)


# Report: makes the HTML report of the run.


def _report_parameters(config: PipelineConfig, dataset: ImageDataset) -> dict[str, Any]:
    settings, declared = _settings_in_report(config, dataset), config.settings()
    return {
        "texts": {
            "title": f"{dataset.name} {dataset.version}",
            "notice": dataset.notice,
            "label_names": list(dataset.label_names),
            "shape": [dataset.width] if dataset.kind == "vector" else [dataset.height, dataset.width, dataset.channels],
            "gates": _gates(config),
            "settings": settings,
            "header": [name for name in settings if declared[name].headline],
            "facts": {f"{split} {dataset.kind}s": f"{size:,}" for split, size in dataset.split_sizes.items()},
        },
        "images_per_label": config.evaluation.images_per_label,
    }


def _settings_in_report(config: PipelineConfig, dataset: ImageDataset) -> dict[str, str]:
    """Return the settings that have an effect on the results, without limits for another loss than the model's.

    Of 8-bit images and cross-entropy, for which they have no effect, defaults without `default_in_report` are left out.
    """
    declared = config.settings()
    usual = (dataset.dtype, dataset.kind, config.loss) == (ImageDataset.dtype, ImageDataset.kind, metrics.BCE.name)
    unused = {
        f"evaluation.{_limit_setting(limit, loss)}"
        for loss in metrics.LOSSES
        if loss != config.loss
        for limit in _LIMITS
    }
    resolved = {"model.loss": f"auto ({config.loss})"} if config.model.loss == "auto" else {}
    return {
        name: resolved.get(name, str(value))
        for name, value in config.affecting_results().items()
        if declared[name].in_report
        and name not in unused
        and (declared[name].default_in_report or not usual or value != declared[name].default)
    }


REPORT = Node(
    "Report",
    _component("components.report.component.ReportGen"),
    inputs={
        "examples": _EXAMPLES,
        "transform_graph": _GRAPH,
        "model": _MODEL,
        "model_run": _MODEL_RUN,
        "evaluation": _EVALUATION,
        "blessing": _BLESSING,
        "scores": _SCORES,
    },
    outputs=("report",),
    code="components.report.component",
    parameters=_report_parameters,
    threads=True,
    check_inputs=_check_blessing,
)


# Pusher: copies the model to the serving folder if it is blessed and passed the push gate.


def _not_served(reuse: Reuse) -> str:
    """Return why a cached push is outdated: a run whose model passed its gates ends with that model served."""
    from pipeline.registry import decision_log, versions

    if reuse.same_run:
        return ""
    pushed = reuse.outputs["pushed_model"]
    model = reuse.store.inputs(reuse.candidate.id)["model"]
    if model.content in decision_log.superseded(reuse.store):
        return ""  # superseded by a promotion or rolled back: no rerun pushes it again
    if not pushed.properties.get(serving_dir.PUSHED):
        was = pushed.properties.get(serving_dir.SUPERSEDED)
        return "its model was rolled back or superseded then, and is not any more" if was else ""
    served = serving_dir.newest_version(reuse.root.serving)
    return "" if served and versions.has_bytes_of(served, model) else "another model, or none, is served now"


def _not_pushed(outputs: Outputs) -> str:
    from pipeline.registry import versions

    properties = outputs["pushed_model"].properties
    return "" if properties.get(serving_dir.PUSHED, 1) else versions.why_not_pushed(properties)


PUSHER = Node(
    "Pusher",
    _component("components.push.pusher.Pusher"),
    inputs={"model": _MODEL, "model_blessing": _BLESSING, "decision": _DECISION},
    outputs=("pushed_model",),
    code="components.push.pusher",
    paths=lambda dataset, serving_dir: {"serving_dir": str(serving_dir)},
    depends_on_history=True,
    check_inputs=_check_blessing,
    outdated=_not_served,
    skipped=_not_pushed,
)


# The data set: from TensorFlow Datasets, or the embedded sample.


def _find(root: Root, request: Request, resolved: Settings, download: Callable[[Any], None]) -> FoundDataset:
    from pipeline.sparse_autoencoder import dataset_resolver

    return dataset_resolver.find(root, request, resolved, download)


def _prepare(dataset: ImageDataset, root: Root) -> ImageDataset:
    from pipeline.sparse_autoencoder import dataset_resolver

    return dataset_resolver.prepare(dataset, root)


def _hints(resolved: Settings, attainable: bool) -> tuple[str, ...]:
    from pipeline.sparse_autoencoder import hints

    return hints.hints(resolved, attainable)


def _slice_titles(dataset: ImageDataset) -> dict[str, str]:
    """Return the slices of labels with their names, where these are not their numbers."""
    names = enumerate(dataset.label_names)
    return {f"label {number}": f"label {name}" for number, name in names if name != str(number)}


# The metrics of a run.


def _metrics(configured: ConfiguredPipeline, outputs: Mapping[OutputName, Artifact]) -> RunMetrics:
    evaluation = evaluation_of(outputs[_EVALUATION]) if _EVALUATION in outputs else None
    if evaluation is None:
        return RunMetrics(_of_report(outputs))
    others = [evaluation_of(outputs[name]) for name in (_SCORES, _MODEL_RUN) if name in outputs]
    overall = {name: value for one in others if one for name, value in one.overall.items()}
    found = metrics.run_metrics({**evaluation.overall, **overall})
    assert isinstance(configured.dataset, ImageDataset)
    names = configured.dataset.label_names
    judged = thresholds.judge(evaluation, thresholds.Gates(**configured.parameters["Evaluator"]["gates"]), names)
    slices = evaluation.slices(names)
    attainable = thresholds.attainable(judged, slices)
    return RunMetrics({**found, **_of_report(outputs)}, thresholds.reasons(judged, slices), attainable)


def _of_report(outputs: Mapping[OutputName, Artifact]) -> dict[str, float]:
    properties = outputs[_REPORT].properties if _REPORT in outputs else {}
    return {PCA_MSE: float(properties[PCA_MSE])} if PCA_MSE in properties else {}


# By the name of a metric of runs, that of the same metric on the validation split.
_VALIDATION = {
    of.run_key: one.run_key for one in metrics.METRICS for of in metrics.METRICS if one.validation_of == of.name
}
_LOSS_DEPENDS_ON = ("model.loss", "data.scaling", "data.size", "data.test_split")


def _missing(config: PipelineConfig) -> tuple[str, ...]:
    """Return the metrics of runs that only a model trained with another loss has."""
    return tuple(one.run_key for one in metrics.METRICS if one.run_key and one.loss not in ("", config.loss))


def _incomparable(first: RecordedInputs, other: RecordedInputs) -> tuple[str, ...]:
    """Return what differs between two runs so that their losses are measured in different terms or on other data."""
    names = ("data set", *_LOSS_DEPENDS_ON)
    pairs = zip(names, _terms(first), _terms(other), strict=True)
    found = [f"{name} is {old or 'empty'} and {new or 'empty'}" for name, old, new in pairs if old != new]
    if not found and first.dataset.files != other.dataset.files:
        found.append("the files of the data set differ")
    return tuple(found)


def _terms(recorded: RecordedInputs) -> tuple[Value, ...]:
    """Return the data set, the loss, and the values of the settings that it depends on."""
    values = {**{name: PipelineConfig().values()[name] for name in _LOSS_DEPENDS_ON}, **recorded.settings}
    with contextlib.suppress(TypeError, ValueError):  # the manifest may be of another version
        values["model.loss"] = PipelineConfig.build({name: values[name] for name in _LOSS_DEPENDS_ON}).loss
    return f"{recorded.dataset.name} {recorded.dataset.version}", *(values[name] for name in _LOSS_DEPENDS_ON)


def evaluation_of(evaluated: Artifact) -> thresholds.Evaluation | None:
    """Return the metrics recorded on an artifact; None if it has none."""
    text = evaluated.properties.get(METRICS)
    if text is None:
        return None
    values = json_text.parse(str(text))
    per_label = {int(label): numbers for label, numbers in values["per_label"].items()}
    return thresholds.Evaluation(values["overall"], per_label)


def _encode_new(root: Root, request: EncodeRequest, note: Callable[[str], None]) -> dict[str, Any]:
    from pipeline.sparse_autoencoder import encode_new

    return encode_new.encode(PIPELINE, root, request, note)


def _dotted_path(function: Any) -> str:
    """Return the name by which TFX imports the function; for a module file it would build and install a wheel."""
    return f"{function.__module__}.{function.__qualname__}"


@contextlib.contextmanager
def _shared_memory() -> Iterator[None]:
    from components.data import resident  # imports NumPy
    from components.model import loaded  # imports TensorFlow

    with resident.of_run(), loaded.of_run():
        yield


PIPELINE = Pipeline(
    name="sparse_autoencoder",
    nodes=(
        EXAMPLE_GEN,
        SCHEMA_GEN,
        STATISTICS_GEN,
        EXAMPLE_VALIDATOR,
        DATA_GATE,
        TRANSFORM,
        TRAINER,
        ENCODE,
        EVALUATOR,
        PIXEL_PROBE,
        PROBE,
        PUSH_GATE,
        PUSHER,
        REPORT,
    ),
    configuration=PipelineConfig,
    data=DataSource(
        dataset=ImageDataset,
        recall=dataset_cache.recall,
        find=_find,
        refresh=dataset_cache.refresh,
        prepare=_prepare,
        fingerprint=dataset_cache.fingerprint,
        settings=dataset_cache.SETTINGS,
        look_up=dataset_folder.look_up,
        run_options=dataset_folder.run_options,
        hints=_hints,
        slice_titles=_slice_titles,
        words=lambda dataset: metrics.WORDS.get(dataset.kind, {}),
    ),
    model=_MODEL,
    evaluation=_EVALUATION,
    blessing=_BLESSING,
    decision=_DECISION,
    pushed=_PUSHED,
    report=_REPORT,
    metrics=_metrics,
    incomparable=_incomparable,
    declared_metrics=metrics.METRICS,
    encode=_encode_new,
    sweep=SweepSpec(
        nodes=("Encode", "Evaluator", "Probe"),
        validation=_VALIDATION,
        missing=_missing,
        baselines=_of_report,
        frontier=Frontier(x="active_units", y="test_bce", method="model.sparsity", marked="dead_units"),
    ),
    around_nodes=_shared_memory,
)
