"""Trials: the runs of points, each a process `sae run` in a session of its own.

`Trials` is what the engine asks for a run of a point. `LocalTrials` starts one at a time in the root of the sweep.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import pathlib
import shutil
import sys
import time
from collections.abc import Sequence
from typing import Protocol

from pipeline.core import memory, regular_file, root_lock
from pipeline.core.pipeline_root import Root
from pipeline.core.project import PROJECT
from pipeline.metadata import sweep_trigger as trigger
from pipeline.scheduler import attempt_result
from pipeline.scheduler.run_process import Child, GatedChild, Watch
from pipeline.sweeps import files
from pipeline_config import EngineConfig

INTERRUPT_GRACE = 20.0  # seconds between interrupt and kill
_RUN = (sys.executable, "-m", "pipeline", "run")
_STANDBY = (sys.executable, "-m", "pipeline.cli.standby")
_STANDBY_MIB = 4_096  # of memory, with which it is started: it takes some 700, a run on MNIST twice that
_POLL = 0.02  # seconds between two looks at a process that was killed


class Trial(Protocol):
    """The run of a point, in progress or ended.

    Attributes:
      point: the number of the point.
      root: the root in which it runs.
    """

    point: int
    root: Root

    @property
    def run_id(self) -> str:
        """The id of the run; empty before it has one."""

    def ended(self) -> bool:
        """Return whether it ended."""

    def exit_code(self) -> int | None:
        """Return its exit code; minus the signal's number if a signal ended it; None if unknown."""

    def error(self) -> str:
        """Return the last line of its output that begins with `error: `, without that; empty if there is none."""

    def interrupt(self) -> None:
        """Interrupt it as Ctrl-C does; it is killed if it does not end."""

    def kill(self) -> None:
        """Kill it."""


class Trials(Protocol):
    """Starts runs of points."""

    @property
    def capacity(self) -> int:
        """How many may be in progress at once, now."""

    def blocked_by(self) -> str:
        """Return what prevents a start now, such as a run of a user; empty if nothing does."""

    def prepare(self) -> None:
        """Prepare the start of the next run, while another one is in progress."""

    def start(self, point: int, settings: Sequence[str]) -> Trial:
        """Start the run of a point; `settings`: values of `--set`."""

    def finish(self, trial: Trial) -> None:
        """Bring the run of a trial that ended into the root of the sweep, and remove what it left behind."""

    def close(self, complete: bool) -> None:
        """Remove what is left when no trial is in progress; `complete`: whether no point is left to run."""


class Standby:
    """A process that imports TensorFlow and TFX before it is told which run to start."""

    def __init__(self, root: Root, engine: EngineConfig, folder: pathlib.Path) -> None:
        """Start it; `engine`: of the run, `folder`: for its output."""
        self._output = folder / "standby.output"
        values = json.dumps(dataclasses.asdict(engine))
        self._child = GatedChild((*_STANDBY, str(root.path), values), self._output, PROJECT, os.environ)

    def become(self, options: Sequence[str], output: pathlib.Path) -> Child:
        """Let it start a run with options of `sae run`, and move its output; return its process.

        Raises:
          OSError: it has ended, as when it was killed.
        """
        if self._child.ended():
            raise ProcessLookupError(f"process {self._child.id} has ended")
        self._output.replace(output)
        self._child.open_gate(json.dumps(list(options)))
        return self._child

    def end(self) -> None:
        """End it, without a run."""
        self._child.kill()
        while not self._child.ended():
            time.sleep(_POLL)


