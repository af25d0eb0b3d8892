"""Searches by Optuna: what they choose, that they continue, and what they stop early."""

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from pipeline.core.errors import UsageError
from pipeline.sweeps.search import STORAGE, Search
from pipeline.sweeps.statistics import Estimate
from pipeline.sweeps.views import Combination, Point, PointState
from tests.builders import sweeps


def made(*search, trials=20, **more):
    return sweeps.made(name="s", over=(), search=search or ("model.code_units=4..64",), trials=trials, **more)


def combination(number, values, score, state=PointState.SUCCEEDED, seeds=1):
    points = [Point((number - 1) * seeds + k + 1, number, values, k, state) for k in range(seeds)]
    metrics = {} if score is None else {"validation_bce": Estimate(score, None, None, seeds)}
    succeeded = seeds if state == PointState.SUCCEEDED else 0
    ended = Combination(number, values, tuple(one.number for one in points), succeeded, succeeded == seeds, metrics)
    return ended, points


def started(found, folder, earlier=(), losses=None, allowed=lambda values: True, seed=0):
    folder.mkdir(exist_ok=True)
    search = Search(found, folder, seed, allowed)
    search.continue_from(
        [one for one, _ in earlier], [point for _, points in earlier for point in points], losses or {}
    )
    return search


def score(values):
    return abs(values["model.code_units"] - 20) / 100


def played(search, count=100):
    """Run combinations, and return them in order."""
    found = []
    while len(found) < count and (chosen := search.next()) is not None:
        number, values = chosen
        ended, points = combination(number, values, score(values))
        search.report(ended, points)
        found.append((ended, points))
    return found


def chosen(found):
    return [(one.number, one.settings["model.code_units"]) for one, _ in found]


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_a_search_that_was_stopped_chooses_as_one_that_was_not(tmp_path, sampler):
    found = made(sampler=sampler, trials=15)  # TPE begins with ten at random
    whole = played(started(found, tmp_path))
    assert [one.number for one, _ in whole] == list(range(1, 16))
    assert all(4 <= units <= 64 and type(units) is int for _, units in chosen(whole))
    first = played(started(found, tmp_path), 12)
    rest = played(started(found, tmp_path, first))
    assert chosen(first + rest) == chosen(whole)
    read = JournalStorage(JournalFileBackend(str(tmp_path / STORAGE)))  # as Optuna's own tools do
    assert [one.params for one in optuna.load_study(study_name="s", storage=read).trials] == [
        one.settings for one, _ in whole
    ]
    assert chosen(played(started(found, tmp_path / "other", seed=1))) != chosen(whole)


def test_tpe_learns_where_the_best_values_are(tmp_path):
    units = [value for _, value in chosen(played(started(made(trials=40), tmp_path)))]
    near = [sum(abs(value - 20) <= 8 for value in part) for part in (units[:10], units[-10:])]
    assert near[1] > near[0]
    assert near[1] >= 6


def test_a_combination_that_was_interrupted_is_repeated_first(tmp_path):
    found = made()
    ended = played(started(found, tmp_path), 3)
    left = combination(4, {"model.code_units": 11}, None, PointState.INTERRUPTED)
    search = started(found, tmp_path, [*ended, left])
    assert search.next() == (4, {"model.code_units": 11})
    assert search.next()[0] == 5


def test_a_combination_that_failed_is_left(tmp_path):
    found = made(trials=3)
    failed = combination(1, {"model.code_units": 11}, None, PointState.FAILED)
    search = started(found, tmp_path, [failed])
    assert [search.next()[0], search.next()[0], search.next()] == [2, 3, None]


def test_choices_and_ranges_have_the_types_of_their_settings(tmp_path):
    found = made("training.learning_rate=1e-4..1e-2:log", "model.loss=bce,mse", "training.jit_compile=true,false")
    search = started(found, tmp_path)
    drawn = [search.next()[1] for _ in range(20)]
    assert all(1e-4 <= one["training.learning_rate"] <= 1e-2 for one in drawn)
    assert {one["model.loss"] for one in drawn} == {"bce", "mse"}
    assert {one["training.jit_compile"] for one in drawn} == {True, False}
    assert sum(one["training.learning_rate"] < 1e-3 for one in drawn) >= 5  # the logarithm is drawn evenly: half


def test_grid_tries_the_product_and_no_more(tmp_path):
    found = made("model.code_units=4..6", "model.l1=0,1e-3", sampler="grid", trials=100)
    assert (found.trials, found.size) == (6, 6)
    search = started(found, tmp_path)
    drawn = [search.next()[1] for _ in range(6)]
    assert drawn == [{"model.code_units": units, "model.l1": l1} for units in (4, 5, 6) for l1 in (0.0, 1e-3)]
    assert search.next() is None
    assert made("model.code_units=4..6", sampler="grid", trials=2).trials == 2
    with pytest.raises(UsageError, match="not whole"):
        made("model.l1=0..1e-3", sampler="grid")


def test_several_objectives(tmp_path):
    found = made(minimise=["test_bce", "test_mse"], trials=12)
    search = started(found, tmp_path)
    for _ in range(12):
        number, values = search.next()
        ended, points = combination(number, values, 0.1)
        metrics = {**ended.metrics, found.objectives[1].chosen_by: Estimate(score(values), None, None, 1)}
        search.report(Combination(ended.number, values, ended.points, 1, True, metrics), points)
    assert search.next() is None


def test_a_combination_that_does_not_fit_together_is_chosen_again(tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline.sweeps.search._ATTEMPTS", 20)
    search = started(made(trials=10), tmp_path, allowed=lambda values: values["model.code_units"] % 2 == 0)
    drawn = played(search)
    assert len(drawn) == 10
    assert all(units % 2 == 0 for _, units in chosen(drawn))
    with pytest.raises(UsageError, match="do not fit together"):
        started(made(), tmp_path, allowed=lambda values: False).next()


def test_a_run_that_is_worse_than_the_median_is_stopped(tmp_path):
    found = made(seeds=2)
    ended = [combination(number, {"model.code_units": 3 + number}, 0.1, seeds=2) for number in range(1, 7)]
    losses = {number: dict.fromkeys(range(1, 11), 0.1 * number) for number in range(1, 7)}  # median 0.35
    search = started(found, tmp_path, ended, losses)
    assert search.next()[0] == 7
    assert not search.is_hopeless(13, 1, 10, 0.9)  # too early
    assert not search.is_hopeless(13, 2, 10, 0.3)
    assert not search.is_hopeless(14, 3, 10, 0.9)  # another seed
    assert search.next()[0] == 8
    assert search.is_hopeless(15, 2, 10, 0.4)


def test_no_run_is_stopped_before_enough_have_ended(tmp_path):
    ended = [combination(number, {"model.code_units": 3 + number}, 0.1) for number in range(1, 4)]
    losses = {number: dict.fromkeys(range(1, 11), 0.1) for number in range(1, 4)}
    search = started(made(), tmp_path, ended, losses)
    number, _ = search.next()
    assert not search.is_hopeless(number, 9, 10, 5.0)


def test_pruned_combinations_are_told_to_optuna(tmp_path):
    found = made(trials=2)
    pruned = combination(1, {"model.code_units": 9}, None, PointState.PRUNED)
    search = started(found, tmp_path, [pruned], {1: {1: 0.5}})
    number, values = search.next()
    search.report(*combination(number, values, None, PointState.PRUNED))
    assert search.next() is None
