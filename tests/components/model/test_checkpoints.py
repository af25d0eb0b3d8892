"""Checkpoints of a training: what goes on from one ends with the same bits; a damaged one is left out."""

from __future__ import annotations

import io
import logging
import os
import pathlib
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from components.evaluation import thresholds
from components.model import checkpoints
from components.model.checkpoints import FILE, Checkpoints
from tests import lazy
from tests.components.model import test_train_loop as base

training = lazy.module("components.model.train_loop")

pytestmark = pytest.mark.component

EPOCHS = 5


class CutOffError(Exception):
    """What ends a training in its midst."""


def train(
    folder: pathlib.Path | None,
    path: Any = base.resident,
    jit_compile: bool = True,
    cut_in: int = 0,
) -> tuple[list[thresholds.EpochLosses], list[np.ndarray], list[int]]:
    """Trains; returns losses, weights, and the epochs of which was told. `cut_in`: the epoch to break off in."""
    model = base.build(l1=0.01)
    told = []

    def on_epoch(losses: thresholds.EpochLosses) -> None:
        if losses.epoch == cut_in:
            raise CutOffError
        told.append(losses.epoch)

    history = training.train(
        model,
        *(path(base.some_images(count)) for count in base.WHOLE),
        base.settings(epochs=EPOCHS, seed=4, jit_compile=jit_compile),
        on_epoch,
        Checkpoints(folder),
    )
    return history, base.weights(model), told


