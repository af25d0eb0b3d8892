"""The data's gate behind the stock StatisticsGen and ExampleValidator: what stops a run, and in which words."""

from __future__ import annotations

import dataclasses
import json
import pathlib
from collections.abc import Sequence
from typing import Any

import pytest

from components import errors
from tests import lazy, nodes
from tests.tfds_builders import HEIGHT, WIDTH

channel_utils = lazy.module("tfx.types.channel_utils")
data_gate = lazy.module("components.data.data_gate")
example_gen_pb2 = lazy.module("tfx.proto.example_gen_pb2")
examples_utils = lazy.module("tfx.components.util.examples_utils")
tf = lazy.module("tensorflow")
tfdv = lazy.module("tensorflow_data_validation")

pytestmark = pytest.mark.component

Record = dict[str, Sequence[Any]]


def record(number: int, **changes: Sequence[Any]) -> Record:
    """A good record but for `changes`."""
    return {"image": [b"PNG"], "height": [HEIGHT], "width": [WIDTH], "label": [number % 3]} | changes


def without(name: str) -> Record:
    return {feature: values for feature, values in record(0).items() if feature != name}


def good(count: int) -> list[Record]:
    return [record(number) for number in range(count)]


SPLITS: dict[str, list[Record]] = {
    "good": good(6),
    "label_too_high": [*good(3), record(0, label=[3])],
    "label_too_low": [*good(3), record(0, label=[-1])],
    "too_high": [*good(3), record(0, height=[HEIGHT + 1])],
    "too_narrow": [*good(3), record(0, width=[WIDTH - 1])],
    "two_labels": [*good(3), record(0, label=[1, 1])],
    "one_without_image": [*good(3), without("image")],
    "all_without_label": [without("label")] * 3,
    "another_feature": [*good(3), record(0, colour=[1])],
    "label_and_width": [record(0, label=[9], width=[1])],
    "empty": [],
    "large": good(1234),
}


@dataclasses.dataclass(frozen=True)
class Checked:
    """What StatisticsGen and ExampleValidator wrote of `SPLITS`."""

    statistics: Any
    anomalies: Any


def serialize(values: Record) -> bytes:
    example = tf.train.Example()
    for name, value in values.items():
        feature = example.features.feature[name]
        (feature.bytes_list if name == "image" else feature.int64_list).value.extend(value)
    return example.SerializeToString()


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> Checked:
    folder = tmp_path_factory.mktemp("checked")
    examples = nodes.artifact("Examples", folder / "examples")
    examples.split_names = json.dumps(list(SPLITS))
    examples_utils.set_payload_format(examples, example_gen_pb2.FORMAT_TF_EXAMPLE)
    for split, records in SPLITS.items():
        path = folder / "examples" / f"Split-{split}" / "part.tfrecord"
        path.parent.mkdir(parents=True)
        with tf.io.TFRecordWriter(str(path)) as writer:
            for values in records:
                writer.write(serialize(values))
    components = nodes.make(folder, {})
    schema = nodes.artifact("Schema", folder / "schema")
    statistics = nodes.run(components["StatisticsGen"], folder / "StatisticsGen", examples=examples)["statistics"]
    validator = components["ExampleValidator"]
    anomalies = nodes.run(validator, folder / "ExampleValidator", statistics=statistics, schema=schema)["anomalies"]
    return Checked(statistics, anomalies)


def gate(checked: Checked, folder: pathlib.Path, *splits: str, **expected: int) -> None:
    """Runs the gate as if there were only these splits; `expected` are their sizes."""
    statistics, anomalies = (
        nodes.artifact(made.type_name, made.uri) for made in (checked.statistics, checked.anomalies)
    )
    statistics.split_names = anomalies.split_names = json.dumps(splits)
    component = data_gate.DataGate(
        channel_utils.as_channel([anomalies]), channel_utils.as_channel([statistics]), expected
    )
    nodes.run(component, folder, anomalies=anomalies, statistics=statistics)


def test_good_data_passes(checked: Checked, tmp_path: pathlib.Path) -> None:
    gate(checked, tmp_path, "good", "large", good=6, large=0)


@pytest.mark.parametrize(
    ("split", "words"),
    [
        ("label_too_high", "label in label_too_high: Out-of-range values: Unexpectedly large value: 3"),
        ("label_too_low", "label in label_too_low: Out-of-range values: Unexpectedly small value: -1"),
        ("too_high", "height in too_high: Out-of-range values: Unexpectedly large value: 7"),
        ("too_narrow", "width in too_narrow: Out-of-range values: Unexpectedly small value: 7"),
        ("two_labels", "label in two_labels: Feature shape dropped: "),
        ("one_without_image", "image in one_without_image: "),
        ("all_without_label", "label in all_without_label: Column dropped: "),
        ("another_feature", "colour in another_feature: New column: "),
        ("empty", "empty: "),
    ],
)
def test_anomaly_fails_the_run_and_is_said_with_its_feature_and_split(
    split: str, words: str, checked: Checked, tmp_path: pathlib.Path
) -> None:
    with pytest.raises(errors.AnomalyError) as caught:
        gate(checked, tmp_path, "good", split, "large")
    assert str(caught.value).startswith(f"the data does not fit its schema: {words}")
    assert "good" not in str(caught.value)
    assert "large:" not in str(caught.value)


def test_an_empty_split_is_called_empty(checked: Checked, tmp_path: pathlib.Path) -> None:
    with pytest.raises(errors.AnomalyError, match="empty"):
        gate(checked, tmp_path, "empty")


@pytest.mark.parametrize("expected", [1233, 1235])
def test_split_of_another_size_than_expected_fails_the_run(
    expected: int, checked: Checked, tmp_path: pathlib.Path
) -> None:
    with pytest.raises(errors.AnomalyError) as caught:
        gate(checked, tmp_path, "good", "large", large=expected)
    assert str(caught.value) == (
        f"the data does not fit its schema: large: expected {expected:,} examples, found 1,234"
    )


def test_everything_that_is_wrong_is_said_at_once(checked: Checked, tmp_path: pathlib.Path) -> None:
    with pytest.raises(errors.AnomalyError) as caught:
        gate(checked, tmp_path, "label_and_width", "good", "label_too_high", good=7)
    found = [part.partition(":")[0] for part in str(caught.value).partition(": ")[2].split("; ")]
    assert found == ["label in label_and_width", "width in label_and_width", "good", "label in label_too_high"]


def test_anomaly_of_a_whole_split_is_said_with_the_split(checked: Checked) -> None:
    statistics = tfdv.load_stats_binary(f"{checked.statistics.uri}/Split-good/FeatureStats.pb")
    schema = tfdv.infer_schema(statistics)
    schema.dataset_constraints.min_examples_count = 7
    [words] = data_gate.describe_anomalies("good", tfdv.validate_statistics(statistics, schema))
    assert words.startswith("good: Low num examples in dataset.: ")


def test_pipeline_expects_the_sizes_of_its_configuration(tmp_path: pathlib.Path) -> None:
    settings = {"data.train_examples": 5, "data.validation_examples": 6, "data.test_examples": 7}
    component = nodes.make(tmp_path, settings)["DataGate"]
    assert json.loads(component.exec_properties["expected_examples"]) == {"train": 5, "validation": 6, "test": 7}
