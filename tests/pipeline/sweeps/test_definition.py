"""The definition of a sweep: its points, its file, and what is refused."""

import dataclasses
import json
import math

import pytest

from pipeline.core import settings
from pipeline.core.errors import LockedError, NotFoundError, UnavailableError, UsageError
from pipeline.core.pipeline_root import Root
from pipeline.sparse_autoencoder.definition import PIPELINE
from pipeline.sweeps import definition, definition_file, engine, files, space
from pipeline.sweeps.definition import Objective
from pipeline.sweeps.space import Choices, Listed
from pipeline_config import PipelineConfig
from tests.builders.sweeps import axes, made


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


def grouped(*groups, over=(), **more):
    return made(over=over, groups=[axes(*group) for group in groups], **more)


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


def test_groups_that_differ_are_another_definition(tmp_path):
    root = Root(tmp_path)
    engine.define(root, PIPELINE, grouped(L1))
    engine.define(root, PIPELINE, grouped(L1))
    with pytest.raises(UsageError, match=r"with other settings: \[\[sweep.points\]\] model.sparsity=l1 "):
        engine.define(root, PIPELINE, grouped(L1, TOPK))


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
    return definition.resolve_base(settings.Request("sample", assignments=assignments), **varied)


METHODS = ("model.active_units=5", "model.output_bias=mean_image")  # refused with the L1 penalty of the profile


def test_settings_of_the_base_may_need_values_that_all_points_have():
    over = axes("model.sparsity=topk,jumprelu")
    found = definition.make("a", PIPELINE, resolved(*METHODS, over=over), over=over)
    assert found.base == {"model.active_units": 5.0, "model.output_bias": "mean_image"}
    points = [definition.settings_of(found, PIPELINE, one, 0).config.model for one in found.grid()]
    assert [(one.sparsity, one.active_units) for one in points] == [("topk", 5.0), ("jumprelu", 5.0)]


def test_a_setting_of_the_base_does_not_come_from_one_group_of_points():
    groups = [axes("model.sparsity=topk", "model.active_units=4"), axes("model.sparsity=jumprelu")]
    found = definition.make("a", PIPELINE, resolved("model.output_bias=mean_image", groups=groups), groups=groups)
    assert found.base == {"model.output_bias": "mean_image"}
    assert definition.settings_of(found, PIPELINE, found.grid()[1], 0).config.model.active_units == 8


def test_a_point_that_does_not_fit_the_base_is_refused():
    over = axes("model.sparsity=topk,l1")
    with pytest.raises(UsageError, match=r"model.output_bias|model.active_units"):
        definition.make("a", PIPELINE, resolved(*METHODS, over=over), over=over)
    with pytest.raises(UsageError, match="has no effect with model"):
        resolved("model.active_units=5", over=axes("model.l1=0,1"))


def test_a_definition_without_groups_has_the_json_that_it_had():
    assert "groups" not in definition.to_json(made())  # the content digest of its results depends on it


def test_a_file_lists_groups(tmp_path):
    path = tmp_path / "sweep.toml"
    path.write_text('[[sweep.points]]\n"model.sparsity" = "topk"\n"model.active_units" = [4, 8]\n')
    group = ("model.sparsity=topk", Listed("model.active_units", ("4", "8")))
    assert definition_file.read(path) == {"over": (), "search": (), "groups": (group,)}


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


@pytest.mark.parametrize("name", ["", "a b", "../x", ".x", "x" * 65, "a/b", "lock"])
def test_refused_names(name):
    with pytest.raises(UsageError, match="cannot name a sweep"):
        definition.check_name(name)


def test_pruner_needs_one_objective():
    search = {"over": (), "search": ["model.l1=0..1"], "trials": 2}
    assert made(**search).pruner == "median"
    assert made(**search, minimise=["test_bce", "active_units"]).pruner == "none"
    with pytest.raises(UsageError, match="--minimise LOSS alone"):
        made(**search, minimise=["test_bce", "active_units"], pruner="median")


def test_definition_is_read_as_it_was_written(tmp_path):
    root = Root(tmp_path)
    for found in (
        made("evaluation.max_bce=inf", seeds=2),
        made(over=(), search=["training.learning_rate=1e-4..1e-2:log", "model.loss=bce,mse"], trials=7),
    ):
        files.write(root, found)
        assert files.read(root, "l1") == found
        assert files.names(root) == ["l1"]


def test_the_same_definition_continues_and_another_is_refused(tmp_path):
    root = Root(tmp_path)
    found = made(seeds=2)
    engine.define(root, PIPELINE, found)
    before = files.definition_file(root, "l1").read_bytes()
    engine.define(root, PIPELINE, made("engine.beam_workers=2", seeds=2))  # changes no results
    with pytest.raises(UsageError, match="already, with other settings: --seeds 2 instead of --seeds 3; choose"):
        engine.define(root, PIPELINE, made(seeds=3))
    assert files.definition_file(root, "l1").read_bytes() == before


BASE = ("training.epochs=3", "training.batch_size=64")
SEARCH = ["model.l1=0..1", "model.code_units=4,8", "training.learning_rate=1e-4..1e-2:log"]