class LocalTrial:
    """A run of a point by a process of this machine."""

    def __init__(
        self, point: int, root: Root, options: Sequence[str], folder: pathlib.Path, standby: Standby | None = None
    ) -> None:
        """Start it.

        Args:
          point: the number of the point.
          root: the root in which it runs.
          options: of `sae run`.
          folder: for its output and its id.
          standby: the process that starts it; None, or one that has ended: a new one does.
        """
        self.point = point
        self.root = root
        self._run_file = folder / f"{point}.run"
        self._output = folder / f"{point}.output"
        self._run_file.unlink(missing_ok=True)
        child = self._child((*options, "--run-id-file", str(self._run_file)), standby)
        self._watch = Watch(child, timeout=0.0, since=0.0, grace=INTERRUPT_GRACE)

    def _child(self, options: Sequence[str], standby: Standby | None) -> Child:
        if standby is not None:
            with contextlib.suppress(OSError):
                return standby.become(options, self._output)
        child = Child((*_RUN, *options), self._output, PROJECT, os.environ)
        child.open_gate()
        return child

    @property
    def run_id(self) -> str:
        return read_run_id(self._run_file)

    def ended(self) -> bool:
        return self._watch.ended()

    def exit_code(self) -> int | None:
        return self._watch.process.exit_code()

    def error(self) -> str:
        return last_error(self._output)

    def interrupt(self) -> None:
        self._watch.interrupt("the sweep was interrupted")

    def kill(self) -> None:
        self._watch.process.kill()


def read_run_id(file: pathlib.Path) -> str:
    """Return the id that `sae run` wrote to a file; empty if it has not, or the file is damaged."""
    with contextlib.suppress(OSError, ValueError):
        return regular_file.text(file).strip()
    return ""


def last_error(output: pathlib.Path) -> str:
    """Return the last error in a file with the output of `sae run`; empty if there is none."""
    with contextlib.suppress(OSError):
        return attempt_result.last_error(regular_file.text(output, "replace"))
    return ""


class LocalTrials:
    """Runs one point at a time in the root of the sweep.

    Attributes:
      root: of the sweep.
      sweep: its name.
      folder: for the output of trials.
    """

    capacity = 1

    def __init__(
        self, root: Root, sweep: str, profile: str, nodes: Sequence[str], engine: EngineConfig | None = None
    ) -> None:
        """Create the folder for the output of trials.

        Args:
          root: the root of the sweep.
          sweep: its name.
          profile: the profile of its runs.
          nodes: the last nodes that they run.
          engine: the settings of the engine, if all have the same. While one run evaluates its model, the process of
            the next one imports TensorFlow and TFX with them.
        """
        self.root, self.sweep, self._profile, self._nodes = root, sweep, profile, nodes
        self.folder = files.folder(root, sweep) / "trials"
        self.folder.mkdir(parents=True, exist_ok=True)
        self._engine = engine
        self._standby: Standby | None = None

    def prepare(self) -> None:
        if self._engine is not None and self._standby is None and memory.limit_mib() >= _STANDBY_MIB:
            with contextlib.suppress(OSError):  # then the next run starts as the first one did
                self._standby = Standby(self.root, self._engine, self.folder)

    def blocked_by(self) -> str:
        holder = root_lock.holder(self.root.lock_file)
        return "" if holder is None else f"the run that holds the root: {holder}"

    def start(self, point: int, settings: Sequence[str]) -> LocalTrial:
        standby, self._standby = self._standby, None
        return LocalTrial(point, self.root, self.options(self.root, point, settings), self.folder, standby)

    def options(self, root: Root, point: int, settings: Sequence[str]) -> tuple[str, ...]:
        """Return the options of `sae run` for a point, in a root."""
        options = ["--profile", self._profile] if self._profile else []
        for one in settings:
            options += ["--set", one]
        options += ["--to-node", ",".join(self._nodes)]
        options += ["--root", str(root.path), "--trigger", trigger.as_text(self.sweep, point)]
        if root != self.root:  # its runs have ids that no other root gives at the same time
            options += ["--run-id-suffix", f"w{root.path.name}"]
        return tuple(options)

    def finish(self, trial: Trial) -> None:
        for kind in ("run", "output"):
            (self.folder / f"{trial.point}.{kind}").unlink(missing_ok=True)

    def close(self, complete: bool) -> None:
        del complete
        if self._standby is not None:
            self._standby.end()
            self._standby = None
        shutil.rmtree(self.folder, ignore_errors=True)
