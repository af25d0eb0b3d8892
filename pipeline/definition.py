"""The pipeline: which nodes there are and how they are wired. Nothing is run here."""

from __future__ import annotations

import dataclasses
import pathlib
from typing import Any

import tensorflow_data_validation as tfdv
from tfx.components.evaluator.component import Evaluator
from tfx.components.example_validator.component import ExampleValidator
from tfx.components.schema_gen.import_schema_gen.component import ImportSchemaGen
from tfx.components.statistics_gen.component import StatisticsGen
from tfx.components.trainer.component import Trainer
from tfx.components.transform.component import Transform
from tfx.orchestration import metadata
from tfx.orchestration import pipeline as tfx_pipeline
from tfx.proto import trainer_pb2

import pipeline_config
from components import evaluation, features, preprocessing, trainer
from components.data_gate import DataGate
from components.example_gen import TfdsExampleGen
from components.pusher import Pusher
from components.report import ReportGen

PIPELINE_NAME = "sparse_autoencoder"


@dataclasses.dataclass(frozen=True)
class Source:
    """The data set that a run reads, found and described before the pipeline is made.

    Attributes:
      builder_dir: folder of the prepared data set: `.../mnist/3.0.1`.
      fingerprint: digest of its files' content.
      name, version: `emnist/letters`, `3.0.1`.
      height, width: of every image, pixels.
      label_names: one per label.
      split_sizes: examples in the splits `train`, `validation` and `test` of this run.
      schema_file: what the data is checked against.
      notice: one sentence to show with every result, or empty.
    """

    builder_dir: str
    fingerprint: str
    name: str
    version: str
    height: int
    width: int
    label_names: tuple[str, ...]
    split_sizes: dict[str, int]
    schema_file: str
    notice: str = ""


def create_pipeline(
    config: pipeline_config.PipelineConfig,
    source: Source,
    artifacts_dir: pathlib.Path,
    metadata_file: pathlib.Path,
    serving_dir: pathlib.Path,
) -> tfx_pipeline.Pipeline:
    """Wires the nodes.

    Args:
      config: every number.
      source: the data set.
      artifacts_dir: where the nodes' outputs go; absolute.
      metadata_file: the SQLite file of ML Metadata; absolute.
      serving_dir: where blessed models go; absolute.
    """
    # Reads a prepared TFDS data set: a fixed order, whatever the number of workers.
    example_gen = TfdsExampleGen(
        builder_dir=source.builder_dir,
        fingerprint=source.fingerprint,
        splits=dict(
            zip(
                features.SPLITS,
                (config.data.train_split, config.data.validation_split, config.data.test_split),
                strict=True,
            )
        ),
        shard_examples=config.data.shard_examples,
    ).with_id("ExampleGen")

    # Counts and ranges of every feature, for the check against the schema.
    statistics_gen = StatisticsGen(
        examples=example_gen.outputs["examples"], stats_options=tfdv.StatsOptions(num_top_values=0)
    )

    # The schema is kept in the repository, not inferred from the data that it shall check.
    schema_gen = ImportSchemaGen(schema_file=source.schema_file).with_id("SchemaGen")

    # Records anomalies; stock, so it succeeds when there are any.
    example_validator = ExampleValidator(
        statistics=statistics_gen.outputs["statistics"], schema=schema_gen.outputs["schema"]
    )

    # Fails when there are anomalies. Transform and Trainer wait for it.
    data_gate = DataGate(
        anomalies=example_validator.outputs["anomalies"],
        statistics=statistics_gen.outputs["statistics"],
        expected_examples={
            features.TRAIN: config.data.train_examples,
            features.VALIDATION: config.data.validation_examples,
            features.TEST: config.data.test_examples,
        },
    ).with_id("DataGate")

    # The graph that flattens and scales. The same graph reads the images for training, evaluation, report and serving,
    # so a second copy of the data, 28 times as large, is not written.
    transform = Transform(
        examples=example_gen.outputs["examples"],
        schema=schema_gen.outputs["schema"],
        preprocessing_fn=_path_of(preprocessing.preprocessing_fn),
        custom_config={"height": source.height, "width": source.width},
        materialize=False,
        disable_analyzer_cache=True,  # there is no analyzer to cache
        disable_statistics=True,  # StatisticsGen made them already
    )
    transform.add_upstream_node(data_gate)

    model_trainer = Trainer(
        run_fn=_path_of(trainer.run_fn),
        examples=example_gen.outputs["examples"],
        transform_graph=transform.outputs["transform_graph"],
        train_args=trainer_pb2.TrainArgs(splits=[features.TRAIN]),
        eval_args=trainer_pb2.EvalArgs(splits=[features.VALIDATION]),
        custom_config=_training_config(config, source),
    )
    model_trainer.add_upstream_node(data_gate)

    # Judges this model alone, by thresholds: no baseline model, so the answer does not depend on earlier runs.
    evaluator = Evaluator(
        examples=example_gen.outputs["examples"],
        model=model_trainer.outputs["model"],
        schema=schema_gen.outputs["schema"],
        eval_config=evaluation.eval_config(gates(config)),
        example_splits=[features.TEST],
    )

    # What people look at.
    report = ReportGen(
        examples=example_gen.outputs["examples"],
        transform_graph=transform.outputs["transform_graph"],
        model=model_trainer.outputs["model"],
        model_run=model_trainer.outputs["model_run"],
        evaluation=evaluator.outputs["evaluation"],
        blessing=evaluator.outputs["blessing"],
        texts=_report_texts(config, source),
        images_per_label=config.evaluation.images_per_label,
    ).with_id("Report")

    # Serves the model if it was blessed.
    pusher = Pusher(
        model=model_trainer.outputs["model"],
        model_blessing=evaluator.outputs["blessing"],
        serving_dir=str(serving_dir),
    ).with_id("Pusher")

    return tfx_pipeline.Pipeline(
        pipeline_name=PIPELINE_NAME,
        pipeline_root=str(artifacts_dir),
        components=[
            example_gen,
            statistics_gen,
            schema_gen,
            example_validator,
            data_gate,
            transform,
            model_trainer,
            evaluator,
            report,
            pusher,
        ],
        enable_cache=True,
        metadata_connection_config=metadata.sqlite_metadata_connection_config(str(metadata_file)),
    )


