"""The combinations of a sweep, and the settings of its points."""

import pytest

from pipeline.core.errors import UsageError
from pipeline.core.pipeline_root import Root
from pipeline.sparse_autoencoder.definition import PIPELINE
from pipeline.sweeps import definition, files
from tests.builders.sweeps import grouped, made


def test_grid_is_the_product_with_the_last_setting_changing_first():
    found = made(over=["model.l1=0,1e-3", "model.code_units=8,16,32"], seeds=2)
    assert found.grid() == [{"model.l1": l1, "model.code_units": units} for l1 in (0.0, 1e-3) for units in (8, 16, 32)]
    assert (found.combinations, found.size) == (6, 12)


def test_seeds_alone_are_a_grid_of_one_combination(tmp_path):
    found = made(over=(), seeds=3)
    files.write(Root(tmp_path), found)
    assert files.read(Root(tmp_path), found.name) == found
    assert (found.grid(), found.combinations, found.size, found.varied) == ([{}], 1, 3, ())
    with pytest.raises(UsageError, match="--seeds N alone"):
        made(over=())
    with pytest.raises(UsageError, match="give either"):
        made(search=("model.l1=0..1",), trials=2)


L1 = ("model.sparsity=l1", "model.l1=0,1e-3")


TOPK = ("model.sparsity=topk", "model.active_units=4,8")


def test_each_group_is_a_grid_of_settings_that_only_belong_together(tmp_path):
    found = grouped(L1, TOPK, over=["training.epochs=1,2"], seeds=2)
    expected = [
        {"training.epochs": epochs, "model.sparsity": "l1", "model.l1": l1} for epochs in (1, 2) for l1 in (0.0, 1e-3)
    ]
    expected += [
        {"training.epochs": epochs, "model.sparsity": "topk", "model.active_units": units}
        for epochs in (1, 2)
        for units in (4.0, 8.0)
    ]
    assert found.grid() == expected
    assert (found.combinations, found.size) == (8, 16)
    assert found.varied == ("training.epochs", "model.sparsity", "model.l1", "model.active_units")
    files.write(Root(tmp_path), found)
    assert files.read(Root(tmp_path), "l1") == found


def test_settings_of_a_point_are_those_of_the_base_with_values_and_seed():
    found = made("training.epochs=3", "training.seed=5", seeds=2)
    point = definition.settings_of(found, PIPELINE, {"model.l1": 0.5}, 1).config
    assert (point.model.l1, point.training.epochs, point.training.seed) == (0.5, 3, 6)
    assert point.data.dataset == "mnist_sample"
    first = definition.settings_of(found, PIPELINE, {"model.l1": 0.5}, 0).config
    assert first.training.seed == 5


def test_one_seed_keeps_that_of_the_base():
    found = made("training.seed=5")
    assert definition.settings_of(found, PIPELINE, {}, 0).config.training.seed == 5


@pytest.mark.parametrize("name", ["", "a b", "../x", ".x", "x" * 65, "a/b", "lock"])
def test_refused_names(name):
    with pytest.raises(UsageError, match="cannot name a sweep"):
        definition.check_name(name)


def test_a_grid_of_a_huge_range_takes_its_first_values():
    search = ["training.seed=0..2147483647", "model.code_units=1..65536"]
    found = made(over=(), search=search, trials=3, sampler="grid")
    assert found.grid() == [{"training.seed": 0, "model.code_units": number} for number in (1, 2, 3)]
