"""Definitions of sweeps, made of what a user gave."""

import math

import pytest

from pipeline.core import settings
from pipeline.core.errors import UsageError
from pipeline.sparse_autoencoder.definition import PIPELINE
from pipeline.sweeps import definition, new_definition
from pipeline.sweeps.definition import Objective
from tests.builders.sweeps import axes, grouped, made

L1 = ("model.sparsity=l1", "model.l1=0,1e-3")


@pytest.mark.parametrize(
    ("groups", "more", "part"),
    [
        ((("model.sparsity=topk", "model.l1=0.5"),), {}, "model.l1"),  # a setting of another method
        ((L1, L1), {}, "two groups"),
        ((L1,), {"over": ["model.l1=0.5"]}, "varied twice"),
        ((L1,), {"trials": 3}, "--trials"),
        ((L1,), {"search": ["model.l1=0..1"], "trials": 3}, "either"),
    ],
)
def test_groups_that_do_not_fit_are_refused(groups, more, part):
    with pytest.raises(UsageError, match=part):
        grouped(*groups, **more)


def resolved(*assignments, **varied):
    return new_definition.resolve_base(settings.Request("sample", assignments=assignments), **varied)


METHODS = ("model.active_units=5", "model.output_bias=mean_image")  # refused with the L1 penalty of the profile


def test_settings_of_the_base_may_need_values_that_all_points_have():
    over = axes("model.sparsity=topk,jumprelu")
    found = new_definition.make("a", PIPELINE, resolved(*METHODS, over=over), over=over)
    assert found.base == {"model.active_units": 5.0, "model.output_bias": "mean_image"}
    points = [definition.settings_of(found, PIPELINE, one, 0).config.model for one in found.grid()]
    assert [(one.sparsity, one.active_units) for one in points] == [("topk", 5.0), ("jumprelu", 5.0)]


def test_a_setting_of_the_base_does_not_come_from_one_group_of_points():
    groups = [axes("model.sparsity=topk", "model.active_units=4"), axes("model.sparsity=jumprelu")]
    found = new_definition.make("a", PIPELINE, resolved("model.output_bias=mean_image", groups=groups), groups=groups)
    assert found.base == {"model.output_bias": "mean_image"}
    assert definition.settings_of(found, PIPELINE, found.grid()[1], 0).config.model.active_units == 8


def test_a_point_that_does_not_fit_the_base_is_refused():
    over = axes("model.sparsity=topk,l1")
    with pytest.raises(UsageError, match=r"model.output_bias|model.active_units"):
        new_definition.make("a", PIPELINE, resolved(*METHODS, over=over), over=over)
    with pytest.raises(UsageError, match="has no effect with model"):
        resolved("model.active_units=5", over=axes("model.l1=0,1"))


def test_base_has_what_differs_from_the_profile_without_the_root(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = made("training.epochs=3", "data.data_dir=data", "paths.root=elsewhere", "evaluation.max_bce=inf")
    assert found.base == {"data.data_dir": str(tmp_path / "data"), "training.epochs": 3, "evaluation.max_bce": math.inf}


def test_objectives_are_chosen_by_the_validation_split():
    assert made().objectives == (Objective("test_bce", "lower", "validation_bce"),)
    found = made(minimise=["test_bce"], maximise=["linear_probe_accuracy"]).objectives
    assert [(one.metric, one.better) for one in found] == [("test_bce", "lower"), ("linear_probe_accuracy", "higher")]


BCE, MSE = Objective("test_bce", "lower", "validation_bce"), Objective("test_mse", "lower", "validation_mse")


@pytest.mark.parametrize(
    ("assigned", "varied", "objective"),
    [
        (["data.scaling=range"], {}, BCE),
        (["data.scaling=standard"], {}, MSE),
        (["model.loss=mse"], {}, MSE),
        (["model.loss=mse"], {"over": (), "seeds": 2}, MSE),
        ([], {"over": ["model.loss=mse"]}, MSE),
        ([], {"over": ["model.loss=bce,mse"]}, MSE),  # the runs with cross-entropy have it too
        ([], {"over": ["data.scaling=standard,range"]}, MSE),
        (["data.scaling=standard"], {"over": (), "search": ["model.l1=0..1"], "trials": 2}, MSE),
        (["model.loss=bce"], {"over": (), "search": ["model.l1=0,1"], "trials": 2, "sampler": "grid"}, BCE),
        ([], {"over": (), "search": ["model.l1=0..1", "data.scaling=range,standard"], "trials": 2}, MSE),
        # Only the upper end of the range fits the active units.
        (["model.sparsity=topk", "model.active_units=8"],
         {"over": (), "search": ["model.code_units=4..16", "model.loss=mse"], "trials": 2}, MSE),
    ],
)  # fmt: skip
def test_the_default_objective_is_the_loss_that_all_runs_will_have(assigned, varied, objective):
    assert made(*assigned, **varied).objectives == (objective,)


def test_an_objective_that_runs_will_not_have_is_refused_with_the_one_that_they_have():
    for assigned, over in ((["model.loss=mse"], ["model.l1=0,1"]), ([], ["data.scaling=range,standard"])):
        with pytest.raises(UsageError, match="do not have test_bce: --minimise test_mse compares all"):
            made(*assigned, over=over, minimise=["test_bce"])
    assert made("model.loss=bce", minimise=["test_mse"]).objectives == (MSE,)


def test_losses_in_different_terms_stop_no_run_early():
    search = {"over": (), "trials": 2, "minimise": ["test_mse"]}
    assert made("model.loss=mse", search=["model.l1=0..1"], **search).pruner == "median"
    assert made(search=["model.l1=0..1", "model.loss=bce,mse"], **search).pruner == "none"
    with pytest.raises(UsageError, match="these runs have different ones"):
        made(search=["model.loss=bce,mse"], pruner="median", **search)


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"over": ()}, "--over"),
        ({"search": ["model.l1=0..1"]}, "either"),
        ({"over": (), "search": ["model.l1=0..1"]}, "--trials"),
        ({"trials": 5}, "--search"),
        ({"sampler": "tpe"}, "--search"),
        ({"over": (), "search": ["model.l1=0..1"], "trials": 2, "sampler": "bayes"}, "tpe"),
        ({"over": (), "search": ["model.l1=0..1"], "trials": 2, "pruner": "best"}, "median"),
        ({"seeds": 0}, "--seeds 0"),
        ({"minimise": ["test_bc"]}, "test_bce"),
        ({"minimise": ["test_bce"], "maximise": ["test_bce"]}, "twice"),
        ({"over": ["model.l1=0,1", "model.l1=0.5"]}, "varied twice"),
        ({"over": ["training.seed=0,1"], "seeds": 2}, "training.seed is varied"),
        ({"over": ["data.scaling=range,standard", "model.loss=bce"]}, "not allowed with data.scaling"),
        ({"over": ["model.l1=" + ",".join(f"0.{n:04}" for n in range(1, 1000))], "seeds": 11}, "at most 10,000"),
    ],
)
def test_refused_definitions(options, part):
    with pytest.raises(UsageError, match=part):
        made(**options)


def test_pruner_needs_one_objective():
    search = {"over": (), "search": ["model.l1=0..1"], "trials": 2}
    assert made(**search).pruner == "median"
    assert made(**search, minimise=["test_bce", "active_units"]).pruner == "none"
    with pytest.raises(UsageError, match="--minimise LOSS alone"):
        made(**search, minimise=["test_bce", "active_units"], pruner="median")
