"""Statistics, analyses and metrics of floats have equal bits however Beam spreads files over bundles and workers."""

from __future__ import annotations

import importlib
import pathlib
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from tests import lazy

pytestmark = pytest.mark.component

basic_stats = lazy.module("tensorflow_data_validation.statistics.generators.basic_stats_generator")
beam = lazy.module("apache_beam")
by_file = lazy.module("pipeline.orchestration.tfx.examples_by_file")
engine = lazy.module("pipeline.orchestration.tfx.beam_engine")
fn_api_runner = lazy.module("apache_beam.runners.portability.fn_api_runner")
metrics = lazy.module("components.evaluation.tfma_metric")
ordered = lazy.module("pipeline.orchestration.tfx.ordered_sums")
pipeline_options = lazy.module("apache_beam.options.pipeline_options")
preprocessing = lazy.module("components.data.preprocessing")
tf = lazy.module("tensorflow")
tf_example_record = lazy.module("tfx_bsl.tfxio.tf_example_record")
tfdv = lazy.module("tensorflow_data_validation")
tft = lazy.module("tensorflow_transform")
tft_beam = lazy.module("tensorflow_transform.beam")

POSITION = "pipeline.orchestration.tfx.examples_by_file.position"
FILES, ROWS, BATCH, WIDTH = 4, 1_000, 500, 8  # rows of each file, and of each batch
SCHEMA = """
feature { name: "values" type: FLOAT shape { dim { size: 8 } } presence { min_fraction: 1 } }
feature { name: "label" type: INT shape { } presence { min_fraction: 1 } }
feature { name: "id" type: BYTES shape { } presence { min_fraction: 1 } }
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Vectors of mixed magnitudes with labels and ids, as ExampleGen writes them."""
    folder = tmp_path_factory.mktemp("examples")
    generator = np.random.default_rng(1)
    shape = FILES, ROWS, WIDTH
    values = (generator.normal(size=shape) * 10.0 ** generator.integers(-6, 6, shape)).astype(np.float32)
    for number, rows in enumerate(values):
        with tf.io.TFRecordWriter(str(folder / f"train-{number:05}.tfrecord")) as file:
            for row in rows:
                example = tf.train.Example()
                example.features.feature["values"].float_list.value.extend(row)
                example.features.feature["label"].int64_list.value.append(int(generator.integers(10)))
                example.features.feature["id"].bytes_list.value.append(b"row")
                file.write(example.SerializeToString())
    return folder


def source(folder: pathlib.Path) -> Any:
    schema = text_format.Parse(SCHEMA, schema_pb2.Schema())
    return tf_example_record.TFExampleRecord(f"{folder}/*", schema=schema, telemetry_descriptors=["test"])


def on_four_workers() -> Any:
    pipeline = engine.make_beam_pipeline(4, BATCH)
    # Processes would import TensorFlow first; Beam spreads the work over threads in the same way.
    pipeline.options.view_as(pipeline_options.DirectOptions).direct_running_mode = "multi_threading"
    return pipeline


def statistics(folder: pathlib.Path, pipeline: Any, path: pathlib.Path) -> dict[str, Any]:
    options = tfdv.StatsOptions(num_top_values=0, feature_allowlist=["values", "label"])
    with pipeline as made:
        batches = made | source(folder).BeamSource()
        _ = batches | tfdv.GenerateStatistics(options) | tfdv.WriteStatisticsToBinaryFile(str(path))
    [dataset] = tfdv.load_stats_binary(str(path)).datasets
    return {feature.path.step[0]: feature for feature in dataset.features}


