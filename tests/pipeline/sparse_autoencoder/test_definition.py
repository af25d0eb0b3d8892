"""The settings that a report lists, by the loss and the data of its run."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from components.data import features
from pipeline.sparse_autoencoder.definition import REPORT
from pipeline.sparse_autoencoder.image_dataset import ImageDataset
from pipeline_config import PipelineConfig

LIMITS = ("max_{}", "max_{}_worst_label", "max_{}_to_mean_image")


def listed(loss: str = "auto", scaling: str = "auto", **dataset: Any) -> dict[str, str]:
    default = PipelineConfig()
    config = dataclasses.replace(
        default,
        model=dataclasses.replace(default.model, loss=loss),
        data=dataclasses.replace(default.data, scaling=scaling),
    )
    values = {
        "name": "d",
        "version": "1.0.0",
        "builder_dir": "",
        "files": {},
        "height": 8,
        "width": 8,
        "label_names": (),
    }
    described = ImageDataset(
        **{**values, "schema_file": "", "split_sizes": dict.fromkeys(features.SPLITS, 1), **dataset}
    )
    settings: dict[str, str] = REPORT.parameters(config, described)["texts"]["settings"]
    return settings


def limits(settings: dict[str, str]) -> set[str]:
    return {name.removeprefix("evaluation.") for name in settings if name.startswith("evaluation.max_")}


@pytest.mark.parametrize(("loss", "scaling"), [("mse", "auto"), ("auto", "standard")])
def test_a_report_on_squared_error_lists_its_loss_scaling_and_limits_and_no_others(loss: str, scaling: str) -> None:
    found = listed(loss, scaling)
    assert limits(found) == {name.format("mse") for name in LIMITS}
    assert found["data.scaling"] == scaling
    assert found["model.loss"] == ("mse" if loss == "mse" else "auto (mse)")


@pytest.mark.parametrize("dataset", [{"dtype": "float32"}, {"dtype": "uint16"}, {"kind": "vector", "dtype": "float32"}])
def test_a_report_on_other_data_than_8_bit_images_lists_how_it_is_scaled(dataset: dict[str, str]) -> None:
    found = listed(**dataset)
    assert (found["data.scaling"], found["model.loss"]) == ("auto", "auto (bce)")
    assert limits(found) == {name.format("bce") for name in LIMITS}


def test_a_report_on_8_bit_images_leaves_out_defaults_that_say_nothing_of_them() -> None:
    found = listed()
    assert limits(found) == {name.format("bce") for name in LIMITS}
    assert not {"data.scaling", "data.size", "model.loss"} & found.keys()
    assert listed(scaling="range")["data.scaling"] == "range"
