"""The file of the metrics on the validation split."""

from __future__ import annotations

import pathlib

import pytest

from components.evaluation import validation_scores


def test_metrics_have_names_of_their_own_in_a_run(tmp_path: pathlib.Path) -> None:
    validation_scores.write(tmp_path, {"bce": 0.25, "dead_units": 3.0, "active_units_min": 1.0, "unknown": 9.0})
    found = validation_scores.read_evaluation(str(tmp_path))
    assert found is not None
    assert found.overall == {"validation_bce": 0.25, "validation_dead_units": 3.0, "validation_active_units_min": 1.0}
    assert found.per_label == {}


def test_a_model_run_without_the_file_has_none(tmp_path: pathlib.Path) -> None:
    assert validation_scores.read_evaluation(str(tmp_path)) is None


def test_a_damaged_file_is_an_error(tmp_path: pathlib.Path) -> None:
    (tmp_path / validation_scores.FILE).write_text("{", encoding="utf-8")
    with pytest.raises(ValueError, match="column 2"):
        validation_scores.read_evaluation(str(tmp_path))