def gates(config: pipeline_config.PipelineConfig) -> evaluation.Gates:
    """What a model must reach to be blessed."""
    return evaluation.Gates(
        max_bce=config.evaluation.max_bce,
        max_bce_worst_label=config.evaluation.max_bce_worst_label,
        max_bce_to_mean_image=config.evaluation.max_bce_to_mean_image,
    )


def _path_of(function: Any) -> str:
    """Dotted path: TFX then imports the function, and does not build and install a wheel of its module."""
    return f"{function.__module__}.{function.__qualname__}"


def _training_config(config: pipeline_config.PipelineConfig, source: Source) -> dict[str, Any]:
    return {
        "epochs": config.training.epochs,
        "batch_size": config.training.batch_size,
        "validation_batch_size": config.evaluation.batch_size,
        "learning_rate": config.training.learning_rate,
        "seed": config.training.seed,
        "jit_compile": config.training.jit_compile,
        "resident_mib": config.training.resident_mib,
        "hidden_units": config.model.hidden_units,
        "code_units": config.model.code_units,
        "l1": config.model.l1,
        "code_bias": config.model.code_bias,
        "train_examples": source.split_sizes[features.TRAIN],
        "validation_examples": source.split_sizes[features.VALIDATION],
    }


def _report_texts(config: pipeline_config.PipelineConfig, source: Source) -> dict[str, Any]:
    # Only what shapes the result: where it was made and with how many workers does not.
    shown = {
        name: str(value)
        for name, value in pipeline_config.flatten(config).items()
        if name.partition(".")[0] in ("data", "model", "training", "evaluation") and name not in _NOT_IN_REPORT
    }
    return {
        "title": f"{source.name} {source.version}",
        "notice": source.notice,
        "label_names": list(source.label_names),
        "height": source.height,
        "width": source.width,
        "gates": dataclasses.asdict(gates(config)),
        "settings": shown,
        "facts": {f"{split} images": f"{size:,}" for split, size in source.split_sizes.items()},
    }


_NOT_IN_REPORT = {"data.data_dir", "data.source", "data.download_timeout"}