@pytest.mark.parametrize(
    ("found", "wanted", "differs"),
    [
        (made(*BASE), made(BASE[1]), "--set training.epochs=3 instead of no --set"),
        (made(*BASE), made("training.epochs=4", BASE[1]), "--set training.epochs=3 instead of --set training.epochs=4"),
        (made(), made(over=["model.l1=0,1e-3,1"], minimise=["test_mse"]),
         "--over model.l1=0.0,0.001 instead of --over model.l1=0.0,0.001,1.0; "
         "--minimise test_bce instead of --minimise test_mse"),
        (made(over=["model.hidden_layers=256,64;128"]), made(over=(), seeds=2),
         "--over 'model.hidden_layers=256,64;128' instead of no --over; --seeds 1 instead of --seeds 2"),
        (made(over=(), search=SEARCH, trials=3), made(),
         "no --over instead of --over model.l1=0.0,0.001; --search model.l1=0.0..1.0 --search model.code_units=4,8 "
         "--search training.learning_rate=0.0001..0.01:log instead of no --search; --trials 3 instead of no --trials; "
         "--sampler tpe instead of no --sampler; --pruner median instead of no --pruner"),
        (grouped(L1, TOPK), grouped(L1),
         "[[sweep.points]] model.sparsity=l1 model.l1=0.0,0.001 [[sweep.points]] model.sparsity=topk "
         "model.active_units=4.0,8.0 instead of [[sweep.points]] model.sparsity=l1 model.l1=0.0,0.001"),
    ],
)  # fmt: skip
def test_a_difference_is_named_as_its_options_are_typed(found, wanted, differs):
    assert definition.difference(found, wanted, PipelineConfig) == differs
    assert definition.difference(found, found, PipelineConfig) == ""


L1_RANGE = {"setting": "model.l1", "low": 0, "high": 1, "log": False}
WRONG = [
    *(("seeds", one) for one in ("5", 0, -1, 2.5, True, None, 10**9)),
    *(("trials", one) for one in ("3", -3, 5)),
    *(("name", one) for one in ("other", 5, None, "../l1")),
    ("profile", 5),
    *(("base", one) for one in ([], {"model.l1": [1]}, {"model.l1": None})),
    *(("over", [{"setting": "model.l1", "values": one}]) for one in ([], 5, [[1]], [None], "01")),
    *(("over", one) for one in ([], {}, [L1_RANGE], [5])),
    ("search", [L1_RANGE]),
    ("sampler", "tpe"),
    ("pruner", "none"),
    *(("objectives", [{"metric": "x", "better": one, "chosen_by": "x"}]) for one in ("best", 5)),
    ("groups", [[{"setting": "model.l1", "values": []}]]),
    *(("since", one) for one in ("x", 5, "2020-01-01")),
]


@pytest.mark.parametrize(
    ("key", "wrong"),
    [
        *(("trials", one) for one in (0, -2, 10**9, "3", 1.5)),
        *(("sampler", one) for one in ("", "x", 5)),
        ("pruner", "x"),
        *(("search", [{**L1_RANGE, "low": one}]) for one in ("0", 1, 2, None)),
        ("search", [{"setting": "model.l1", "values": []}]),
    ],
)
def test_damaged_definition_of_a_search(tmp_path, key, wrong):
    root = Root(tmp_path)
    files.write(root, made(over=(), search=["model.l1=0..1"], trials=3))
    path = files.definition_file(root, "l1")
    path.write_text(json.dumps({**json.loads(path.read_text()), key: wrong}))
    with pytest.raises(UnavailableError, match="is damaged"):
        files.read(root, "l1")


def test_damaged_and_missing_definitions(tmp_path):
    root = Root(tmp_path)
    with pytest.raises(NotFoundError, match="sae sweep run"):
        files.read(root, "l1")
    files.write(root, made())
    with pytest.raises(NotFoundError, match="did you mean l1"):
        files.read(root, "l2")
    path = files.definition_file(root, "l1")
    values = json.loads(path.read_text())
    for text in ("{", "[]", json.dumps({**values, "over": 3}), json.dumps({"schema": 1})):
        path.write_text(text)
        with pytest.raises(UnavailableError, match="is damaged"):
            files.read(root, "l1")
    for key, wrong in WRONG:
        path.write_text(json.dumps({**values, key: wrong}))
        with pytest.raises(UnavailableError, match="is damaged"):
            files.read(root, "l1")
    path.write_text(json.dumps({**values, "schema": 2}))
    with pytest.raises(UnavailableError, match="update sae"):
        files.read(root, "l1")


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


def test_a_grid_of_a_huge_range_takes_its_first_values():
    search = ["training.seed=0..2147483647", "model.code_units=1..65536"]
    found = made(over=(), search=search, trials=3, sampler="grid")
    assert found.grid() == [{"training.seed": 0, "model.code_units": number} for number in (1, 2, 3)]


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


def test_difference_leaves_out_what_chooses():
    found = made()
    other = dataclasses.replace(found, objectives=(Objective("test_bce", "lower", "test_bce"),))
    assert definition.difference(found, other, PipelineConfig) == ""


def test_a_second_sweep_names_the_one_that_runs(tmp_path):
    with files.lock(Root(tmp_path)) as record:
        record("narrow")
        with pytest.raises(LockedError, match=r"process \d+ since [^,]*, sweep narrow;"), files.lock(Root(tmp_path)):
            pass


def test_a_root_whose_folder_of_sweeps_cannot_be_created_is_named(tmp_path):
    (tmp_path / "sweeps").touch()
    with pytest.raises(UnavailableError, match=rf"cannot create {tmp_path}/sweeps: "):
        files.lock(Root(tmp_path))
