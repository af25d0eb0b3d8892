"""TFMA's evaluation of one model, in batches: predictions, sums of slices, and the files that TFMA would write.

A batch can be added to a metric whose combiner has a method `add_batch`, which takes an accumulator, and the
predictions of n examples as arrays of shape (n, ...) by name; and to TFMA's count of examples.

Importing this module imports TFMA.
"""

from __future__ import annotations

import dataclasses
import io
import pathlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import tensorflow as tf
from apache_beam.io import tfrecordio
from google.protobuf import json_format
from tensorflow_model_analysis import constants, version
from tensorflow_model_analysis.evaluators import metrics_validator
from tensorflow_model_analysis.metrics import metric_specs, metric_types
from tensorflow_model_analysis.proto import config_pb2
from tensorflow_model_analysis.slicer import slicer_lib
from tensorflow_model_analysis.utils import config_util
from tensorflow_model_analysis.writers import metrics_plots_and_validations_writer as tables

from components import atomic_file
from pipeline.orchestration.tfx import ordered_sums

_Metrics = dict[metric_types.MetricKey, Any]
_Sums = dict[Any, list[Any]]  # by key of the slice: an accumulator of each combiner


def in_batches(model: Any, config: config_pb2.EvalConfig, folder: str) -> beam.PTransform | None:
    """Return a transform of record batches that evaluates `model` and writes TFMA's files into `folder`.

    None if the options need TFMA's own graph: several models, weights, slices by several features, metrics that need
    single examples, or others.
    """
    if isinstance(model, list) or model.model_type != constants.TF_GENERIC or model.add_metrics_callbacks:
        return None
    config = config_util.update_eval_config_with_defaults(config, has_baseline=False, rubber_stamp=model.rubber_stamp)
    config_util.verify_eval_config(config)
    if not _is_simple(config):
        return None
    computations = list(dict.fromkeys(metric_specs.to_computations(config.metrics_specs, eval_config=config)))
    if not all(isinstance(one, metric_types.MetricComputation) for one in computations):
        return None
    combiners = [one.combiner for one in computations]
    if not all(hasattr(one, "add_batch") or _counts_examples(one) for one in combiners):
        return None
    evaluate = _EvaluateBatches(model.model_loader, config, combiners)
    return _Evaluation(evaluate, _Results(config, model.model_path, bool(model.rubber_stamp), folder))


def _is_simple(config: config_pb2.EvalConfig) -> bool:
    options, models = config.options, config.model_specs
    return (
        _has_only(config, "options", "model_specs", "slicing_specs", "metrics_specs")
        and _has_only(options, "include_default_metrics")
        and options.HasField("include_default_metrics")
        and not options.include_default_metrics.value
        and len(models) == 1
        and _has_only(models[0], "signature_name", "label_key")
        and bool(models[0].signature_name and config.slicing_specs)
        and all(_has_only(one, "feature_keys") and len(one.feature_keys) <= 1 for one in config.slicing_specs)
        and all(
            _has_only(one, "metrics", "model_names", "thresholds", "per_slice_thresholds")
            for one in config.metrics_specs
        )
    )


def _has_only(message: Any, *names: str) -> bool:
    return {field.name for field, _ in message.ListFields()} <= set(names)


def _counts_examples(combiner: beam.CombineFn) -> bool:
    return type(combiner).__name__ == "_ExampleCountCombiner"


class _Evaluation(beam.PTransform):
    def __init__(self, evaluate: _EvaluateBatches, results: _Results) -> None:
        super().__init__()
        self._evaluate = evaluate
        self._results = results

    def expand(self, input_or_inputs: Any) -> Any:
        measured = input_or_inputs | "Evaluate" >> ordered_sums.CombineFiles(self._evaluate)
        return measured | "Write" >> beam.Map(self._results.write)


