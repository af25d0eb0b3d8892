"""Run a sweep: start the runs of its points, and continue where an earlier process stopped.

The engine keeps no state of points: it reads it from ML Metadata when it starts and after each run. So it may be killed
at any time; the next one finds what ended, and waits for a run that is still in progress.
"""

from __future__ import annotations

import dataclasses
import datetime
import time
from collections.abc import Callable, Mapping

from pipeline.core import event_log
from pipeline.core.errors import ExitCode, UsageError, of_exit_code
from pipeline.core.events import EpochEnded
from pipeline.core.pipeline_root import Root
from pipeline.core.text import signal_name
from pipeline.definition.spec import Pipeline
from pipeline.metadata import root_store, run_properties
from pipeline.metadata.writer import MetadataWriter
from pipeline.sweeps import definition as definitions
from pipeline.sweeps import definition_json, files, record, results, workers
from pipeline.sweeps.definition import Definition
from pipeline.sweeps.sources import CombinationSource, Grid
from pipeline.sweeps.trials import Trial, Trials
from pipeline.sweeps.views import Point, PointState, Sweep
from pipeline_config import Value

_POLL = 0.1  # seconds between two looks at the runs in progress
_POLL_EPOCHS = 1.0  # seconds between two looks at their epochs, to prepare the next run


def define(root: Root, pipeline: Pipeline, wanted: Definition) -> None:
    """Write the definition of a sweep, unless it is defined already.

    Raises:
      UsageError: another sweep has this name.
    """
    if wanted.name not in files.names(root):
        files.write(root, wanted)
        return
    found = files.read(root, wanted.name)
    if differs := definition_json.difference(found, wanted, pipeline.configuration):
        raise UsageError(
            f"sweep {wanted.name} is defined already, with other settings: {differs}; choose another name, or continue "
            f"it with `sae sweep run {wanted.name}`"
        )


def begin_round(root: Root, pipeline: Pipeline, found: Definition) -> Definition:
    """Begin another round of a sweep if all points of the last one have ended, and return the definition.

    Args:
      root: its root, whose sweeps this process has locked.
      pipeline: the pipeline.
      found: its definition.
    """
    if not results.read_from(root, pipeline, found.name, brief=True).is_complete:
        return found
    begun = dataclasses.replace(found, since=datetime.datetime.now(datetime.timezone.utc).isoformat())
    files.write(root, begun)
    return begun


def run(
    root: Root,
    pipeline: Pipeline,
    found: Definition,
    trials: Trials,
    note: Callable[[str], None],
    progress: Callable[[Point], None],
) -> Sweep:
    """Run the points of a sweep that are not final, and return the sweep.

    Args:
      root: its root, whose sweeps this process has locked.
      pipeline: the pipeline.
      found: its definition.
      trials: starts the runs.
      note: shows a text.
      progress: shows a point whose run ended.

    Raises:
      SaeError: a run could not start, for a reason that holds for every point: no data, no space.
      KeyboardInterrupt: the sweep was interrupted, and so were the runs in progress.
    """
    engine = _Engine(root, pipeline, found, trials, note, progress)
    try:
        engine.run()
    except BaseException:
        engine.interrupt()
        trials.close(complete=False)
        raise
    ended = engine.read()
    trials.close(ended.is_complete)
    if ended.is_complete:
        with workers.locked(root):
            record.record(root, pipeline, ended)
        ended = engine.read()
    return ended


