"""ExampleGen: the rows of a CSV file as tf.Examples, in their order. The stock CsvExampleGen shuffles them."""

from __future__ import annotations

import csv
import os
import pathlib
from typing import Any

import tensorflow as tf
from tfx import types
from tfx.components.util import examples_utils
from tfx.dsl.components.base import base_component, base_executor, executor_spec
from tfx.proto import example_gen_pb2
from tfx.types import artifact_utils, component_spec, standard_artifacts


class Executor(base_executor.BaseExecutor):
    def Do(self, input_dict: Any, output_dict: Any, exec_properties: dict[str, Any]) -> None:
        examples = artifact_utils.get_single_instance(output_dict["examples"])
        with open(exec_properties["file"], encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        cut = len(rows) * exec_properties["train_percent"] // 100
        splits = {"train": rows[:cut], "eval": rows[cut:]}
        examples.split_names = artifact_utils.encode_split_names(list(splits))
        for name, held in splits.items():
            folder = pathlib.Path(artifact_utils.get_split_uri([examples], name))
            folder.mkdir(parents=True, exist_ok=True)
            with tf.io.TFRecordWriter(os.path.join(folder, "data.tfrecord")) as writer:
                for row in held:
                    example = tf.train.Example()
                    for key, value in row.items():
                        example.features.feature[key].float_list.value.append(float(value))
                    writer.write(example.SerializeToString(deterministic=True))
        examples_utils.set_payload_format(examples, example_gen_pb2.FORMAT_TF_EXAMPLE)


class _Spec(component_spec.ComponentSpec):
    PARAMETERS = {
        "file": component_spec.ExecutionParameter(type=str),
        "train_percent": component_spec.ExecutionParameter(type=int),
    }
    INPUTS: dict[str, Any] = {}
    OUTPUTS = {"examples": component_spec.ChannelParameter(type=standard_artifacts.Examples)}


class CsvExampleGen(base_component.BaseComponent):
    SPEC_CLASS = _Spec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(self, file: str, train_percent: int) -> None:
        examples = types.Channel(type=standard_artifacts.Examples)
        super().__init__(spec=_Spec(file=file, train_percent=train_percent, examples=examples))
