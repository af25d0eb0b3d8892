"""New images through a trained model: codes as the node Encode wrote them, and warnings."""

from __future__ import annotations

import pathlib
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from components.codes import table
from components.codes.new_data import Batch, TrainingData
from components.errors import DataError
from tests import lazy, nodes, tfds_builders
from tests.components.conftest import Trained
from tests.tfds_builders import HEIGHT, WIDTH

encoder = lazy.module("components.codes.encoder")

pytestmark = pytest.mark.component


@pytest.fixture(scope="module")
def model(trained: Trained) -> pathlib.Path:
    return pathlib.Path(trained.model.uri, "Format-Serving")


@pytest.fixture
def schema(trained: Trained) -> pathlib.Path:
    return next(pathlib.Path(trained.schema.uri).glob("*.pbtxt"))


def test_a_data_set_has_the_codes_that_the_node_wrote(
    trained: Trained, model: pathlib.Path, schema: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    made = {"examples": trained.examples, "transform_graph": trained.transform_graph, "model": trained.model}
    written = nodes.run(trained.components["Encode"], tmp_path, **made)["codes"]
    rows = pq.read_table(pathlib.Path(written.uri, table.FILE))
    new = encoder.Encoder(model, TrainingData(schema, test_loss=1.0))
    batches = list(new.read_dataset(trained.builder_dir))
    found = [new.encode(one) for one in batches]
    assert [batch.split for batch in batches] == ["train", "test"]
    assert found[0]["id"].to_pylist() == [f"train/{number}" for number in range(90)]
    # The node read train[:60] as train and train[60:] as validation.
    kept = rows.filter(np.array(rows["split"].to_pylist()) != "test")
    np.testing.assert_array_equal(table.codes_of(found[0]), table.codes_of(kept))
    assert found[0]["label"].to_pylist() == kept["label"].to_pylist()
    assert new.warnings == ()


def test_scaled_floats_have_the_codes_of_their_images(model: pathlib.Path) -> None:
    images = random_images(7)
    new = encoder.Encoder(model)
    whole = new.encode(Batch(list("abcdefg"), images))
    scaled = new.encode(Batch(list("abcdefg"), images.reshape(7, -1) / np.float32(255)))
    np.testing.assert_array_equal(table.codes_of(whole), table.codes_of(scaled))


def test_it_names_what_is_unlike_the_training_data(model: pathlib.Path, schema: pathlib.Path) -> None:
    new = encoder.Encoder(model, TrainingData(schema, test_loss=0.01))
    for _ in range(2):  # each anomaly is named once
        new.encode(Batch(list("abcdefg"), random_images(7), labels=np.arange(7)))
    label, loss = new.warnings
    assert label.startswith("label in the input: Out-of-range values")
    assert loss.startswith("its reconstruction loss, BCE, nats per pixel, is ")
    assert loss.endswith("on the test split 0.0100")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (
            [np.zeros((WIDTH, HEIGHT, 1), np.uint8)],
            f"record a is {WIDTH}x{HEIGHT}, grey, the model encodes {HEIGHT}x{WIDTH}",
        ),
        ([np.zeros((HEIGHT, WIDTH, 3), np.uint8)], f"record a is {HEIGHT}x{WIDTH}, colour, the model encodes"),
        ([np.zeros((HEIGHT, WIDTH, 1), np.uint16)], "record a is an image of uint16, the model encodes uint8"),
        (
            [np.zeros(5, np.float32)],
            f"record a is a vector of 5 numbers, the model encodes images of {HEIGHT}x{WIDTH}, grey",
        ),
        ([np.full(HEIGHT * WIDTH, 1.5, np.float32)], "record a has the value 1.5, which is not allowed"),
        (
            [np.zeros((HEIGHT, WIDTH, 1), np.uint8), np.zeros((HEIGHT, WIDTH, 1), np.float32)],
            "record b is of floats, record a of",
        ),
    ],
)
def test_what_the_model_does_not_encode_is_refused(values: list[Any], said: str, model: pathlib.Path) -> None:
    with pytest.raises(DataError) as error:
        encoder.Encoder(model).encode(Batch(["a", "b"][: len(values)], values))
    assert str(error.value).startswith(said)


def test_a_data_set_of_colour_is_refused_by_a_grey_model(model: pathlib.Path, tmp_path: pathlib.Path) -> None:
    colour = tfds_builders.grey(shape=(HEIGHT, WIDTH, 3))
    records = [{"image": np.zeros((HEIGHT, WIDTH, 3), np.uint8), "label": 0}]
    builder_dir = tfds_builders.prepare(tmp_path, {"train": records}, features=colour)
    with pytest.raises(DataError, match=f"{HEIGHT}x{WIDTH}, colour, uint8: the model encodes {HEIGHT}x{WIDTH}, grey"):
        list(encoder.Encoder(model).read_dataset(builder_dir))


def test_a_folder_that_is_no_model_is_refused(tmp_path: pathlib.Path) -> None:
    with pytest.raises(DataError, match="is no SavedModel of this pipeline"):
        encoder.Encoder(tmp_path)


def random_images(count: int) -> Any:
    return np.random.default_rng(0).integers(0, 256, (count, HEIGHT, WIDTH, 1), np.uint8)
