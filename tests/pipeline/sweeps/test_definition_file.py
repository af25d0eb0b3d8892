"""Definitions of sweeps in TOML files."""

import pytest

from pipeline.core.errors import UsageError
from pipeline.sweeps import definition_file, space
from pipeline.sweeps.space import Choices, Listed
from pipeline_config import PipelineConfig
from tests.builders.sweeps import made


def test_a_file_lists_groups(tmp_path):
    path = tmp_path / "sweep.toml"
    path.write_text('[[sweep.points]]\n"model.sparsity" = "topk"\n"model.active_units" = [4, 8]\n')
    group = ("model.sparsity=topk", Listed("model.active_units", ("4", "8")))
    assert definition_file.read(path) == {"over": (), "search": (), "groups": (group,)}


def test_file_has_the_options_of_the_command(tmp_path):
    path = tmp_path / "sweep.toml"
    path.write_text(
        '[sweep]\nseeds = 3\nminimise = ["test_bce", "active_units"]\n[sweep.over]\n"model.l1" = [0, 1e-3]\n'
        '"training.jit_compile" = [true, false]\n"encoding.splits" = ["train,test", "test"]\n'
    )
    found = definition_file.read(path)
    assert found == {
        "search": (),
        "seeds": 3,
        "minimise": "test_bce,active_units",
        "over": (
            Listed("model.l1", ("0", "0.001")),
            Listed("training.jit_compile", ("true", "false")),
            Listed("encoding.splits", ("train,test", "test")),
        ),
    }


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ('["256,64"]', ("256,64",)),  # one value, not two
        ("[[256, 64], [128], []]", ("256,64", "128", "")),
        ('"256;128,64"', ("256", "128,64")),
        ("[256, 64]", ("256", "64")),
    ],
)
def test_a_file_lists_values_that_are_lists_themselves(tmp_path, values, expected):
    path = tmp_path / "sweep.toml"
    path.write_text(f'[sweep.over]\n"model.hidden_layers" = {values}\n')
    (given,) = definition_file.read(path)["over"]
    assert space.axis(given, "--over", PipelineConfig) == Choices("model.hidden_layers", expected)


@pytest.mark.parametrize("trials", [-3, 10_001, 10**20])
def test_number_of_trials_is_limited_also_from_a_file(trials):
    with pytest.raises(UsageError, match="from 1 to 10,000"):
        made(over=(), search=["model.l1=0..1"], trials=trials)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("seeds = 3", r"\[sweep\]"),
        ("[sweep]\nseed = 3", "did you mean seeds"),
        ("[sweep]\nseeds = '3'", "whole number"),
        ("[sweep]\npoints = 3", r"tables \[\[sweep.points\]\]"),
        ("[sweep]\nover = 3", r"table \[sweep.over\]"),
        ("[sweep", "not valid TOML"),
        ("[training]\nepochs = 3\n[sweep]\nseeds = 1", "--config"),
    ],
)
def test_refused_files(tmp_path, text, part):
    path = tmp_path / "sweep.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=part):
        definition_file.read(path)
    with pytest.raises(UsageError, match="cannot read"):
        definition_file.read(tmp_path / "none.toml")
