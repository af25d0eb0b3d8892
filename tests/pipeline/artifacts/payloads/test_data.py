"""Statistics, anomalies, schema, transform graph: what is said of the data, in words and numbers."""

from __future__ import annotations

import math
import pathlib
from typing import Any

import pytest

from pipeline.artifacts.sections import Diagram, Histogram, Text
from tests import lazy
from tests.components.conftest import Trained
from tests.pipeline.artifacts.preview_writers.artifacts import artifact, write

anomalies = lazy.module("pipeline.artifacts.payloads.anomalies")
anomalies_pb2 = lazy.module("tensorflow_metadata.proto.v0.anomalies_pb2")
schema = lazy.module("pipeline.artifacts.payloads.schema")
statistics = lazy.module("pipeline.artifacts.payloads.statistics")
statistics_pb2 = lazy.module("tensorflow_metadata.proto.v0.statistics_pb2")
text_format = lazy.module("google.protobuf.text_format")
transform_graph = lazy.module("pipeline.artifacts.payloads.transform_graph")

pytestmark = pytest.mark.component


# --- statistics

LABEL = """
  path { step: "label" }
  type: INT
  num_stats {
    common_stats { num_non_missing: 59 num_missing: 1 }
    min: 0 max: 9 mean: 4.5 std_dev: 2.5 num_zeros: 7
    histograms { type: QUANTILES buckets { low_value: 0 high_value: 9 sample_count: 59 } }
    histograms {
      type: STANDARD
      buckets { low_value: 0 high_value: 4.5 sample_count: 30 }
      buckets { low_value: 4.5 high_value: 9 sample_count: 29 }
    }
  }
"""
IMAGE = """
  name: "image"
  type: STRING
  string_stats { common_stats { num_non_missing: 60 } unique: 58 avg_length: 278.5 }
"""


def statistics_of(tmp_path: pathlib.Path, *features: str, examples: int = 60) -> Any:
    """The preview of one split's statistics."""
    text = "".join(f"features {{ {feature} }}" for feature in features)
    data = text_format.Parse(
        f"datasets {{ num_examples: {examples} {text} }}", statistics_pb2.DatasetFeatureStatisticsList()
    )
    write(tmp_path, {"Split-train/FeatureStats.pb": data.SerializeToString()})
    made, pictures = statistics.make(artifact("ExampleStatistics", tmp_path))
    assert made.sections[0].title == f"split train, {examples} examples"
    assert pictures == {}
    return made


def test_statistics_of_numbers_and_texts_sorted_by_name(tmp_path: pathlib.Path) -> None:
    table, histograms = statistics_of(tmp_path, LABEL, IMAGE).sections
    assert [column.title for column in table.columns] == [
        "feature", "type", "count", "missing", "min", "mean", "max", "std dev", "zeros", "unique", "average length",
    ]  # fmt: skip
    assert table.rows == (
        ("image", "string", 60, 0, None, None, None, None, None, 58, 278.5),
        ("label", "int", 59, 1, 0.0, 4.5, 9.0, 2.5, 7, None, None),
    )
    assert histograms.histograms == (Histogram("label", ((0.0, 4.5, 30.0), (4.5, 9.0, 29.0))),)


def test_statistics_of_bytes_and_of_what_is_not_counted(tmp_path: pathlib.Path) -> None:
    raw = 'name: "raw" type: BYTES bytes_stats { common_stats { num_non_missing: 5 } avg_num_bytes: 2.5 }'
    [table] = statistics_of(
        tmp_path, raw, 'name: "struct" type: STRUCT struct_stats {}', 'name: "void" type: INT'
    ).sections
    assert table.rows == (
        ("raw", "bytes", 5, 0, *[None] * 6, 2.5),
        ("struct", "struct", 0, 0, *[None] * 7),
        ("void", "int", 0, 0, *[None] * 7),
    )


