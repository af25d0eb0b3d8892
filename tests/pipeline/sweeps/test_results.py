"""Sweeps as they are read: points from runs, means over seeds, the best combinations."""

import csv
import json
import math
import pathlib
import shutil
import statistics

import pytest

from pipeline.core import file_digests
from pipeline.core.errors import NotFoundError, UnavailableError, UsageError
from pipeline.inspection.locations import open_reader
from pipeline.maintenance import fsck
from pipeline.metadata import run_properties
from pipeline.metadata import sweep_trigger as trigger
from pipeline.orchestration import recovery
from pipeline.sparse_autoencoder.definition import PIPELINE
from pipeline.sweeps import definition, definition_json, engine, files, record, results
from pipeline.sweeps.definition import Objective
from pipeline.sweeps.views import PointState, SweepState
from pipeline_config import PipelineConfig
from tests.builders.sweeps import Points, defined

BY_MSE = Objective("test_mse", "lower", "test_mse")


@pytest.fixture
def points(tmp_path):
    return Points(tmp_path)


def test_points_have_the_state_of_their_newest_run(points):
    defined(points.root, over=["model.l1=0,1e-4,1e-3"], seeds=2)
    points.run(1, state="failed", error=f"died in Trainer: {recovery.REASON}")
    second = points.run(1, test_mse=0.25)
    points.run(2, state="failed", error="Trainer: the loss became nan")
    points.run(3, state="cancelled")
    points.run(4, state="failed", error=f"died in Trainer: {recovery.REASON}")
    points.run(5, state="cancelled", properties={run_properties.PRUNED: 3})
    points.run(1, sweep="other", test_mse=1.0)
    points.run(99, test_mse=1.0)  # no point of this sweep
    found = points.read()
    assert [one.state.value for one in found.points] == [
        "succeeded", "failed", "interrupted", "interrupted", "pruned", "waiting",
    ]  # fmt: skip
    first = found.points[0]
    assert (first.run, first.metrics["test_mse"], first.settings, first.seed) == (second, 0.25, {"model.l1": 0.0}, 0)
    assert found.points[1].error == "Trainer: the loss became nan"
    assert (found.points[4].pruned_at, found.points[4].error) == (3, "")
    assert (found.points[5].settings, found.points[5].seed, found.points[5].run) == ({"model.l1": 1e-3}, 1, "")
    assert found.row.state is SweepState.STOPPED
    assert found.row.counts == {"waiting": 1, "succeeded": 1, "failed": 1, "pruned": 1, "interrupted": 2}
    assert [state.is_final for state in PointState] == [False, False, True, True, True, False]


@pytest.mark.parametrize(
    ("given", "seeds"),
    [
        ({"over": ["model.l1=0,1e-3"], "seeds": 2, "assigned": ["training.seed=5"]}, [5, 6, 5, 6]),
        ({"over": ["training.seed=3,7"]}, [3, 7]),
        ({"over": ["model.l1=0,1e-3"]}, [0, 0]),
    ],
)
def test_the_seed_of_a_point_is_that_of_its_run(points, given, seeds):
    found = defined(points.root, **given)
    points.run(1)
    read = points.read()
    assert [one.seed for one in read.points] == seeds
    combinations = [one.settings for one in read.points]
    runs = [definition.settings_of(found, PIPELINE, one, place % found.seeds) for place, one in enumerate(combinations)]
    assert [one.config.training.seed for one in runs] == seeds


@pytest.mark.parametrize("damage", [{"base": {"training.seed": "5x"}}, {"base": {"training.seed": "inf"}}])
def test_a_sweep_whose_seed_is_no_number_is_damaged_and_the_others_are_listed(points, damage):
    defined(points.root)
    defined(points.root, name="other")
    path = files.definition_file(points.root, "l1")
    path.write_text(json.dumps({**json.loads(path.read_text()), **damage}))
    told = []
    with open_reader(PIPELINE, None, points.root) as reader:
        rows = results.rows(points.root, PIPELINE, reader, told.append)
        with pytest.raises(UnavailableError, match=r"sweep l1 is damaged: training.seed is '?(5x|inf)'?, .*restore"):
            results.read(points.root, PIPELINE, reader, "l1")
    assert ([one.name for one in rows], len(told)) == (["other"], 1)


def test_points_of_a_search_that_are_not_run_have_their_seeds(points):
    defined(points.root, over=(), search=["model.l1=0..1"], trials=2, seeds=3, assigned=["training.seed=5"])
    points.run(1, state="cancelled", properties={run_properties.PRUNED: 3}, varied={"model.l1": 0.5})
    assert [(one.number, one.seed, one.pruned_at) for one in points.read().points] == [(1, 5, 3), (2, 6, 3), (3, 7, 3)]


