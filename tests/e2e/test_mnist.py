"""The reference: MNIST at 50 epochs with L1 = 1e-5, and the same again."""

from __future__ import annotations

import json
import pathlib

import pytest

from tests.e2e.conftest import SHARED_DATA, sae


@pytest.mark.reference
@pytest.mark.skipif(not SHARED_DATA.is_dir(), reason="no prepared MNIST beside the project")
def test_the_reference_setting_reaches_its_loss_and_made_again_is_the_same(tmp_path: pathlib.Path) -> None:
    root = tmp_path / "root"
    settings = ("--set", "model.l1=1e-5", "--set", f"data.data_dir={SHARED_DATA}", "--seed", "11")
    done = sae("run", "--json", "--root", root, *settings)
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert summary["dataset"] == "mnist 3.0.1"
    assert summary["metrics"]["test_bce"] <= 0.081
    assert summary["blessed"] is True
    # The figures of any correct reading of the test split (docs/model.md).
    assert summary["metrics"]["entropy_floor"] == pytest.approx(0.0581, abs=1e-4)
    assert summary["metrics"]["mean_image_bce"] == pytest.approx(0.2625, abs=1e-4)

    done = sae("verify", summary["run_id"], "--root", root)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].startswith(f"run {summary['run_id']} verified: 13 artifacts")