def test_what_is_not_finite_is_left_out(tmp_path: pathlib.Path) -> None:
    text = (
        LABEL.replace("max: 9 ", "max: inf ").replace("std_dev: 2.5", "std_dev: nan").replace("value: 9", "value: inf")
    )
    table, histograms = statistics_of(tmp_path, text).sections
    [row] = table.records()
    assert (row["min"], row["max"], row["std_dev"]) == (0.0, None, None)
    assert histograms.histograms[0].buckets == ((0.0, 4.5, 30.0),)
    assert not any(isinstance(value, float) and not math.isfinite(value) for value in row.values())


def test_statistics_that_are_damaged_raise(tmp_path: pathlib.Path) -> None:
    write(tmp_path, {"Split-train/FeatureStats.pb": b"\xff\xff\xff"})
    with pytest.raises(Exception, match="is damaged, or is not a DatasetFeatureStatisticsList"):
        statistics.make(artifact("ExampleStatistics", tmp_path))


def test_splits_without_a_data_set_are_left_out(tmp_path: pathlib.Path) -> None:
    write(tmp_path, {"Split-train/FeatureStats.pb": b""})
    assert statistics.make(artifact("ExampleStatistics", tmp_path))[0].sections == ()


# --- anomalies


def test_anomalies_by_split_those_of_the_data_set_first(tmp_path: pathlib.Path) -> None:
    found = text_format.Parse(
        """
        anomaly_info { key: "width" value { short_description: "w" description: "29 is above 28" } }
        anomaly_info { key: "label" value { short_description: "l" description: "10 is above 9" } }
        dataset_anomaly_info { short_description: "few" description: "1 example, 5 are asked for" }
        """,
        anomalies_pb2.Anomalies(),
    )
    write(tmp_path, {"Split-test/SchemaDiff.pb": found.SerializeToString(), "Split-train/SchemaDiff.pb": b""})
    first, table = anomalies.make(artifact("ExampleAnomalies", tmp_path))[0].sections
    assert first == Text("train fits the schema", "no anomalies", True)
    assert table.title == "anomalies in test"
    assert table.rows == (
        ("the data set", "few", "1 example, 5 are asked for"),
        ("label", "l", "10 is above 9"),
        ("width", "w", "29 is above 28"),
    )


def test_anomalies_are_sorted_by_feature_however_they_are_stored(tmp_path: pathlib.Path) -> None:
    found = anomalies_pb2.Anomalies()
    for number in (5, 3, 8, 0, 9, 1, 7, 2, 6, 4):
        found.anomaly_info[f"feature {number}"].short_description = "odd"
    write(tmp_path, {"Split-all/SchemaDiff.pb": found.SerializeToString()})
    [table] = anomalies.make(artifact("ExampleAnomalies", tmp_path))[0].sections
    assert [row[0] for row in table.rows] == [f"feature {number}" for number in range(10)]


# --- schema


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("type: BYTES", ("bytes", "", "", "")),
        ("", ("unknown", "", "", "")),
        ("type: INT presence { min_fraction: 1 min_count: 1 }", ("int", "in every example", "", "")),
        (
            "type: FLOAT presence { min_fraction: 0.9 min_count: 5 }",
            ("float", "in at least 0.9 of the examples, in at least 5 examples", "", ""),
        ),
        ("presence { min_count: 1 }", ("unknown", "in at least 1 example", "", "")),
        ("presence {}", ("unknown", "", "", "")),
        ("shape { dim { size: 28 } dim { size: 20 } }", ("unknown", "", "(28, 20)", "")),
        ("shape { dim { size: 1 } }", ("unknown", "", "(1,)", "")),
        ("shape { dim {} }", ("unknown", "", "(None,)", "")),
        ("shape {}", ("unknown", "", "()", "")),
        ("value_count { min: 1 max: 1 }", ("unknown", "", "1 value", "")),
        ("value_count { min: 2 max: 3 }", ("unknown", "", "2 to 3 values", "")),
        ("value_count { min: 2 }", ("unknown", "", "2 values or more", "")),
        ("int_domain { min: 0 max: 9 is_categorical: true }", ("unknown", "", "", "0 to 9, categorical")),
        ("int_domain { min: 28 max: 28 }", ("unknown", "", "", "28")),
        ("int_domain { min: 1000000 }", ("unknown", "", "", "at least 1,000,000")),
        ("float_domain { max: 0.5 }", ("unknown", "", "", "at most 0.5")),
        ("int_domain {}", ("unknown", "", "", "")),
        ('string_domain { value: "a" value: "b" }', ("unknown", "", "", "a, b")),
        ('domain: "colours"', ("unknown", "", "", "red, blue")),
        ('domain: "lost"', ("unknown", "", "", "lost")),
        ("image_domain {}", ("unknown", "", "", "image domain")),
    ],
)
def test_a_feature_is_told_in_words(tmp_path: pathlib.Path, text: str, expected: tuple[str, ...]) -> None:
    colours = 'string_domain { name: "colours" value: "red" value: "blue" }'
    write(tmp_path, {"schema.pbtxt": f'feature {{ name: "it" {text} }} {colours}'.encode()})
    [table] = schema.make(artifact("Schema", tmp_path))[0].sections
    assert table.rows == (("it", *(text or None for text in expected)),)