class _EvaluateBatches(beam.CombineFn):
    """Evaluate record batches. The output is the metrics of each slice, by its key.

    Args:
      loader: of the model.
      config: names the signature and the slices.
      combiners: of the metrics.
    """

    def __init__(self, loader: Any, config: config_pb2.EvalConfig, combiners: Sequence[Any]) -> None:
        self._loader = loader
        self._signature_name = config.model_specs[0].signature_name
        self._slices = [tuple(one.feature_keys) for one in config.slicing_specs]
        self._combiners = combiners
        self._model: Any = None

    def create_accumulator(self) -> _Sums:
        return {}

    def add_input(self, accumulator: _Sums, batch: pa.RecordBatch) -> _Sums:
        predictions = self._predict(_column(batch, constants.ARROW_INPUT_COLUMN).flatten())
        for key, rows in self._rows_by_slice(batch):
            of_slice = {name: values[rows] for name, values in predictions.items()}
            before = accumulator.get(key) or [one.create_accumulator() for one in self._combiners]
            accumulator[key] = [
                one.add_batch(sums, of_slice) if hasattr(one, "add_batch") else sums + len(rows)
                for one, sums in zip(self._combiners, before, strict=True)
            ]
        return accumulator

    def _predict(self, examples: pa.Array) -> Mapping[str, Any]:
        if self._model is None:  # not loaded in `setup`, because the step that merges needs no model
            self._model = self._loader.load()
        signature = self._model.signatures[self._signature_name]
        # By name: given by position, all examples would be written into the text of an exception in TensorFlow.
        [name] = signature.structured_input_signature[1]
        outputs = signature(**{name: tf.constant(np.asarray(examples), tf.string)})
        return {key: value.numpy() for key, value in outputs.items()}

    def _rows_by_slice(self, batch: pa.RecordBatch) -> Iterator[tuple[Any, Any]]:
        """Yield the key of each slice in a batch, and the numbers of its rows, upwards."""
        for feature in self._slices:
            if not feature:
                yield (), np.arange(len(batch))
                continue
            [name] = feature
            column = _column(batch, name)
            rows, values = (np.asarray(one) for one in (pc.list_parent_indices(column), pc.list_flatten(column)))
            spec = slicer_lib.SingleSliceSpec(columns=feature)
            keys = slicer_lib.get_slices_for_features_dicts([], {name: values}, [spec])
            for key, value in zip(keys, np.unique(values), strict=True):
                yield key, np.unique(rows[values == value])

    def merge_accumulators(self, accumulators: Iterable[_Sums]) -> _Sums:
        by_slice: dict[Any, list[list[Any]]] = {}
        for accumulator in accumulators:
            for key, sums in accumulator.items():
                by_slice.setdefault(key, []).append(sums)
        return {
            key: [
                one.merge_accumulators(parts)
                for one, parts in zip(self._combiners, zip(*several, strict=True), strict=True)
            ]
            for key, several in by_slice.items()
        }

    def extract_output(self, accumulator: _Sums) -> dict[Any, _Metrics]:
        return {
            key: {
                name: value
                for one, sums_of_one in zip(self._combiners, sums, strict=True)
                for name, value in one.extract_output(sums_of_one).items()
            }
            for key, sums in accumulator.items()
        }


def _column(batch: pa.RecordBatch, name: str) -> pa.Array:
    return batch.column(batch.schema.get_field_index(name))


@dataclasses.dataclass(frozen=True)
class _Results:
    """Write what was measured as TFMA does.

    Attributes:
      config: of the evaluation.
      model: path of the model.
      rubber_stamp: whether a missing baseline is ignored.
      folder: for the files.
    """

    config: config_pb2.EvalConfig
    model: str
    rubber_stamp: bool
    folder: str

    def write(self, measured: Mapping[Any, _Metrics]) -> None:
        """Write the metrics of each slice, by its key."""
        folder = pathlib.Path(self.folder)
        folder.mkdir(parents=True, exist_ok=True)
        slices = [(key, measured[key]) for key in sorted(measured)]
        messages = {
            constants.METRICS_KEY: [tables.convert_slice_metrics_to_proto(one, None) for one in slices],
            constants.PLOTS_KEY: [tables.convert_slice_plots_to_proto((key, {}), None) for key, _ in slices],
            constants.ATTRIBUTIONS_KEY: [tables.convert_slice_attributions_to_proto((key, {})) for key, _ in slices],
        }
        for name, of_slices in messages.items():
            _write_records(folder / f"{name}-00000-of-00001.tfrecord", of_slices)
        _write_records(folder / f"{constants.VALIDATIONS_KEY}.tfrecord", [self._validation(slices)])
        run = config_pb2.EvalRun(
            eval_config=self.config,
            version=version.VERSION,
            data_location="<user provided PCollection>",
            file_format="<unknown>",
            model_locations={"": self.model},
        )
        atomic_file.write(folder / "eval_config.json", json_format.MessageToJson(run) + "\n")

    def _validation(self, slices: Sequence[tuple[Any, _Metrics]]) -> Any:
        combine = tables.CombineValidations(self.config, rubber_stamp=self.rubber_stamp)
        found = combine.create_accumulator()
        for one in slices:
            found = combine.add_input(found, metrics_validator.validate_metrics(one, self.config))
        return combine.extract_output(found)


def _write_records(path: pathlib.Path, messages: Iterable[Any]) -> None:
    records = io.BytesIO()
    for message in messages:
        tfrecordio._TFRecordUtil.write_record(records, message.SerializeToString())
    atomic_file.write(path, records.getvalue())
