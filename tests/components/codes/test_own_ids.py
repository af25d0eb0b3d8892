"""The ids of own records reach the codes: names of files, also of bytes that are no UTF-8, and numbers of rows."""

from __future__ import annotations

import os
import pathlib

import numpy as np
import pytest
from PIL import Image

from components.data.own_data.records import Options
from tests import lazy, nodes
from tests.components.codes import own_models

data_gate = lazy.module("components.data.data_gate")
tfdv = lazy.module("tensorflow_data_validation")

pytestmark = pytest.mark.component

STRANGE = b"left/\xff\xfe.png"


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """40 pictures of different brightness in two subfolders, one of them of an odd name."""
    folder = tmp_path_factory.mktemp("own") / "pictures"
    for number in range(40):
        path = folder / ("left", "right")[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 6 * number + 20, (6, 8), np.uint8)
        Image.fromarray(pixels).save(path)
    os.rename(folder / "left" / "8.png", os.path.join(os.fsencode(folder), STRANGE))
    return folder


@pytest.fixture(scope="module")
def made(pictures: pathlib.Path) -> own_models.OwnModel:
    return own_models.make(pictures.parent, pictures, Options(), {"data.shard_examples": 9})


def test_rows_have_the_names_of_the_files_with_their_labels(made: own_models.OwnModel) -> None:
    labels = dict(zip(made.codes["id"].to_pylist(), made.codes["label"].to_pylist(), strict=True))
    names = {f"{('left', 'right')[number % 2]}/{number}.png": number % 2 for number in range(40) if number != 8}
    assert labels == {**names, r"left/\xff\xfe.png": 0}
    assert made.described.label_names == ("left", "right")
    sizes = made.described.split_sizes
    assert made.codes["split"].to_pylist() == [split for split, size in sizes.items() for _ in range(size)]


def test_statistics_leave_the_ids_out_so_that_the_data_fits_its_schema(
    made: own_models.OwnModel, tmp_path: pathlib.Path
) -> None:
    statistics_gen = nodes.make(tmp_path, {}, described=made.described)["StatisticsGen"]
    examples = made.artifacts["examples"]
    statistics = nodes.run(statistics_gen, tmp_path / "StatisticsGen", examples=examples)["statistics"].uri
    schema = tfdv.load_schema_text(made.described.schema_file)
    for split, size in made.described.split_sizes.items():
        found = tfdv.load_stats_binary(os.path.join(statistics, f"Split-{split}", "FeatureStats.pb"))
        assert found.datasets[0].num_examples == size
        assert {feature.path.step[0] for feature in found.datasets[0].features} == {
            "image", "height", "width", "label",
        }  # fmt: skip
        assert data_gate.describe_anomalies(split, tfdv.validate_statistics(found, schema)) == []
