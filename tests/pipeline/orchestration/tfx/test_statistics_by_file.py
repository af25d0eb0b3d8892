"""TFDV's statistics in few steps: those of its own graph, which stays for options that need it."""

from __future__ import annotations

import pathlib
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from tests import lazy

pytestmark = pytest.mark.component

beam = lazy.module("apache_beam")
engine = lazy.module("pipeline.orchestration.tfx.beam_engine")
fn_api_runner = lazy.module("apache_beam.runners.portability.fn_api_runner")
slicing_util = lazy.module("tensorflow_data_validation.utils.slicing_util")
tfdv = lazy.module("tensorflow_data_validation")

LONG_TEXT = b"a text that is longer than a digest"
ROWS = 40


def batches() -> list[Any]:
    """Return images, of which some are the same, text of which rows have none or two, and numbers."""
    images = [b"\x89PNG" + bytes([number % 7]) * 400 for number in range(ROWS)]
    texts = [None if number % 5 == 0 else [LONG_TEXT, b"%d" % (number % 3)] for number in range(ROWS)]
    arrays = [
        pa.array([[image] for image in images], pa.large_list(pa.large_binary())),
        pa.array(texts, pa.large_list(pa.large_binary())),
        pa.array([[number // 4] for number in range(ROWS)], pa.large_list(pa.int64())),
        pa.array(list(np.arange(3 * ROWS, dtype=np.float32).reshape(ROWS, 3)), pa.large_list(pa.float32())),
    ]
    whole = pa.RecordBatch.from_arrays(arrays, ["image", "text", "label", "values"])
    return [whole.slice(0, 9), whole.slice(9)]


def statistics(pipeline: Any, options: Any, path: pathlib.Path, given: list[Any]) -> tuple[Any, int]:
    """Return the statistics by data set and feature, and the number of steps of the job."""
    file = path / "new" / "statistics"
    with pipeline as made:
        found = made | beam.Create(given) | tfdv.GenerateStatistics(options)
        _ = found | tfdv.WriteStatisticsToBinaryFile(str(file))
        steps = len(made.applied_labels)
    assert [one.name for one in file.parent.iterdir()] == ["statistics"]
    of_all = {}
    for dataset in tfdv.load_stats_binary(str(file)).datasets:
        of_all[dataset.name] = {feature.path.step[0]: feature for feature in dataset.features}
        del dataset.features[:]
        of_all[dataset.name]["rest"] = dataset
    return of_all, steps


def compared(options: Any, path: pathlib.Path, given: list[Any]) -> tuple[Any, bool]:
    """Return our statistics, once they are those of TFDV, and whether they needed far fewer steps."""
    ours, few = statistics(engine.make_beam_pipeline(1, 1000), options, path / "ours", given)
    stock, many = statistics(beam.Pipeline(runner=fn_api_runner.FnApiRunner()), options, path / "stock", given)
    assert ours == stock
    return ours, few < many / 3


def test_statistics_are_those_of_tfdv(tmp_path: pathlib.Path) -> None:
    found, fewer = compared(tfdv.StatsOptions(num_top_values=3), tmp_path, batches())
    assert fewer
    of_all = found[""]
    assert of_all["rest"].num_examples == ROWS
    assert of_all["image"].string_stats.unique == 7
    assert [bucket.sample_count for bucket in of_all["image"].string_stats.rank_histogram.buckets] == [6] * 5 + [5] * 2
    assert of_all["image"].string_stats.avg_length == 404
    assert of_all["text"].string_stats.unique == 4
    assert of_all["text"].string_stats.top_values[0].value == LONG_TEXT.decode()
    assert of_all["text"].string_stats.top_values[0].frequency == 32
    assert of_all["values"].num_stats.mean == pytest.approx((3 * ROWS - 1) / 2)


def test_statistics_of_some_features_are_those_of_tfdv(tmp_path: pathlib.Path) -> None:
    options = tfdv.StatsOptions(num_top_values=0, feature_allowlist=["label", "image", "missing"])
    found, fewer = compared(options, tmp_path, batches())
    assert fewer
    assert set(found[""]) == {"label", "image", "rest"}
    assert not found[""]["image"].string_stats.top_values


def test_statistics_of_no_examples_are_those_of_tfdv(tmp_path: pathlib.Path) -> None:
    found, fewer = compared(tfdv.StatsOptions(), tmp_path, [])
    assert fewer
    assert found[""]["rest"].num_examples == 0
    assert set(found[""]) == {"rest"}


def of_categories() -> Any:
    schema = 'feature { name: "label" type: INT int_domain { is_categorical: true } }'
    return tfdv.StatsOptions(schema=text_format.Parse(schema, schema_pb2.Schema()))


def of_slices() -> Any:
    return tfdv.StatsOptions(experimental_slice_functions=[slicing_util.get_feature_value_slicer({"label": [3, 4]})])


@pytest.mark.parametrize("make_options", [of_categories, of_slices])
def test_other_options_keep_the_graph_of_tfdv(make_options: Any, tmp_path: pathlib.Path) -> None:
    found, steps = statistics(engine.make_beam_pipeline(1, 1000), make_options(), tmp_path, batches())
    fewer = engine.make_beam_pipeline(1, 1000)
    _ = fewer | beam.Create(batches()) | tfdv.GenerateStatistics(tfdv.StatsOptions())  # it is not run
    assert len(fewer.applied_labels) < steps / 3
    if make_options is of_slices:
        assert {"label_3", "label_4"} < set(found)
    else:
        assert found[""]["label"].string_stats.unique == ROWS // 4
