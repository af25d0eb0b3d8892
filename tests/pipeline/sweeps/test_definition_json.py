"""Definitions of sweeps as JSON, and their differences."""

import dataclasses
import json

import pytest

from pipeline.core.errors import NotFoundError, UnavailableError, UsageError
from pipeline.core.pipeline_root import Root
from pipeline.sparse_autoencoder.definition import PIPELINE
from pipeline.sweeps import definition_json, engine, files
from pipeline.sweeps.definition import Objective
from pipeline_config import PipelineConfig
from tests.builders.sweeps import grouped, made

L1 = ("model.sparsity=l1", "model.l1=0,1e-3")


TOPK = ("model.sparsity=topk", "model.active_units=4,8")


def test_groups_that_differ_are_another_definition(tmp_path):
    root = Root(tmp_path)
    engine.define(root, PIPELINE, grouped(L1))
    engine.define(root, PIPELINE, grouped(L1))
    with pytest.raises(UsageError, match=r"with other settings: \[\[sweep.points\]\] model.sparsity=l1 "):
        engine.define(root, PIPELINE, grouped(L1, TOPK))


def test_a_definition_without_groups_has_the_json_that_it_had():
    assert "groups" not in definition_json.to_json(made())  # the content digest of its results depends on it


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
    assert definition_json.difference(found, wanted, PipelineConfig) == differs
    assert definition_json.difference(found, found, PipelineConfig) == ""


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


def test_difference_leaves_out_what_chooses():
    found = made()
    other = dataclasses.replace(found, objectives=(Objective("test_bce", "lower", "test_bce"),))
    assert definition_json.difference(found, other, PipelineConfig) == ""