def test_means_are_over_the_seeds_that_succeeded(points):
    defined(points.root, seeds=3, over=["model.l1=0,1e-3"])
    values = [0.02, 0.03, 0.07]
    for number, value in enumerate(values, start=1):
        points.run(number, test_mse=value)
    points.run(4, test_mse=0.01)
    points.run(5, state="failed", error="Trainer: the loss became nan")
    points.run(6, test_mse=0.01)
    first, second = points.read().combinations
    found = first.metrics["test_mse"]
    half = 4.303 * statistics.stdev(values) / math.sqrt(3)  # t with 2 degrees of freedom
    assert (first.points, first.succeeded, first.complete) == ((1, 2, 3), 3, True)
    assert found.mean == pytest.approx(0.04)
    assert found.high == pytest.approx(0.04 + half, rel=1e-3)
    assert (second.succeeded, second.complete, second.metrics["test_mse"].count) == (2, False, 2)
    assert points.read().row.state is SweepState.COMPLETE


def test_a_combination_without_all_its_seeds_is_not_the_best(points):
    defined(points.root, seeds=2, over=["model.l1=0,1e-3"])
    for number, value in ((1, 0.5), (2, 0.6), (3, 0.1)):
        points.run(number, test_mse=value)
    points.run(4, state="failed", error="Trainer: the loss became nan")
    found = points.read()
    assert [one.number for one in results.ranked(found, BY_MSE)] == [1]
    assert results.best_point(found, PIPELINE, BY_MSE).number == 1


def test_several_objectives_have_the_combinations_that_none_dominates(points):
    over = ["model.l1=0,1e-5,1e-4,1e-3"]
    defined(points.root, over=over, minimise=["knn_accuracy"], maximise=["linear_probe_accuracy"])
    for number, (knn, probe) in enumerate([(0.5, 0.9), (0.4, 0.9), (0.3, 0.7), (0.45, 0.8)], start=1):
        points.run(number, knn_accuracy=knn, linear_probe_accuracy=probe)
    found = points.read()
    assert [one.number for one in found.combinations if one.best] == [2, 3]
    assert [one.number for one in found.best] == [3, 2]  # the best in the first objective first


def test_points_of_a_search_have_the_settings_of_their_runs(points):
    defined(points.root, over=(), search=["model.code_units=4..16"], trials=3, minimise=["test_mse"])
    points.run(1, varied={"model.code_units": 7, "training.epochs": 50}, test_mse=0.2)
    points.run(3, varied={"model.code_units": 9}, test_mse=0.1)
    found = points.read()
    assert [(one.number, dict(one.settings)) for one in found.points] == [
        (1, {"model.code_units": 7}), (3, {"model.code_units": 9}),
    ]  # fmt: skip
    assert (found.row.kind, found.row.points, found.row.counts) == ("search", 3, {"waiting": 1, "succeeded": 2})


def test_other_objectives_are_those_of_declared_metrics(points):
    defined(points.root)
    points.run(1, test_mse=0.2, active_units=7.0)
    found = points.read()
    assert results.objective(found, PIPELINE, "test_mse").better == "lower"
    for name, part in (("test_ms", "did you mean test_mse"), ("active_units", "neither")):
        with pytest.raises(UsageError, match=part):
            results.objective(found, PIPELINE, name)
    with pytest.raises(NotFoundError, match="no combination"):
        results.best_point(found, PIPELINE, Objective("hoyer", "higher", "hoyer"))


def test_sweeps_are_listed_without_a_store_and_with_one(points):
    defined(points.root, "b")
    defined(points.root, "a")
    found = results.rows(points.root, PIPELINE, None, pytest.fail)
    assert [(one.name, one.state.value, one.counts, one.points) for one in found] == [
        ("a", "stopped", {"waiting": 3}, 3), ("b", "stopped", {"waiting": 3}, 3),
    ]  # fmt: skip
    points.run(1, sweep="b", test_mse=0.2)
    assert [one.name for one in points.rows()] == ["b", "a"]


@pytest.mark.parametrize(
    "text", ["", "manual", "sweep l1", "sweep l1 point 0", "sweep l1 point x", "sweep a b point 1"]
)
def test_other_triggers_are_of_no_sweep(text):
    assert trigger.parse(text) is None
    assert trigger.parse(trigger.as_text("l1", 12)) == ("l1", 12)


def recorded(points, name="l1"):
    record.record(points.root, PIPELINE, points.read(name))
    return record.newest(points.recorded.store(), name)


def with_results(points, values):
    defined(points.root, over=["model.l1=0,1e-3"])
    for number, value in enumerate(values, start=1):
        points.run(number, test_mse=value)
    return points


