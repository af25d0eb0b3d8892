"""The settings that a report lists, titles of slices, and which losses can be compared."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from components.data import features, resident
from pipeline.definition.spec import RecordedInputs
from pipeline.sparse_autoencoder.definition import PIPELINE, REPORT
from pipeline.sparse_autoencoder.image_dataset import ImageDataset
from pipeline_config import EngineConfig, PipelineConfig

LIMITS = ("max_{}", "max_{}_worst_label", "max_{}_to_mean_image")
OF_UNITS = {"max_dead_units", "max_active_units"}


def described(**dataset: Any) -> ImageDataset:
    values: dict[str, Any] = {
        "name": "d",
        "version": "1.0.0",
        "builder_dir": "",
        "files": {},
        "height": 8,
        "width": 8,
        "label_names": (),
    }
    return ImageDataset(**{**values, "schema_file": "", "split_sizes": dict.fromkeys(features.SPLITS, 1), **dataset})


def listed(loss: str = "auto", scaling: str = "auto", **dataset: Any) -> dict[str, str]:
    default = PipelineConfig()
    config = dataclasses.replace(
        default,
        model=dataclasses.replace(default.model, loss=loss),
        data=dataclasses.replace(default.data, scaling=scaling),
    )
    settings: dict[str, str] = REPORT.parameters(config, described(**dataset))["texts"]["settings"]
    return settings


def limits(settings: dict[str, str]) -> set[str]:
    return {name.removeprefix("evaluation.") for name in settings if name.startswith("evaluation.max_")}


@pytest.mark.parametrize(("loss", "scaling"), [("mse", "auto"), ("auto", "standard")])
def test_a_report_on_squared_error_lists_its_loss_scaling_and_limits_and_no_others(loss: str, scaling: str) -> None:
    found = listed(loss, scaling)
    assert limits(found) == {name.format("mse") for name in LIMITS} | OF_UNITS
    assert found["data.scaling"] == scaling
    assert found["model.loss"] == ("mse" if loss == "mse" else "auto (mse)")


@pytest.mark.parametrize("dataset", [{"dtype": "float32"}, {"dtype": "uint16"}, {"kind": "vector", "dtype": "float32"}])
def test_a_report_on_other_data_than_8_bit_images_lists_how_it_is_scaled(dataset: dict[str, str]) -> None:
    found = listed(**dataset)
    assert (found["data.scaling"], found["model.loss"]) == ("auto", "auto (bce)")
    assert limits(found) == {name.format("bce") for name in LIMITS} | OF_UNITS


def test_a_report_on_8_bit_images_leaves_out_defaults_that_say_nothing_of_them() -> None:
    found = listed()
    assert limits(found) == {name.format("bce") for name in LIMITS}
    assert not {"data.scaling", "data.size", "model.loss"} & found.keys()
    assert listed(scaling="range")["data.scaling"] == "range"


def test_slices_are_shown_with_the_names_of_labels_where_these_are_not_their_numbers() -> None:
    assert PIPELINE.data.slice_titles(described(label_names=("0", "1"))) == {}
    assert PIPELINE.data.slice_titles(described(label_names=("cat", "1", "7"))) == {
        "label 0": "label cat",
        "label 2": "label 7",
    }


@pytest.mark.parametrize(
    ("settings", "dataset", "reasons"),
    [
        ({}, {}, ()),
        ({"training.epochs": 3, "model.l1": 0.5, "training.seed": 9}, {}, ()),
        ({"model.loss": "bce"}, {}, ()),
        ({"model.loss": "mse"}, {}, ("model.loss is bce and mse",)),
        ({"data.scaling": "range"}, {}, ("data.scaling is auto and range",)),
        ({"data.scaling": "standard"}, {}, ("model.loss is bce and mse", "data.scaling is auto and standard")),
        ({"data.size": "8x8"}, {}, ("data.size is empty and 8x8",)),
        ({"data.test_split": "test[:9]"}, {}, ("data.test_split is empty and test[:9]",)),
        ({}, {"name": "e"}, ("data set is d 1.0.0 and e 1.0.0",)),
        ({}, {"version": "1.1.0"}, ("data set is d 1.0.0 and d 1.1.0",)),
        ({}, {"files": {"a": "0"}}, ("the files of the data set differ",)),
    ],
)
def test_losses_in_other_terms_or_on_other_data_are_not_comparable(
    settings: dict[str, Any], dataset: dict[str, Any], reasons: tuple[str, ...]
) -> None:
    first = RecordedInputs(PipelineConfig().recorded(), described())
    other = RecordedInputs({**PipelineConfig().recorded(), **settings}, described(**dataset))
    assert PIPELINE.incomparable(first, other) == reasons


def test_the_header_of_a_report_has_the_headline_settings() -> None:
    config = dataclasses.replace(
        PipelineConfig(),
        model=dataclasses.replace(PipelineConfig().model, l1=1e-4),
        training=dataclasses.replace(PipelineConfig().training, seed=7),
    )
    texts = REPORT.parameters(config, described())["texts"]
    assert texts["header"] == ["model.l1", "training.seed"]


@pytest.mark.parametrize(
    ("size", "given", "used"),
    [
        ({}, 1_000, 1_000),
        ({"height": 28, "width": 28}, 100_000, 21_399),  # 64 MiB of 28x28 float32
        ({"height": 256, "width": 256}, 1_000, 256),
        ({"height": 256, "width": 256, "channels": 3}, 1_000, 85),
        ({"height": 256, "width": 256}, 100, 100),
        ({"kind": "vector", "height": 1, "width": 10**9}, 1_000, 1),
    ],
)
def test_beam_s_batches_of_large_records_are_of_64_mib(size: dict[str, Any], given: int, used: int) -> None:
    engine = EngineConfig(beam_batch_size=given)
    for name in ("StatisticsGen", "Transform", "Evaluator"):
        assert PIPELINE.by_name[name].engine_for(engine, described(**size)).beam_batch_size == used
    assert PIPELINE.by_name["ExampleGen"].engine_for(engine, described(**size)) is engine


def test_images_may_stay_in_memory_while_its_nodes_run_and_no_longer() -> None:
    with PIPELINE.around_nodes():
        resident.allow(10)
        assert resident.is_allowed()
    assert not resident.is_allowed()
    resident.allow(10)
    assert not resident.is_allowed()
