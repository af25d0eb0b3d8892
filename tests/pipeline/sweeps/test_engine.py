"""The engine of sweeps, with runs that end at once."""

import pytest

from pipeline.core import event_log
from pipeline.core.errors import ExitCode, UnavailableError, UsageError
from pipeline.core.events import EpochEnded
from pipeline.sparse_autoencoder.definition import PIPELINE
from pipeline.sweeps import engine
from pipeline.sweeps.search import Search
from pipeline.sweeps.views import PointState
from tests.builders.sweeps import Points, defined


class Trial:
    """A run that has trained for an epoch, and ends when it is interrupted."""

    def __init__(self, points, point, settings) -> None:
        self.point, self.root = point, points.root
        [units] = [one.partition("=")[2] for one in settings if one.startswith("model.code_units=")]
        self.run_id = points.run(point, state="cancelled", varied={"model.code_units": int(units)})
        event_log.append(points.root.path, self.run_id, EpochEnded(1, 10, 0.5, 0.5, 0.5))
        self.interrupted = False

    def ended(self):
        return self.interrupted

    def exit_code(self):
        return int(ExitCode.INTERRUPTED)

    def interrupt(self):
        self.interrupted = True


class Refused:
    """A run that could not start."""

    run_id = ""

    def __init__(self, points, point, settings) -> None:
        self.point, self.root = point, points.root

    def ended(self):
        return True

    def exit_code(self):
        return int(ExitCode.ENVIRONMENT)

    def error(self):
        return "no data"


class Trials:
    capacity = 1

    def __init__(self, points, kind) -> None:
        self.points, self.kind, self.closed = points, kind, None

    def start(self, point, settings):
        return self.kind(self.points, point, settings)

    def blocked_by(self):
        return ""

    def prepare(self):
        pass

    def finish(self, trial):
        pass

    def close(self, complete):
        self.closed = complete


def test_a_hopeless_run_is_stopped_and_recorded_and_its_other_seeds_are_not_run(tmp_path, monkeypatch):
    monkeypatch.setattr(engine, "_POLL", 0)
    monkeypatch.setattr(Search, "is_hopeless", lambda *_: True)
    points = Points(tmp_path)
    found = defined(points.root, over=(), search=["model.code_units=4..64"], trials=2, seeds=2)
    trials, shown = Trials(points, Trial), []
    ended = engine.run(points.root, PIPELINE, found, trials, print, shown.append)
    assert [(one.number, one.state, one.pruned_at) for one in shown] == [
        (1, PointState.PRUNED, 1), (3, PointState.PRUNED, 1),
    ]  # fmt: skip
    assert [(one.number, one.state) for one in ended.points] == [(one, PointState.PRUNED) for one in (1, 2, 3, 4)]
    assert ended.points[0].settings == ended.points[1].settings != {}
    assert (ended.is_complete, trials.closed, ended.digest != "") == (True, True, True)


def test_a_run_that_could_not_start_ends_the_sweep_with_its_error_and_exit_code(tmp_path):
    points = Points(tmp_path)
    trials = Trials(points, Refused)
    with pytest.raises(UnavailableError, match="the run of point 1 did not start: no data") as raised:
        engine.run(points.root, PIPELINE, defined(points.root), trials, print, print)
    assert (raised.value.exit_code, trials.closed) == (ExitCode.ENVIRONMENT, False)


class Succeeded(Trial):
    """A run with some metrics, which ends at once."""

    def __init__(self, points, point, settings) -> None:
        self.point, self.root = point, points.root
        self.run_id = points.run(point, varied={"model.code_units": 4}, test_mse=0.5, validation_mse=0.5)

    def ended(self):
        return True

    def exit_code(self):
        return int(ExitCode.DONE)


SEARCH = {"over": (), "search": ["model.code_units=4..64"], "trials": 3}
LACKING = "the runs of sweep l1 have no linear_probe_accuracy, by which it chooses"


def test_a_search_stops_at_the_first_point_without_its_objective(tmp_path):
    points, shown = Points(tmp_path), []
    found = defined(points.root, maximise=["linear_probe_accuracy"], **SEARCH)
    for _ in range(2):  # continued, it runs no other point
        with pytest.raises(UsageError, match=f"{LACKING}, so the search stops.* --minimise test_mse"):
            engine.run(points.root, PIPELINE, found, Trials(points, Succeeded), print, shown.append)
        assert [one.number for one in shown] == [1]


@pytest.mark.parametrize("more", [{"over": ["model.code_units=4,8,16"]}, {**SEARCH, "sampler": "random"}])
def test_a_sweep_that_chooses_without_results_says_at_its_first_point_that_it_has_no_objective(tmp_path, more):
    points, shown = Points(tmp_path), []
    found = defined(points.root, maximise=["linear_probe_accuracy"], **more)
    engine.run(
        points.root, PIPELINE, found, Trials(points, Succeeded), shown.append, lambda one: shown.append(one.number)
    )
    best = "no combination will be the best; `sae sweep best l1 --by test_mse` compares them"
    assert shown == [1, f"{LACKING}: {best}", 2, 3]


def test_a_sweep_whose_runs_have_its_objective_says_nothing(tmp_path):
    points, shown = Points(tmp_path), []
    found = defined(points.root, minimise=["test_mse"], **SEARCH)
    engine.run(points.root, PIPELINE, found, Trials(points, Succeeded), shown.append, lambda one: None)
    assert shown == []
