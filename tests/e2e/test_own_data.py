"""From a folder of pictures to a run: `sae data add`, then the whole pipeline on the new data set."""

from __future__ import annotations

import json
import pathlib

import numpy as np
import pytest
from PIL import Image

from pipeline import cli
from tests.e2e.conftest import QUICK, run_here, states


def test_a_folder_of_labelled_pictures_is_added_and_run_on(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """No patient is in two splits, and the run reads what `data show` says."""
    chance = np.random.default_rng(0)
    for number in range(240):
        pixels = np.zeros((12, 10), np.uint8)
        row = chance.integers(0, 6)
        pixels[row : row + 5, 3 * (number % 2) : 3 * (number % 2) + 5] = chance.integers(100, 255)
        path = tmp_path / "pictures" / ("left", "right")[number % 2] / f"patient{number % 30}_{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "data"))

    def sae(*arguments: str) -> str:
        with pytest.raises(SystemExit) as ended:
            cli.main(list(arguments))
        captured = capfd.readouterr()
        assert not ended.value.code, captured.err
        return captured.out

    added = sae("data", "add", "cells", str(tmp_path / "pictures"), "--group", r"(patient\d+)_", "--size", "10x10")
    assert added.endswith(f"cells 1.0.0 is in {tmp_path / 'data' / 'cells' / '1.0.0'}\n")
    shown = json.loads(sae("data", "show", "cells", "--json"))
    assert shown["recorded"]["groups"] == 30
    assert sum(shown["splits"].values()) == 240
    assert [sum(counts.values()) for counts in shown["labels"].values()] == list(shown["splits"].values())

    summary = run_here(tmp_path / "root", *QUICK, "data.dataset=cells", profile="mnist")
    assert summary.dataset == "cells 1.0.0"
    assert set(states(summary).values()) <= {"executed", "skipped"}
    sizes = json.loads(next((tmp_path / "root" / "manifests").glob("*.json")).read_text())["data"]["split_sizes"]
    assert sizes == shown["splits"]
