"""Evaluations that PushGate can read, for runs that the builder recorded. Importing this module imports TensorFlow."""

from __future__ import annotations

import pathlib
import shutil

import tensorflow as tf
from tensorflow_model_analysis.proto import metrics_for_slice_pb2

from pipeline.core import file_digests
from pipeline.metadata.properties import FILES, RAW_DIGEST
from tests.builders.roots import LABEL_METRICS, METRICS, Recorded


def write(recorded: Recorded, run_id: str) -> None:
    """Give a run the files that TFMA writes for its recorded metrics; keep the content digest of its evaluation."""
    evaluation = recorded.outputs(run_id, "Evaluator")["evaluation"]
    folder = pathlib.Path(evaluation.uri)
    shutil.rmtree(folder)
    folder.mkdir()
    with tf.io.TFRecordWriter(str(folder / "metrics-00000-of-00001.tfrecord")) as file:
        for label, metrics in {"": METRICS, **LABEL_METRICS}.items():
            found = metrics_for_slice_pb2.MetricsForSlice()
            if label:
                found.slice_key.single_slice_keys.add(column="label", int64_value=int(label))
            for name, value in metrics.items():
                found.metric_keys_and_values.add(key={"name": name}, value={"double_value": {"value": value}})
            file.write(found.SerializeToString())
    files = file_digests.scan(folder)
    properties = {FILES: file_digests.to_text(files), RAW_DIGEST: file_digests.of_files(files)}
    recorded.change(evaluation.id, **properties)
