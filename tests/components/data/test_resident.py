"""Splits in memory give the examples that their files give, and are freed at the end of a run."""

from __future__ import annotations

import contextlib
import pathlib
import threading
from collections.abc import Iterator
from concurrent import futures
from typing import Any

import numpy as np
import pytest

from components.codes import table
from components.data import resident
from tests import lazy, nodes
from tests.components.conftest import Trained

tf = lazy.module("tensorflow")
tft = lazy.module("tensorflow_transform")
transformed_input = lazy.module("components.data.transformed_input")

pytestmark = pytest.mark.component

ENOUGH = 1 << 20  # bytes


@pytest.fixture
def in_run() -> Iterator[None]:
    with resident.of_run():
        resident.allow(ENOUGH)
        yield


class Split:
    """The train split with ids, 60 examples in a file of its own."""

    def __init__(self, trained: Trained, folder: pathlib.Path, first_id: int = 0) -> None:
        self.file = str(folder / "train.tfrecord")
        self.transform = tft.TFTransformOutput(trained.transform_graph.uri)
        records = transformed_input.records([f"{trained.examples.uri}/Split-train/*"]).as_numpy_iterator()
        with tf.io.TFRecordWriter(self.file) as writer:
            for number, record in enumerate(records):
                example = tf.train.Example.FromString(record)
                example.features.feature["id"].bytes_list.value.append(f"no. {first_id + number}".encode())
                writer.write(example.SerializeToString())

    def batches(self, **arguments: Any) -> list[dict[str, Any]]:
        return list(transformed_input.batches([self.file], self.transform, **arguments))

    def load(self) -> Any:
        return transformed_input.load_images([self.file], self.transform)


@pytest.fixture
def split(trained: Trained, tmp_path: pathlib.Path) -> Split:
    return Split(trained, tmp_path)


def is_in_memory(split: Split) -> bool:
    one, other = (split.batches(numbers=[3])[0]["image_xf"] for _ in range(2))
    [whole] = split.batches()
    [again] = split.batches()
    np.testing.assert_array_equal(one, other)
    return bool(np.shares_memory(whole["image_xf"], again["image_xf"]))


@pytest.mark.usefixtures("in_run")
def test_a_split_that_was_loaded_ahead_is_found(split: Split) -> None:
    transformed_input.load_ahead([split.file], split.transform)
    room = resident.room()
    [batch] = split.batches()
    assert room == resident.room() == ENOUGH - batch["image_xf"].nbytes


@pytest.mark.usefixtures("in_run")
def test_a_split_that_another_thread_is_loading_is_not_loaded_again(
    split: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = transformed_input.transformed
    reads, meets = [], threading.Barrier(2)

    def slow(*arguments: Any, **named: Any) -> Any:
        reads.append(arguments)
        with contextlib.suppress(threading.BrokenBarrierError):
            meets.wait(1)  # for another thread that reads it
        return read(*arguments, **named)

    monkeypatch.setattr("components.data.transformed_input.transformed", slow)
    with futures.ThreadPoolExecutor(1) as pool:
        ahead = pool.submit(transformed_input.load_ahead, [split.file], split.transform)
        [batch] = split.batches()
        ahead.result()
    assert len(reads) == 1
    assert resident.room() == ENOUGH - batch["image_xf"].nbytes


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"ids": True},
        {"batch_size": 16, "ids": True},
        {"batch_size": 60},
        {"numbers": [0, 1, 26, 27, 59], "batch_size": 2, "ids": True},
        {"numbers": []},
    ],
)
def test_the_batches_are_those_of_the_files(split: Split, arguments: dict[str, Any]) -> None:
    from_files = split.batches(**arguments)
    with resident.of_run():
        resident.allow(ENOUGH)
        split.load()
        from_memory = split.batches(**arguments)
    assert len(from_memory) == len(from_files)
    for one, other in zip(from_memory, from_files, strict=True):
        assert one.keys() == other.keys()
        for name in one:
            assert one[name].dtype == other[name].dtype
            np.testing.assert_array_equal(one[name], other[name])


@pytest.mark.usefixtures("in_run")
def test_a_loaded_split_is_shared_and_cannot_be_changed(split: Split) -> None:
    tensor = split.load()
    [batch] = split.batches()
    assert np.shares_memory(np.asarray(tensor), batch["image_xf"])
    assert resident.room() == ENOUGH - batch["image_xf"].nbytes
    with pytest.raises(ValueError, match="read-only"):
        batch["image_xf"][0] = 0


@pytest.mark.usefixtures("in_run")
def test_a_split_that_is_read_whole_stays_as_well(split: Split) -> None:
    assert is_in_memory(split)


@pytest.mark.usefixtures("in_run")
def test_changed_files_are_read_anew(split: Split, trained: Trained) -> None:
    split.load()
    changed = Split(trained, pathlib.Path(split.file).parent, first_id=1_000)
    [batch] = changed.batches(ids=True)
    assert batch["id"][0] == b"no. 1000"


def test_a_split_for_which_there_is_no_room_is_read_in_batches(split: Split) -> None:
    size = split.load().numpy().nbytes
    with resident.of_run():
        resident.allow(size - 1)
        split.load()
        assert not is_in_memory(split)
        resident.allow(size)
        assert is_in_memory(split)


def test_nothing_stays_without_a_run_or_after_it(split: Split) -> None:
    resident.allow(ENOUGH)
    split.load()
    assert not is_in_memory(split)
    with resident.of_run():
        split.load()
        assert not is_in_memory(split)  # before the Trainer says how much may stay
        resident.allow(ENOUGH)
        split.load()
        assert is_in_memory(split)
    assert not is_in_memory(split)
    assert not resident.is_allowed()


def test_the_nodes_after_the_training_find_its_splits(trained: Trained, codes: Any, tmp_path: pathlib.Path) -> None:
    inputs = {"examples": trained.examples, "transform_graph": trained.transform_graph}
    transform = tft.TFTransformOutput(trained.transform_graph.uri)
    pixels = transform.transformed_feature_spec()["image_xf"].shape[0]
    with resident.of_run():
        assert not resident.wait_for_training_data(0)
        nodes.run(trained.components["Trainer"], tmp_path / "trainer", **inputs)
        assert resident.wait_for_training_data(0)
        room = resident.room()
        for name, images in (("train", 60), ("validation", 30)):
            [batch] = transformed_input.batches([f"{trained.examples.uri}/Split-{name}/*"], transform)
            assert batch["image_xf"].shape == (images, pixels)
        assert resident.room() == room  # they were there
        found = nodes.run(trained.components["Encode"], tmp_path / "encode", **inputs, model=trained.model)["codes"]
        assert room - resident.room() == 31 * pixels * 4  # the test split
    one, other = (pathlib.Path(each.uri, table.FILE).read_bytes() for each in (found, codes))
    assert one == other
