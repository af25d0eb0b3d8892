"""DataGate: stop the run if the data does not fit the schema.

TFX's ExampleValidator records anomalies and succeeds. This node fails on any, so nodes that depend on it do not run. A
failed node is not cached: it fails again while there are anomalies, also if ExampleValidator's result is cached.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

import tensorflow_data_validation as tfdv
from tensorflow_metadata.proto.v0 import anomalies_pb2
from tfx import types
from tfx.dsl.components.base import base_component, base_executor, executor_spec
from tfx.types import artifact_utils, component_spec, standard_artifacts

from components import errors
from components.artifact_types import Artifacts

_ANOMALIES_FILE = "SchemaDiff.pb"
_STATISTICS_FILE = "FeatureStats.pb"


class DataGateExecutor(base_executor.BaseExecutor):
    """Check anomalies and statistics of every split."""

    def Do(self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]) -> None:
        """Raise `errors.AnomalyError` with a description of every anomaly."""
        anomalies = artifact_utils.get_single_instance(input_dict["anomalies"])
        statistics = artifact_utils.get_single_instance(input_dict["statistics"])
        expected: dict[str, int] = json.loads(exec_properties["expected_examples"])
        found = []
        for split in artifact_utils.decode_split_names(anomalies.split_names):
            path = os.path.join(artifact_utils.get_split_uri([anomalies], split), _ANOMALIES_FILE)
            with open(path, "rb") as file:
                found += describe_anomalies(split, anomalies_pb2.Anomalies.FromString(file.read()))
            path = os.path.join(artifact_utils.get_split_uri([statistics], split), _STATISTICS_FILE)
            size = sum(part.num_examples for part in tfdv.load_stats_binary(path).datasets)
            found += check_size(split, size, expected.get(split, 0))
        if found:
            raise errors.AnomalyError("the data does not fit its schema: " + "; ".join(found))


def describe_anomalies(split: str, anomalies: anomalies_pb2.Anomalies) -> list[str]:
    """Describe each anomaly of a split: `label in train: Out-of-range values: Unexpectedly large value: 11`."""
    texts = [
        f"{name} in {split}: {info.short_description}: {info.description.rstrip('.')}"
        for name, info in sorted(anomalies.anomaly_info.items())
    ]
    if anomalies.HasField("dataset_anomaly_info"):
        info = anomalies.dataset_anomaly_info
        texts.append(f"{split}: {info.short_description or 'the whole split'}: {info.description.rstrip('.')}")
    return texts


def check_size(split: str, size: int, expected: int) -> list[str]:
    """Describe the fault if a split is empty or not of the expected size (0: any size)."""
    if not size:
        return [f"{split}: the split is empty"]
    if expected and size != expected:
        return [f"{split}: expected {expected:,} example{'s' if expected > 1 else ''}, found {size:,}"]
    return []


class _DataGateSpec(component_spec.ComponentSpec):
    PARAMETERS = {"expected_examples": component_spec.ExecutionParameter(type=str)}
    INPUTS = {
        "anomalies": component_spec.ChannelParameter(type=standard_artifacts.ExampleAnomalies),
        "statistics": component_spec.ChannelParameter(type=standard_artifacts.ExampleStatistics),
    }
    OUTPUTS: dict[str, Any] = {}


class DataGate(base_component.BaseComponent):
    """Fail if there are `anomalies`, or a split has the wrong number of examples."""

    SPEC_CLASS = _DataGateSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(DataGateExecutor)

    def __init__(
        self, anomalies: types.BaseChannel, statistics: types.BaseChannel, expected_examples: Mapping[str, int]
    ) -> None:
        """Create the node.

        Args:
          anomalies: from ExampleValidator.
          statistics: from StatisticsGen, for the sizes of the splits.
          expected_examples: number of examples by split; 0 or absent: any number above 0.
        """
        super().__init__(
            spec=_DataGateSpec(
                anomalies=anomalies, statistics=statistics, expected_examples=json.dumps(dict(expected_examples))
            )
        )
