"""`sae data add` with files that can be added, which loads TensorFlow."""

from __future__ import annotations

import pathlib
import re
import shlex
import sys
from typing import Any

import numpy as np
import pytest

from tests import lazy

tfds = lazy.module("tensorflow_datasets")


@pytest.mark.component
def test_a_terminal_shows_each_step(sae: Any, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "data"))
    np.save(tmp_path / "many.npy", np.random.default_rng(1).normal(size=(1_050, 3)))
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    ended, _, messages = sae("data", "add", "mine", str(tmp_path / "many.npy"))
    assert ended == 0
    steps = [f"reading {tmp_path / 'many.npy'}", "1,000 records read", "storing the records with TensorFlow Datasets"]
    assert messages.splitlines()[:3] == steps


@pytest.mark.component
def test_the_suggested_commands_find_the_data_set(
    sae: Any, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    np.save("many.npy", np.random.default_rng(1).normal(size=(50, 3)))
    for folder, given in (("data", []), ("other folder", ["--data-dir", "other folder"])):
        ended, _, messages = sae("data", "add", "mine", "many.npy", *given)
        assert ended == 0
        assert sum(one.num_examples for one in tfds.builder("mine", data_dir=folder).info.splits.values()) == 50
        show, run = (shlex.split(command)[1:] for command in re.findall("`(.*?)`", messages)[-2:])
        assert sae(*show)[0] == 0
        # The default root may contain runs on another data set.
        where = ["--set", f"data.data_dir={pathlib.Path('other folder').absolute()}"] if given else []
        smaller = ["--set", "training.batch_size=2"]  # ten steps an epoch of less than 40 records
        assert run == ["run", "--set", "data.dataset=mine", *where, *smaller, "--root", "mine_root"]