@pytest.fixture(scope="module")
def unbroken() -> tuple[list[thresholds.EpochLosses], list[np.ndarray], list[int]]:
    return train(None)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The file of a training that was cut in its third epoch."""
    folder = tmp_path_factory.mktemp("cut")
    with pytest.raises(CutOffError):
        train(folder, cut_in=3)
    content = (folder / FILE).read_bytes()
    assert [losses.epoch for losses in Checkpoints(folder).restore(zeros(content))] == [1, 2]
    return content


def zeros(content: bytes) -> list[Any]:
    """Return variables as those in a checkpoint, all of them zero."""
    with np.load(io.BytesIO(content.partition(b"\n")[2])) as arrays:
        values = [np.zeros_like(arrays[name]) for name in arrays.files if name.startswith("variable_")]
    return [lazy.module("tensorflow").Variable(value) for value in values]


def assert_same(one: Any, other: Any) -> None:
    assert one[0] == other[0]
    for first, second in zip(one[1], other[1], strict=True):
        np.testing.assert_array_equal(first, second)


def test_what_goes_on_after_a_break_ends_with_the_same_bits(
    unbroken: Any, checkpoint: bytes, tmp_path: pathlib.Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / FILE).write_bytes(checkpoint)
    with caplog.at_level(logging.INFO, logger="components.model.checkpoints"):
        again = train(tmp_path)
    assert_same(unbroken, again)
    assert again[2] == [1, 2, 3, 4, 5]  # also of those before the checkpoint
    [goes_on] = [record for record in caplog.records if getattr(record, "note", False)]
    assert goes_on.getMessage() == "training resumes after epoch 2, from its checkpoint"
    assert os.listdir(tmp_path) == [FILE]


def test_streamed_images_end_with_the_same_bits_after_two_breaks(tmp_path: pathlib.Path) -> None:
    whole = train(None, base.streamed, jit_compile=False)
    for epoch in (3, 5):
        with pytest.raises(CutOffError):
            train(tmp_path, base.streamed, jit_compile=False, cut_in=epoch)
    assert_same(whole, train(tmp_path, base.streamed, jit_compile=False))


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def flip(place: float) -> Callable[[bytes], bytes]:
    def change(content: bytes) -> bytes:
        at = int(place * (len(content) - 1))
        return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]

    return change


def warnings_in(caplog: pytest.LogCaptureFixture) -> list[Any]:
    """Return our own: TensorFlow warns when many models are trained in one process, as by these tests."""
    own = [record for record in caplog.records if record.name.startswith("components.")]
    return [record for record in own if record.levelno == logging.WARNING]


@pytest.mark.parametrize("damage", [cut, lambda _: b"", lambda _: b"0" * 200, flip(0), flip(0.5), flip(1)])
def test_a_damaged_one_is_named_and_left_out(
    damage: Any, checkpoint: bytes, tmp_path: pathlib.Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / FILE
    path.write_bytes(damage(checkpoint))
    variables = zeros(checkpoint)
    assert Checkpoints(tmp_path).restore(variables) == []
    assert all((variable.numpy() == 0).all() for variable in variables)
    [warning] = warnings_in(caplog)
    assert warning.getMessage().startswith(f"the checkpoint {path} is damaged (")
    assert warning.note


def test_a_training_beside_a_damaged_one_begins_anew(unbroken: Any, checkpoint: bytes, tmp_path: pathlib.Path) -> None:
    (tmp_path / FILE).write_bytes(flip(0.5)(checkpoint))
    assert_same(unbroken, train(tmp_path))


def test_one_of_another_model_is_left_out(
    checkpoint: bytes, tmp_path: pathlib.Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / FILE).write_bytes(checkpoint)
    variables = [lazy.module("tensorflow").Variable(np.zeros(4, np.float32)) for _ in base.build().variables]
    assert Checkpoints(tmp_path).restore(variables) == []
    assert "it is of another model" in caplog.text
    assert all((variable.numpy() == 0).all() for variable in variables)


def test_what_cannot_be_written_does_not_end_the_training(
    tmp_path: pathlib.Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    kept = Checkpoints(tmp_path / "file" / "folder")
    for _ in range(EPOCHS):
        kept.save_when_due([lazy.module("tensorflow").Variable(1.0)], [])
    [warning] = warnings_in(caplog)
    assert warning.getMessage().startswith("no more checkpoints are written to ")


@pytest.mark.parametrize("seconds", [3600.0, float("inf")])
def test_none_is_written_before_it_is_due(seconds: float, tmp_path: pathlib.Path) -> None:
    Checkpoints(tmp_path, seconds).save_when_due([lazy.module("tensorflow").Variable(1.0)], [])
    assert not os.listdir(tmp_path)


def test_the_environment_says_where_and_how_often(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(checkpoints.FOLDER, raising=False)
    monkeypatch.delenv(checkpoints.SECONDS, raising=False)
    variable = lazy.module("tensorflow").Variable(1.0)
    losses = thresholds.EpochLosses(1, 0.5, 0.4, 0.3, 0.2)
    Checkpoints.from_environment().save_when_due([variable], [losses])  # it says nothing: nothing is written
    monkeypatch.setenv(checkpoints.FOLDER, str(tmp_path))
    monkeypatch.setenv(checkpoints.SECONDS, "0")
    Checkpoints.from_environment().save_when_due([variable], [losses])
    variable.assign(0.0)
    assert Checkpoints.from_environment().restore([variable]) == [losses]
    assert variable.numpy() == 1


class Values:
    """A variable of 4 MB; TensorFlow's own memory is not traced."""

    dtype = property(lambda self: lazy.module("tensorflow").float32)
    shape = (1000, 1000)

    def __init__(self) -> None:
        self.assigned = 0

    def numpy(self) -> np.ndarray:
        return np.zeros(self.shape, np.float32)

    def assign(self, value: np.ndarray) -> None:
        assert value.shape == self.shape
        self.assigned += 1


def test_memory_is_that_of_one_variable_not_of_all(tmp_path: pathlib.Path) -> None:
    variables = [Values() for _ in range(8)]
    written, read = Checkpoints(tmp_path), Checkpoints(tmp_path)
    tracemalloc.start()
    try:
        written.save_when_due(variables, [])
        assert read.restore(variables) == []
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert [one.assigned for one in variables] == [1] * 8
    assert peak < 3 * 4_000_000
