"""Hints at settings that do not suit a prepared data set."""

from __future__ import annotations

import json
import pathlib
import shutil
from collections.abc import Sequence
from typing import Any

import psutil
import pytest

from components.data.own_data import metadata
from pipeline.core import memory, settings
from pipeline.sparse_autoencoder.definition import PIPELINE
from pipeline.sparse_autoencoder.hints import memory_mib, run_options
from pipeline_config import PipelineConfig
from tests.pipeline.sparse_autoencoder.test_prepared import store


@pytest.fixture
def prepared(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Returns a function that prepares a data set, and returns the hints of a run on it."""
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))

    def hints(
        *given: str,
        train: int = 5_000,
        dtype: str = "uint16",
        splits: Sequence[str] = ("train", "validation", "test"),
        attainable: bool = True,
        **facts: Any,
    ) -> tuple[str, ...]:
        shutil.rmtree(tmp_path / "mine", ignore_errors=True)
        folder = store(tmp_path, "mine", own=True)
        info = {"splits": [{"name": name, "shardLengths": [str(train)]} for name in splits]}
        (folder / "dataset_info.json").write_text(json.dumps(info))
        described = (folder / "features.json").read_text().replace("uint8", dtype)
        (folder / "features.json").write_text(described)
        (folder / metadata.FILE).write_text(json.dumps({metadata.KEY: {"form": "f", "range": [0, 65_535], **facts}}))
        request = settings.Request(assignments=("data.dataset=mine", *given))
        return PIPELINE.data.hints(settings.resolve(request), attainable)

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
    assert prepared(f"training.batch_size={batch}", train=train, attainable=False) == ()  # more steps would not help


@pytest.mark.parametrize(
    ("split", "examples"),
    [
        ("train[:50%]", 105),
        ("train[-10:]", 10),
        ("train[:33.3%]", 70),
        ("train[10:] + test[-50%:]", 305),
        ("all", 420),
        ("train[:1shard]", 0),  # unknown here
        ("train[:50%]+other", 0),
        ("", 174),  # train[:83%], as there is no validation split
    ],
)
def test_the_examples_of_a_part_of_a_split_are_counted(prepared: Any, split: str, examples: int) -> None:
    found = prepared(f"data.train_split={split}", train=210, splits=("train", "test"))
    assert [hint for hint in found if f" an epoch of {examples} examples" in hint] == list(found)
    assert len(found) == bool(examples)


@pytest.mark.parametrize(("train", "options"), [(240, ("--set", "training.batch_size=16")), (2_305, ()), (0, ())])
def test_a_suggested_run_has_a_batch_for_few_records(
    prepared: Any, tmp_path: pathlib.Path, train: int, options: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared(train=train)
    assert run_options("mine") == options
    assert run_options("missing") == ()
    monkeypatch.delenv("TFDS_DATA_DIR")
    assert run_options("mine", str(tmp_path)) == options


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


@pytest.mark.parametrize(
    ("limits", "scaling", "hinted"),
    [
        ([-3e30, 5e30], "standard", True),
        ([-5e18, 5e18], "standard", True),
        ([1.6e-19, 1.7e-19], "standard", True),
        ([-3e12, 5e13], "standard", False),
        ([0.0, 2e-18], "standard", False),
        ([-3e30, 5e30], "range", False),
        (None, "standard", False),
    ],
)
def test_values_whose_squares_are_no_float_are_not_to_be_standardised(
    prepared: Any, limits: list[float] | None, scaling: str, hinted: bool
) -> None:
    found = prepared(f"data.scaling={scaling}", dtype="float32", range=limits)
    assert len(found) == hinted
    assert all("--set data.scaling=range, or give the values in another unit" in hint for hint in found)


def test_values_that_never_change_are_counted(prepared: Any) -> None:
    [hint] = prepared(constant_values=1_600)
    assert hint.startswith("1,600 pixels are the same in all records")


def test_a_data_set_that_is_not_there_or_is_damaged_has_none(prepared: Any, tmp_path: pathlib.Path) -> None:
    asked = settings.resolve(settings.Request(assignments=("data.dataset=mine",)))
    assert PIPELINE.data.hints(asked, True) == ()
    assert prepared(train=20) != ()
    (tmp_path / "mine" / "1.2.3" / "dataset_info.json").write_text("{")
    assert PIPELINE.data.hints(asked, True) == ()


def test_more_memory_than_the_machine_has_is_hinted_with_both_sizes(
    prepared: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.core.memory.limit_mib", lambda: 4_096)
    assert prepared(dtype="uint8") == ()
    [hint] = prepared("data.size=256x256", dtype="uint8")
    assert "65,536 values" in hint
    assert "4.0 GiB" in hint  # of the machine
    assert "4.6 GiB" in hint
    assert prepared("data.size=256x256", "training.resident_mib=1024", dtype="uint8") == ()


def test_memory_is_that_of_libraries_data_network_and_batches() -> None:
    def estimate(*given: str, values: int = 65_536, records: int = 100_000) -> float:
        resolved = settings.resolve(settings.Request(assignments=given))
        config = resolved.config
        assert isinstance(config, PipelineConfig)
        return memory_mib(config, values, records)

    # 5 batches of 64 MiB, 5 times the weights: 2 * 16 * (65,536 + 32) float32 are 8.004 MiB, 5 times 64 components of
    # float64, 32 MiB.
    small = ("model.hidden_layers=16", "training.resident_mib=0")
    assert estimate(*small) == pytest.approx(1_536 + 320 + 40.02 + 160, abs=0.01)
    assert estimate(*small, "training.resident_mib=100") == pytest.approx(estimate(*small) + 100)
    assert estimate(*small, "training.resident_mib=100", records=40) == pytest.approx(estimate(*small) + 10)


def test_memory_of_the_machine_is_at_most_that_of_the_container(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = memory.limit_mib()
    assert machine > 0
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(memory, "_LIMIT", limit)
    for text, expected in (("1073741824\n", 1_024), ("max\n", None), (f"{1 << 60}\n", None)):
        limit.write_text(text)
        assert memory.limit_mib() == (expected or psutil.virtual_memory().total >> 20)