def test_result_is_an_artifact_whose_digest_depends_on_the_results_alone(points, tmp_path_factory):
    with_results(points, [0.02, 0.01])
    first = recorded(points)
    again = recorded(points)
    assert (first.id, first.type, first.uri) == (again.id, "Sweep", str(points.root.sweeps / "l1" / "results" / "1"))
    assert first.content.startswith("sweep-1:")
    found = points.read()
    assert (found.artifact, found.digest) == (first.id, first.content)
    elsewhere = Points(tmp_path_factory.mktemp("elsewhere"))
    elsewhere.run(1, sweep="other")  # other ids of runs
    assert recorded(with_results(elsewhere, [0.02, 0.01])).content == first.content
    other = Points(tmp_path_factory.mktemp("other"))
    assert recorded(with_results(other, [0.02, 0.011])).content != first.content


def test_result_is_recorded_again_when_it_changed(points):
    with_results(points, [0.02, 0.01])
    first = recorded(points)
    points.run(2, test_mse=0.03)
    second = recorded(points)
    assert second.id > first.id
    assert points.read().artifact == second.id


@pytest.mark.parametrize("removed", ["sweep.json", ".", ".."])
def test_damaged_files_of_a_result_are_written_again(points, removed):
    """As the same artifact: a second one would leave the first one damaged."""
    with_results(points, [0.02, 0.01])
    first = recorded(points)
    place = pathlib.Path(first.uri)
    if removed == "sweep.json":
        (place / removed).write_text("{}")
    else:
        shutil.rmtree((place / removed).resolve())
    again = recorded(points)
    assert (again.id, again.uri) == (first.id, first.uri)
    assert file_digests.damage(place, first.files, all_bytes=True) == ""
    assert [one.name for one in place.parent.iterdir()] == [place.name]


def test_the_folder_of_a_result_has_no_number_of_an_earlier_one(points):
    with_results(points, [0.02, 0.01])
    first = recorded(points)
    shutil.rmtree(pathlib.Path(first.uri).parent)
    points.run(2, test_mse=0.03)
    assert recorded(points).uri != first.uri


def test_files_of_a_result(points):
    with_results(points, [0.02, 0.01])
    folder = pathlib.Path(recorded(points).uri)
    rows = list(csv.DictReader((folder / "points.csv").open()))
    assert [(row["point"], row["model.l1"], row["state"], row["test_mse"]) for row in rows] == [
        ("1", "0.0", "succeeded", "0.02"), ("2", "0.001", "succeeded", "0.01"),
    ]  # fmt: skip
    content = json.loads((folder / "sweep.json").read_text())
    assert [one["best"] for one in content["combinations"]] == [False, False]  # no validation loss
    assert content["definition"]["over"] == [{"setting": "model.l1", "values": [0.0, 1e-3]}]
    text = (folder / "sweep.json").read_text()
    assert "20261127" not in text
    assert str(points.root.path) not in text


def test_lineage_of_a_result_has_the_models_and_evaluations_of_its_points(points):
    defined(points.root, over=["model.l1=0,1e-3"])
    for number, l1 in ((1, "0"), (2, "1e-3")):
        points.count += 1
        run_id = f"20261127-0000{points.count:02}"
        points.recorded.run(run_id, f"model.l1={l1}")
        points.recorded.end(run_id, trigger=trigger.as_text("l1", number), state="succeeded", test_mse=0.1)
    found = recorded(points)
    store = points.recorded.store()
    [maker] = store.makers(found.id)
    inputs = [one.artifact for one in store.events_of_executions([maker]) if not one.wrote]
    expected = {
        points.recorded.outputs(run_id, node)[key].id
        for run_id in ("20261127-000001", "20261127-000002")
        for node, key in (("Trainer", "model"), ("Evaluator", "evaluation"))
    }
    assert set(inputs) == expected
    assert len(expected) == 4
    assert store.owner(maker).run == ""
    assert [one for one in fsck.check(points.root).findings if "sweep" in (one.path or "")] == []
    (pathlib.Path(found.uri) / "points.csv").unlink()
    [missing] = [one for one in fsck.check(points.root).findings if "sweep" in (one.path or "")]
    assert (missing.artifact, missing.kind.is_damage) == (found.id, True)


def test_another_round_begins_when_all_points_of_the_last_one_have_ended(points):
    with_results(points, [0.02])
    found = files.read(points.root, "l1")
    assert engine.begin_round(points.root, PIPELINE, found) == found
    points.run(2, state="failed", error="Trainer: the loss became nan")
    first = points.read().points
    begun = engine.begin_round(points.root, PIPELINE, found)
    assert files.read(points.root, "l1") == begun
    assert definition_json.difference(found, begun, PipelineConfig) == ""
    assert [one.state for one in points.read().points] == [PointState.WAITING] * 2
    run_id = points.run(1, test_mse=0.02)
    found = points.read().points
    assert (found[0].run, found[0].metrics) == (run_id, first[0].metrics)
    assert found[1].state == PointState.WAITING
