"""The node Encode on a trained model: its codes are those of the SavedModel, in the order of the data."""

from __future__ import annotations

import pathlib
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from components.codes import table
from tests import lazy, nodes
from tests.components.conftest import Trained

saved_layers = lazy.module("components.model.saved_layers")
transformed_input = lazy.module("components.data.transformed_input")
tf = lazy.module("tensorflow")
tft = lazy.module("tensorflow_transform")

pytestmark = pytest.mark.component


def test_it_has_a_row_for_each_example_of_each_split_in_order(codes: Any) -> None:
    rows = pq.read_table(pathlib.Path(codes.uri, table.FILE))
    sizes = {"train": 60, "validation": 30, "test": 31}
    assert rows["id"].to_pylist() == [f"{split}/{number}" for split, size in sizes.items() for number in range(size)]
    assert rows["split"].to_pylist() == [split for split, size in sizes.items() for _ in range(size)]
    assert codes.get_int_custom_property("units") == 4
    assert {split: codes.get_int_custom_property(f"{split}_examples") for split in sizes} == sizes


def test_the_codes_are_those_of_the_weights_in_numpy(codes: Any, trained: Trained) -> None:
    rows = pq.read_table(pathlib.Path(codes.uri, table.FILE))
    test = rows.filter(np.array(rows["split"].to_pylist()) == "test")
    transform = tft.TFTransformOutput(trained.transform_graph.uri)
    pattern = str(pathlib.Path(trained.examples.uri, "Split-test", "*"))
    [batch] = transformed_input.transformed([pattern], transform)
    assert test["label"].to_pylist() == batch["label_xf"].numpy().tolist()
    model = tf.saved_model.load(str(pathlib.Path(trained.model.uri, "Format-Serving")))
    variables = [variable.numpy() for variable in model.model_variables]
    values = batch["image_xf"].numpy()
    for kernel, bias in (variables[:2], variables[2:4]):
        values = np.maximum(values @ kernel + bias, 0)
    np.testing.assert_allclose(table.codes_of(test), values, atol=1e-5)
    assert values.max() > 0


@pytest.mark.parametrize("batch", [1, 3])
def test_it_fails_if_a_batch_cannot_be_written(
    batch: int, trained: Trained, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = iter(range(1, 9))

    def add(self: table.Writer, rows: Any) -> None:
        if next(calls) == batch:
            raise OSError("no space left")

    monkeypatch.setattr(table.Writer, "add", add)
    inputs = {"examples": trained.examples, "transform_graph": trained.transform_graph, "model": trained.model}
    with pytest.raises(OSError, match="no space"):
        nodes.run(trained.components["Encode"], tmp_path, **inputs)