def test_features_keep_the_schema_s_order_and_long_domains_are_cut(tmp_path: pathlib.Path) -> None:
    values = " ".join(f'value: "{number}"' for number in range(22))
    text = f'feature {{ name: "b" string_domain {{ {values} }} }} feature {{ name: "a" }}'
    write(tmp_path, {"schema.pbtxt": text.encode()})
    one, other = schema.make(artifact("Schema", tmp_path))[0].records("features")
    assert (one["feature"], other["feature"]) == ("b", "a")
    assert one["domain"].startswith("0, 1, 2,")
    assert one["domain"].endswith(", 19 and 2 more")


# --- transform graph


def test_a_transform_graph_tells_what_goes_in_and_what_comes_out(trained: Trained) -> None:
    made, pictures = transform_graph.make(artifact("TransformGraph", pathlib.Path(trained.transform_graph.uri)))
    diagram, inputs, outputs = made.sections
    assert isinstance(diagram, Diagram)
    assert [len(column) for column in diagram.columns] == [4, 1, 2]
    assert inputs.rows == (
        ("height", "int64", "(1,)"),
        ("image", "string", "(1,)"),
        ("label", "int64", "(1,)"),
        ("width", "int64", "(1,)"),
    )
    assert outputs.rows == (("image_xf", "float32", "(48,)"), ("label_xf", "int64", "()"))
    assert pictures == {}


def test_one_split_of_statistics_is_named(tmp_path: pathlib.Path) -> None:
    write(tmp_path, {"Split-all/FeatureStats.pb": statistics_pb2.DatasetFeatureStatisticsList(
        datasets=[statistics_pb2.DatasetFeatureStatistics(num_examples=7)]
    ).SerializeToString()})  # fmt: skip
    [table] = statistics.make(artifact("ExampleStatistics", tmp_path))[0].sections
    assert (table.title, table.rows) == ("split all, 7 examples", ())


def test_integers_are_counted_by_value(tmp_path: pathlib.Path) -> None:
    """TFDV divides 0 to 3 into four parts of 0.75."""
    buckets = "".join(
        f"buckets {{ low_value: {0.75 * place} high_value: {0.75 * place + 0.75} sample_count: {count} }}"
        for place, count in enumerate((10, 20, 0, 5))
    )
    numbers = f"min: 0 max: 3 std_dev: 1 histograms {{ type: STANDARD {buckets} }}"
    text = f'name: "label" type: INT num_stats {{ common_stats {{ num_non_missing: 35 }} {numbers} }}'
    _, histograms = statistics_of(tmp_path, text).sections
    counts = ((0.0, 0.0, 10.0), (1.0, 1.0, 20.0), (2.0, 2.0, 0.0), (3.0, 3.0, 5.0))
    assert histograms.histograms == (Histogram("label", counts),)
    _, histograms = statistics_of(tmp_path, text.replace("INT", "FLOAT")).sections
    assert histograms.histograms[0].buckets[0] == (0.0, 0.75, 10.0)
