"""The pipeline: which nodes there are and how they are wired. Nothing is run here."""

from __future__ import annotations

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
from components.data import features, preprocessing
from components.data.data_gate import DataGate
from components.data.example_gen import TfdsExampleGen
from components.evaluation import evaluator as evaluation
from components.evaluation import thresholds
from components.model import run_fn
from components.push.gate import PushGate
from components.push.pusher import Pusher
from components.report.component import ReportGen
from pipeline.definition import graph
from pipeline.definition.dataset import Source


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
    told = graph.parameters(config, source)

    # Reads a prepared TFDS data set: a fixed order, whatever the number of workers.
    example_gen = TfdsExampleGen(
        builder_dir=source.builder_dir, fingerprint=source.fingerprint, **told["ExampleGen"]
    ).with_id("ExampleGen")

    # Counts and ranges of every feature, for the check against the schema.
    statistics_gen = StatisticsGen(
        examples=example_gen.outputs["examples"], stats_options=tfdv.StatsOptions(**told["StatisticsGen"])
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
        **told["DataGate"],
    ).with_id("DataGate")

    # The graph that flattens and scales.
    transform = Transform(
        examples=example_gen.outputs["examples"],
        schema=schema_gen.outputs["schema"],
        preprocessing_fn=_path_of(preprocessing.preprocessing_fn),
        **told["Transform"],
    )
    transform.add_upstream_node(data_gate)

    model_trainer = Trainer(
        run_fn=_path_of(run_fn.run_fn),
        examples=example_gen.outputs["examples"],
        transform_graph=transform.outputs["transform_graph"],
        train_args=trainer_pb2.TrainArgs(splits=[features.TRAIN]),
        eval_args=trainer_pb2.EvalArgs(splits=[features.VALIDATION]),
        custom_config=told["Trainer"],
    )
    model_trainer.add_upstream_node(data_gate)

    # Judges this model alone, by thresholds: no baseline model, so the answer does not depend on earlier runs.
    evaluator = Evaluator(
        examples=example_gen.outputs["examples"],
        model=model_trainer.outputs["model"],
        schema=schema_gen.outputs["schema"],
        eval_config=evaluation.eval_config(thresholds.Gates(**told["Evaluator"]["gates"])),
        example_splits=told["Evaluator"]["example_splits"],
    )

    # What people look at.
    report = ReportGen(
        examples=example_gen.outputs["examples"],
        transform_graph=transform.outputs["transform_graph"],
        model=model_trainer.outputs["model"],
        model_run=model_trainer.outputs["model_run"],
        evaluation=evaluator.outputs["evaluation"],
        blessing=evaluator.outputs["blessing"],
        **told["Report"],
    ).with_id("Report")

    # Compares it with what was pushed before: the only node, with the next one, whose answer depends on that.
    push_gate = PushGate(
        examples=example_gen.outputs["examples"],
        model=model_trainer.outputs["model"],
        evaluation=evaluator.outputs["evaluation"],
        model_blessing=evaluator.outputs["blessing"],
        standing="",  # the runner says it when the node's turn comes
        **told[graph.PUSH_GATE],
    ).with_id(graph.PUSH_GATE)

    # Serves the model if it was blessed and the gate let it pass.
    pusher = Pusher(
        model=model_trainer.outputs["model"],
        model_blessing=evaluator.outputs["blessing"],
        decision=push_gate.outputs["decision"],
        serving_dir=str(serving_dir),
    ).with_id("Pusher")

    return tfx_pipeline.Pipeline(
        pipeline_name=graph.PIPELINE_NAME,
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
            push_gate,
            pusher,
        ],
        enable_cache=True,
        metadata_connection_config=metadata.sqlite_metadata_connection_config(str(metadata_file)),
    )


def _path_of(function: Any) -> str:
    """Dotted path: TFX then imports the function, and does not build and install a wheel of its module."""
    return f"{function.__module__}.{function.__qualname__}"