class _Engine:
    def __init__(
        self,
        root: Root,
        pipeline: Pipeline,
        definition: Definition,
        trials: Trials,
        note: Callable[[str], None],
        progress: Callable[[Point], None],
    ) -> None:
        self._root, self._pipeline, self._definition = root, pipeline, definition
        self._trials, self._note, self._progress = trials, note, progress
        self._active: list[Trial] = []
        self._combinations: dict[int, Mapping[str, Value]] = {}  # of points that this process started or will start
        self._queue: list[int] = []  # points to start
        self._tried: set[int] = set()  # points whose run ended in this process
        self._waits_for = ""
        self._seen: dict[int, int] = {}  # the last epoch of each point in progress that the source knows
        self._stopped_early: dict[int, int] = {}  # points that were stopped early, with the epoch
        self._source: CombinationSource  # from `run` on
        self._has_looked_for_objectives = False
        self._looked = 0.0  # when it last looked whether to prepare the next run

    def read(self) -> Sweep:
        """Read the sweep from its runs."""
        return results.read_from(self._root, self._pipeline, self._definition.name)

    def run(self) -> None:
        """Run until no point is left that this process has not tried."""
        self._wait_for_root()
        found = self.read()
        final = {one.number for one in found.points if one.state.is_final}
        numbers = range(1, self._definition.combinations + 1)
        done = [number for number in numbers if final.issuperset(self._definition.points_of(number))]
        self._tried = final
        self._look_for_objectives(found)
        self._source = self._make_source(found, done)
        if final:
            self._note(
                f"{len(final)} of {self._definition.size} points ended before; {len(done)} combinations are done"
            )
        while True:
            self._fill_queue()
            while self._queue and len(self._active) < self._trials.capacity and self._root_is_free():
                self._start(self._queue.pop(0))
            if not self._active and not self._queue:
                break
            time.sleep(_POLL)
            for trial in list(self._active):
                if trial.ended():
                    self._active.remove(trial)
                    self._end(trial)
                else:
                    self._watch(trial)

    def interrupt(self) -> None:
        """Interrupt the runs in progress, and wait for their end; a second signal kills them."""
        for trial in self._active:
            trial.interrupt()
        try:
            while self._active:
                time.sleep(_POLL)
                self._active = [trial for trial in self._active if not trial.ended()]
        except KeyboardInterrupt:
            for trial in self._active:
                trial.kill()
            raise

    def _make_source(self, found: Sweep, done: list[int]) -> CombinationSource:
        if not self._definition.is_search:
            return Grid(self._definition, done)
        from pipeline.sweeps.search import Search  # imports Optuna: 0.3 s

        seed = definitions.seed_of(self._definition, self._pipeline, {}, 0)
        search = Search(self._definition, files.folder(self._root, self._definition.name), seed, self._is_allowed)
        losses = {
            one.combination: {epoch.epoch: loss for epoch, loss in self._losses(self._root, one.run)}
            for one in found.points
            if one.number == self._definition.points_of(one.combination)[0]
            if one.state.is_final and self._definition.pruner != "none"
        }
        search.continue_from(found.combinations, found.points, losses)
        return search

    def _is_allowed(self, combination: Mapping[str, Value]) -> bool:
        try:
            definitions.settings_of(self._definition, self._pipeline, combination, self._definition.seeds - 1)
        except UsageError:
            return False
        return True

    @staticmethod
    def _losses(root: Root, run_id: str) -> list[tuple[EpochEnded, float]]:
        """Return the epochs of a run with their validation losses, without a penalty."""
        events = (one.event for one in event_log.read(root.path, run_id)) if run_id else ()
        epochs = (one for one in events if isinstance(one, EpochEnded))
        return [(one, one.val_reconstruction) for one in epochs if one.val_reconstruction is not None]

    def _fill_queue(self) -> None:
        while len(self._queue) + len(self._active) < self._trials.capacity:
            chosen = self._source.next()
            if chosen is None:
                return
            number, values = chosen
            self._combinations[number] = values
            self._queue += [point for point in self._definition.points_of(number) if point not in self._tried]

    def _start(self, point: int) -> None:
        combination, seed = self._definition.place_of(point)
        values = self._combinations[combination]
        assigned = definitions.assignments(self._definition, self._pipeline, values, seed)
        self._active.append(self._trials.start(point, assigned))

    def _root_is_free(self) -> bool:
        """Return whether a run can be started; say for which run this one waits."""
        text = self._trials.blocked_by()
        if text and text != self._waits_for and not self._active:
            self._note(f"waiting for {text}")
        self._waits_for = text
        return not text

    def _wait_for_root(self) -> None:
        """Wait for a run in progress, such as one that a killed sweep started."""
        while not self._root_is_free():
            time.sleep(_POLL)

    def _watch(self, trial: Trial) -> None:
        """Tell the source the losses of the epochs that ended, and stop the run if it says so."""
        self._prepare_next(trial)
        if trial.point in self._stopped_early or not trial.run_id or self._definition.pruner in ("", "none"):
            return
        for epoch, loss in self._losses(trial.root, trial.run_id):
            if epoch.epoch <= self._seen.get(trial.point, 0):
                continue
            self._seen[trial.point] = epoch.epoch
            if self._source.is_hopeless(trial.point, epoch.epoch, epoch.epochs, loss) and epoch.epoch < epoch.epochs:
                self._stopped_early[trial.point] = epoch.epoch
                trial.interrupt()
                return

    def _prepare_next(self, trial: Trial) -> None:
        """Prepare the next run when this one has been trained: what follows does not keep all processors busy."""
        to_come = self._definition.size - len(self._tried) - len(self._active)
        if not to_come or not trial.run_id or time.monotonic() < self._looked + _POLL_EPOCHS:
            return
        self._looked = time.monotonic()
        events = (one.event for one in reversed(event_log.read(trial.root.path, trial.run_id)))
        last = next((one for one in events if isinstance(one, EpochEnded)), None)
        if last is not None and last.epoch == last.epochs:
            self._trials.prepare()

    def _end(self, trial: Trial) -> None:
        """Take the result of a run that ended."""
        code = trial.exit_code()
        if code == ExitCode.LOCKED:  # another run was faster
            self._queue.insert(0, trial.point)
            return
        if not trial.run_id and code is not None and code > 0:  # for a reason that holds for every point
            reason = trial.error() or f"sae run ended with {code}"
            raise of_exit_code(code, f"the run of point {trial.point} did not start: {reason}")
        if trial.point in self._stopped_early and code == ExitCode.INTERRUPTED:
            self._record_pruned(trial)
        run_id = trial.run_id
        self._trials.finish(trial)
        self._tried.add(trial.point)
        found = self.read()
        point = next((one for one in found.points if one.number == trial.point), None)
        if point is None or point.run != run_id:
            why = f"it was killed by {signal_name(-code)}" if code is not None and code < 0 else "it recorded nothing"
            self._note(f"the run of point {trial.point} ended early: {why}")
        else:
            if point.state == PointState.PRUNED:  # the other seeds are not run
                siblings = self._definition.points_of(point.combination)
                self._tried.update(set(siblings) & set(self._queue))
                self._queue = [number for number in self._queue if number not in siblings]
            self._progress(point)
        self._look_for_objectives(found)
        self._report(found, self._definition.place_of(trial.point)[0])

    def _look_for_objectives(self, found: Sweep) -> None:
        """Say, when the first point has succeeded, if it lacks an objective.

        Raises:
          UsageError: it does, and the search would choose without any result.
        """
        if self._has_looked_for_objectives or all(one.state != PointState.SUCCEEDED for one in found.points):
            return
        self._has_looked_for_objectives = True
        sought = results.lacking(found)
        if sought is None:
            return
        other = definitions.headline_of(self._pipeline, found.metrics)
        name, metric = self._definition.name, other.metric if other else "METRIC"
        text = f"the runs of sweep {name} have no {sought.chosen_by}, by which it chooses"
        if self._definition.sampler == "tpe":
            raise UsageError(
                f"{text}, so the search stops: give the same under another name with "
                f"{other.option if other else '--minimise METRIC'}; what has run is cached"
            )
        self._note(f"{text}: no combination will be the best; `sae sweep best {name} --by {metric}` compares them")

    def _report(self, found: Sweep, combination: int) -> None:
        """Tell the source the result of a combination, when all its points were tried."""
        numbers = self._definition.points_of(combination)
        if not self._tried.issuperset(numbers):
            return
        result = next((one for one in found.combinations if one.number == combination), None)
        if result is not None:
            self._source.report(result, [one for one in found.points if one.number in numbers])

    def _record_pruned(self, trial: Trial) -> None:
        with workers.locked(trial.root):
            pruned = {run_properties.PRUNED: self._stopped_early[trial.point]}
            MetadataWriter(trial.root).end_run(trial.run_id, pruned)


def check_root(root: Root, metadata: str) -> None:
    """Check that a root can be written, and create its folders and its store.

    Args:
      root: the root.
      metadata: URL of its store, for a root without runs; empty for that of the root.

    Raises:
      LockedError: the store must be created, and a run holds the root.
      UnavailableError: the root or the store cannot be used.
      UsageError: the runs of the root are recorded elsewhere.
    """
    found = root_store.given(root, metadata)
    root.create()
    if metadata and not found.exists():
        with root_store.lock(root, metadata):
            pass
