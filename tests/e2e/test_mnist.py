"""The reference: MNIST at 50 epochs with L1 = 1e-5."""

from __future__ import annotations

import pathlib

import pytest

from tests.e2e.conftest import SHARED_DATA, run_here


@pytest.mark.skipif(not SHARED_DATA.is_dir(), reason="no prepared MNIST beside the project")
def test_the_reference_setting_reaches_its_loss(tmp_path: pathlib.Path) -> None:
    summary = run_here(tmp_path / "root", "model.l1=1e-5", f"data.data_dir={SHARED_DATA}", profile="mnist", seed=11)
    assert summary.dataset == "mnist 3.0.1"
    assert summary.metrics["test_bce"] <= 0.081
    assert summary.blessed is True
    # The figures of any correct reading of the test split (docs/model.md).
    assert summary.metrics["entropy_floor"] == pytest.approx(0.0581, abs=1e-4)
    assert summary.metrics["mean_image_bce"] == pytest.approx(0.2625, abs=1e-4)