@pytest.fixture(scope="module")
def of_one_worker(folder: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return statistics(folder, engine.make_beam_pipeline(1, BATCH), tmp_path_factory.mktemp("one") / "statistics")


def test_four_workers_give_the_statistics_of_one(
    folder: pathlib.Path, of_one_worker: dict[str, Any], tmp_path: pathlib.Path
) -> None:
    assert statistics(folder, on_four_workers(), tmp_path / "statistics") == of_one_worker


def test_whole_numbers_have_the_statistics_of_beam_s_own_runner_on_one_worker(
    folder: pathlib.Path, of_one_worker: dict[str, Any], tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So statistics of images stay those of earlier versions."""

    class Pipeline(beam.Pipeline):
        def apply(self, transform: Any, *arguments: Any) -> Any:
            sized = isinstance(transform, beam.BatchElements) and engine.replacement(transform, BATCH)
            return super().apply(sized or transform, *arguments)

    stock_moments = importlib.import_module("pipeline.orchestration.tfx.mean_and_variance")._Accumulator
    monkeypatch.setattr("tensorflow_data_validation.utils.variance_util.MeanVarAccumulator", stock_moments)
    stock = statistics(folder, Pipeline(runner=fn_api_runner.FnApiRunner()), tmp_path / "statistics")
    assert of_one_worker["label"] == stock["label"]
    assert of_one_worker["label"].num_stats.std_dev > 2
    assert of_one_worker["values"].num_stats.mean == pytest.approx(stock["values"].num_stats.mean)


def standardised(folder: pathlib.Path, pipeline: Any, path: pathlib.Path) -> bytes:
    """Return some vectors as a transform graph scales them."""

    def standardise(inputs: dict[str, Any]) -> dict[str, Any]:
        return {"scaled": preprocessing.standardise(inputs["values"], per_value=True)}

    with pipeline as made, tft_beam.Context(temp_dir=str(path / "temporary")):
        batches = made | source(folder).BeamSource()
        graph = (batches, source(folder).TensorAdapterConfig()) | tft_beam.AnalyzeDataset(standardise)
        _ = graph | tft_beam.WriteTransformFn(str(path / "graph"))
    layer = tft.TFTransformOutput(str(path / "graph")).transform_features_layer()
    some = np.random.default_rng(2).normal(size=(50, WIDTH)).astype(np.float32)
    labels, ids = np.zeros(50, np.int64), np.array([b"row"] * 50)
    scaled = layer({"values": some, "label": labels, "id": ids})["scaled"].numpy()
    assert scaled.shape == some.shape
    return bytes(scaled.tobytes())


def test_four_workers_analyse_as_one(folder: pathlib.Path, tmp_path: pathlib.Path) -> None:
    one = standardised(folder, engine.make_beam_pipeline(1, BATCH), tmp_path / "one")
    assert standardised(folder, on_four_workers(), tmp_path / "four") == one


def reader() -> Any:
    made = by_file.ReadFile(None, None, BATCH)
    made.setup()
    return made


def files(folder: pathlib.Path) -> list[tuple[int, str]]:
    return list(enumerate(sorted(map(str, folder.iterdir()))))


def add_up(combine: Any, bundle: list[tuple[int, str]], elements: Callable[[Any], list[Any]]) -> list[Any]:
    """Add up the elements of the batches of a bundle of files."""
    step, read = ordered.AddUpFiles(combine), reader()
    step.setup()
    step.start_bundle()
    sums = [
        one
        for file in bundle
        for batch in read.process(file)
        for element in elements(batch)
        for one in step.process((None, element))
    ]
    return [*sums, *(windowed.value for windowed in step.finish_bundle())]


def merged(combine: Any, folder: pathlib.Path, seed: int, elements: Callable[[Any], list[Any]]) -> Any:
    """Add up the files in random bundles, and merge the sums in a random order."""
    generator = np.random.default_rng(seed)
    bundles: list[list[tuple[int, str]]] = [[], [], []]
    for number in generator.permutation(FILES):
        bundles[generator.integers(3)].append(files(folder)[number])
    sums = [accumulator for bundle in bundles for _, accumulator in add_up(combine, bundle, elements)]
    assert sorted(file for file, _ in sums) == list(range(FILES))
    step = ordered.MergeFiles(combine)
    step.setup()
    [(key, found)] = step.process((None, [sums[number] for number in generator.permutation(FILES)]))
    assert key is None
    return found


@pytest.mark.parametrize("seed", range(5))
def test_any_bundles_and_any_order_of_merging_give_equal_statistics(
    folder: pathlib.Path, of_one_worker: dict[str, Any], seed: int
) -> None:
    stats_impl = importlib.import_module("tensorflow_data_validation.statistics.stats_impl")
    combine = stats_impl._CombinerStatsGeneratorsCombineFn([basic_stats.BasicStatsGenerator()])
    found = {feature.path.step[0]: feature for feature in merged(combine, folder, seed, lambda batch: [batch]).features}
    for name in ("values", "label"):
        assert found[name].num_stats == of_one_worker[name].num_stats


def predictions(batch: Any) -> list[Any]:
    """Take the first value of each row for all metrics of an image."""
    rows = np.asarray(batch.column("values").flatten()).reshape(-1, WIDTH)
    names = metrics.means()
    return [types.SimpleNamespace(prediction={**dict.fromkeys(names, row[:1]), "code": row[1:]}) for row in rows[:100]]


def test_any_bundles_and_any_order_of_merging_give_equal_metrics(folder: pathlib.Path) -> None:
    combine = metrics.SliceCombiner()
    found = [merged(combine, folder, seed, predictions) for seed in range(8)]
    assert found == found[:1] * 8
    values = {key.name: value for key, value in found[0].items()}
    rows = [one for file in files(folder) for batch in reader().process(file) for one in predictions(batch)]
    expected = np.mean([one.prediction["mse"][0] for one in rows], dtype=np.float64)
    assert values["mse"] == pytest.approx(expected, rel=1e-12)


def test_batches_of_a_file_that_come_apart_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    step = ordered.AddUpFiles(beam.combiners.CountCombineFn())
    step.start_bundle()
    for batch in (0, 1):
        monkeypatch.setattr(POSITION, lambda batch=batch: by_file.Position(3, batch))
        assert not list(step.process((None, "element")))
    monkeypatch.setattr(POSITION, lambda: by_file.Position(3, 0))
    with pytest.raises(RuntimeError, match="was added after"):
        list(step.process((None, "element")))


def test_elements_from_elsewhere_are_added_as_they_come() -> None:
    step = ordered.AddUpFiles(beam.combiners.CountCombineFn())
    step.start_bundle()
    assert not [one for key in "abaa" for one in step.process((key, "element"))]
    assert [windowed.value for windowed in step.finish_bundle()] == [("a", (-1, 3)), ("b", (-1, 1))]


def test_batches_end_with_their_file_and_know_their_position(folder: pathlib.Path) -> None:
    found = [(by_file.position(), batch.num_rows) for file in files(folder) for batch in reader().process(file)]
    assert found == [((file, batch), BATCH) for file in range(FILES) for batch in range(2)]
    assert by_file.position() is None
