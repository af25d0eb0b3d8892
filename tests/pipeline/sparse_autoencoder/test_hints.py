"""Hints at settings that do not suit a prepared data set."""

from __future__ import annotations

import json
import pathlib
from typing import Any

import pytest

from components.data.own_data import metadata
from pipeline.core import settings
from pipeline.sparse_autoencoder.definition import PIPELINE
from tests.pipeline.sparse_autoencoder.test_prepared import store


@pytest.fixture
def prepared(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Returns a function that prepares a data set, and returns the hints of a run on it."""
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))

    def hints(*given: str, train: int = 5_000, dtype: str = "uint16", **facts: Any) -> tuple[str, ...]:
        folder = store(tmp_path, "mine", own=True)
        info = {"splits": [{"name": name, "shardLengths": [str(train)]} for name in ("train", "validation", "test")]}
        (folder / "dataset_info.json").write_text(json.dumps(info))
        described = (folder / "features.json").read_text().replace("uint8", dtype)
        (folder / "features.json").write_text(described)
        (folder / metadata.FILE).write_text(json.dumps({metadata.KEY: {"form": "f", "range": [0, 65_535], **facts}}))
        request = settings.Request(assignments=("data.dataset=mine", *given))
        return PIPELINE.data.hints(settings.resolve(request))

    return hints


def test_suitable_settings_have_no_hint(prepared: Any) -> None:
    assert prepared() == ()


@pytest.mark.parametrize(
    ("train", "batch", "steps", "smaller"),
    [(2_304, 256, 9, 128), (240, 256, 1, 16), (95, 16, 6, 8), (3, 256, 1, 1), (2_305, 256, 0, 0), (10, 1, 0, 0)],
)
def test_few_steps_an_epoch_suggest_a_smaller_batch(
    prepared: Any, train: int, batch: int, steps: int, smaller: int
) -> None:
    found = prepared(f"training.batch_size={batch}", train=train)
    if not steps:
        assert found == ()
        return
    [hint] = found
    assert f"training.batch_size = {batch} makes only {steps} step" in hint
    assert hint.endswith(f"--set training.batch_size={smaller}")


@pytest.mark.parametrize(
    ("dtype", "limits", "scaling", "hinted"),
    [
        ("uint16", [400, 4_095], "auto", True),
        ("uint16", [30_000, 40_000], "auto", True),
        ("uint16", [0, 60_000], "auto", False),
        ("uint16", [400, 4_095], "range", False),
        ("uint8", [0, 20], "auto", False),
        ("uint16", None, "auto", False),
    ],
)
def test_deep_images_that_use_a_part_of_their_range_suggest_another_scaling(
    prepared: Any, dtype: str, limits: list[int] | None, scaling: str, hinted: bool
) -> None:
    found = prepared(f"data.scaling={scaling}", dtype=dtype, range=limits)
    assert len(found) == hinted
    assert all(hint.endswith("--set data.scaling=range") for hint in found)


def test_values_that_never_change_are_counted(prepared: Any) -> None:
    [hint] = prepared(constant_values=1_600)
    assert hint.startswith("1,600 pixels are the same in all records")


def test_a_data_set_that_is_not_there_or_is_damaged_has_none(prepared: Any, tmp_path: pathlib.Path) -> None:
    asked = settings.resolve(settings.Request(assignments=("data.dataset=mine",)))
    assert PIPELINE.data.hints(asked) == ()
    assert prepared(train=20) != ()
    (tmp_path / "mine" / "1.2.3" / "dataset_info.json").write_text("{")
    assert PIPELINE.data.hints(asked) == ()
