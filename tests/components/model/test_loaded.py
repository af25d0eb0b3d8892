"""SavedModels of a run are loaded once."""

from __future__ import annotations

import os
import pathlib

import numpy as np
import pytest

from tests import lazy

loaded = lazy.module("components.model.loaded")
tf = lazy.module("tensorflow")

pytestmark = pytest.mark.component


def save(folder: pathlib.Path, value: float) -> None:
    model = tf.Module()
    model.number = tf.Variable(value)
    tf.saved_model.save(model, str(folder))


def number_in(folder: pathlib.Path) -> float:
    return float(loaded.load(folder).number.numpy())


def test_a_model_is_loaded_once_in_a_run(tmp_path: pathlib.Path) -> None:
    save(tmp_path, 1.5)
    with loaded.of_run():
        first = loaded.load(tmp_path)
        assert loaded.load(str(tmp_path)) is first
    with loaded.of_run():
        assert loaded.load(tmp_path) is not first


def test_a_model_outside_of_a_run_is_loaded_each_time(tmp_path: pathlib.Path) -> None:
    save(tmp_path, 1.5)
    assert loaded.load(tmp_path) is not loaded.load(tmp_path)


def test_another_model_in_the_same_folder_is_loaded(tmp_path: pathlib.Path) -> None:
    with loaded.of_run():
        save(tmp_path, 1.5)
        assert number_in(tmp_path) == 1.5
        save(tmp_path, 2.5)
        later = (tmp_path / "saved_model.pb").stat().st_mtime_ns + 1_000_000_000
        os.utime(tmp_path / "saved_model.pb", ns=(later, later))
        assert number_in(tmp_path) == 2.5


def test_a_missing_model_is_an_error_each_time(tmp_path: pathlib.Path) -> None:
    with loaded.of_run():
        for _ in range(2):
            with pytest.raises((OSError, tf.errors.NotFoundError)):
                loaded.load(tmp_path / "none")
        save(tmp_path / "none", 0.5)
        assert number_in(tmp_path / "none") == 0.5
    assert np.isfinite(number_in(tmp_path / "none"))
