"""New images through a trained model: codes as the node Encode wrote them, and warnings."""

from __future__ import annotations

import pathlib
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from components.codes import inputs, table
from components.errors import DataError
from tests import lazy, nodes
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
    new = encoder.Encoder(model, schema, test_loss=1.0)
    batches = list(encoder.read_dataset(trained.builder_dir))
    found = [new.encode(one) for one in batches]
    assert [batch.split for batch in batches] == ["train", "test"]
    assert found[0]["id"].to_pylist() == [f"train/{number}" for number in range(90)]
    # The node read train[:60] as train and train[60:] as validation.
    kept = rows.filter(np.array(rows["split"].to_pylist()) != "test")
    np.testing.assert_allclose(table.codes_of(found[0]), table.codes_of(kept), atol=1e-5)
    assert found[0]["label"].to_pylist() == kept["label"].to_pylist()
    assert new.warnings == ()


def test_scaled_floats_have_the_codes_of_their_images(model: pathlib.Path, tmp_path: pathlib.Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (7, HEIGHT, WIDTH), np.uint8)
    np.save(tmp_path / "a.npy", images)
    np.save(tmp_path / "b.npy", images / np.float32(255))
    new = encoder.Encoder(model)
    one, other = (
        [new.encode(b) for b in inputs.read_array(tmp_path / name, new.pixels)] for name in ("a.npy", "b.npy")
    )
    np.testing.assert_allclose(table.codes_of(one[0]), table.codes_of(other[0]), atol=1e-5)


def test_it_names_what_is_unlike_the_training_data(model: pathlib.Path, schema: pathlib.Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (7, HEIGHT, WIDTH), np.uint8)
    new = encoder.Encoder(model, schema, test_loss=0.01)
    for _ in range(2):  # each anomaly is named once
        new.encode(inputs.Batch(list("abcdefg"), [inputs._png(one) for one in images], labels=np.arange(7)))
    label, loss = new.warnings
    assert label.startswith("label in the input: Out-of-range values")
    assert loss.startswith("its reconstruction loss, BCE, nats per pixel, is ")
    assert loss.endswith("on the test split 0.0100")


def test_images_of_another_shape_are_refused(model: pathlib.Path, schema: pathlib.Path) -> None:
    turned: Any = np.zeros((WIDTH, HEIGHT), np.uint8)
    with pytest.raises(DataError, match=f"height {HEIGHT}, width {WIDTH}"):
        encoder.Encoder(model, schema).encode(inputs.Batch(["a"], [inputs._png(turned)]))


def test_colour_is_refused_by_a_grey_model(model: pathlib.Path, schema: pathlib.Path) -> None:
    colour: Any = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    with pytest.raises(DataError, match="image a is in colour"):
        encoder.Encoder(model, schema).encode(inputs.Batch(["a"], [inputs._png(colour)]))


def test_a_folder_that_is_no_model_is_refused(tmp_path: pathlib.Path) -> None:
    with pytest.raises(DataError, match="is no SavedModel of this pipeline"):
        encoder.Encoder(tmp_path)
