"""What a worker of a Dask cluster does for a sweep: show its installation, and run a trial.

The worker runs `sae run` as a process of its own, which ends with it. Dask repeats the task of a worker that died: the
next attempt waits until the earlier one has left the root, and takes over what it finished.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
import socket
import sys
import time
from collections.abc import Mapping
from typing import Any

from components.errors import cause_text
from pipeline.core import parent_process, regular_file, root_lock
from pipeline.core.errors import ExitCode, SaeError
from pipeline.core.pipeline_root import Root
from pipeline.core.project import PROJECT
from pipeline.definition.spec import DEFAULT_PIPELINE, PIPELINE_VARIABLE, load
from pipeline.metadata import run_properties
from pipeline.metadata.store import open_store
from pipeline.orchestration.portable import worker_identity
from pipeline.orchestration.portable.worker_identity import Identity
from pipeline.provenance import numeric_variables
from pipeline.scheduler.run_process import Child, Watch
from pipeline.sweeps.trials import INTERRUPT_GRACE, last_error, read_run_id

_POLL = 0.2  # seconds between two looks at the process
_ASK = 1.0  # seconds between two questions to the scheduler whether to interrupt it
_PASSED_ON = (PIPELINE_VARIABLE, "TFDS_DATA_DIR")  # variables that a trial has from the process that asked for it
_EXIT_CODES = {"succeeded": ExitCode.DONE, "failed": ExitCode.NODE_FAILED, "cancelled": ExitCode.INTERRUPTED}


@dataclasses.dataclass(frozen=True)
class WorkerState:
    """What a worker shows before it gets work.

    Attributes:
      host: the name of its host.
      identity: its code, lock, Python and packages.
      token: the text of the token file; empty if it cannot be read.
      problem: why the token file cannot be read, or its folder not be written.
    """

    host: str
    identity: Identity
    token: str
    problem: str


@dataclasses.dataclass(frozen=True)
class Order:
    """A trial to run.

    Attributes:
      root: the folder of the root in which it runs.
      options: of `sae run`.
      run_file: to which `sae run` writes the id of the run.
      output: for the output of `sae run`.
      environment: variables of the process that asked.
      pipeline: where the pipeline is declared, `MODULE:NAME`; empty for the default one.
      identity: of the process that asked.
      interrupt: the name of the Dask event that interrupts it.
    """

    root: pathlib.Path
    options: tuple[str, ...]
    run_file: pathlib.Path
    output: pathlib.Path
    environment: Mapping[str, str]
    pipeline: str
    identity: Identity
    interrupt: str


@dataclasses.dataclass(frozen=True)
class TrialOutcome:
    """How a trial ended.

    Attributes:
      exit_code: of `sae run`; minus the signal's number if a signal ended it.
      error: the last error that it printed.
      refused: why this worker did not run it.
    """

    exit_code: int | None
    error: str = ""
    refused: str = ""


def identity(pipeline: str) -> Identity:
    """Return what this process has, with the code of a pipeline, `MODULE:NAME` or empty for the default one."""
    return worker_identity.here(load(pipeline or DEFAULT_PIPELINE))


def state(token: pathlib.Path, pipeline: str) -> WorkerState:
    """Return the state of this worker.

    Args:
      token: a file in the root.
      pipeline: as of `identity`.
    """
    text = problem = ""
    try:
        text = regular_file.text(token)
        if not os.access(token.parent, os.W_OK | os.X_OK):
            problem = f"cannot write {token.parent}"
    except OSError as error:
        problem = f"cannot read {token}: {cause_text(error)}"
    return WorkerState(socket.gethostname(), identity(pipeline), text, problem)


def environment() -> dict[str, str]:
    """Return the variables of this process that its trials get on a worker."""
    passed = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    return {**passed, **numeric_variables.recorded(os.environ)}


def refusal(name: str, host: str, differences: str) -> str:
    """Return the error of a worker whose code or packages differ; `name`: that of the worker."""
    return (
        f"the Dask worker {name} on host {host} has another installation: {differences}; start it from the same code "
        "and lock as here"
    )


def run(order: Order) -> TrialOutcome:
    """Run a trial, as a task of Dask, and return how it ended."""
    import distributed

    worker = distributed.get_worker()
    key = worker.get_current_task()
    if differences := worker_identity.differences(order.identity, identity(order.pipeline)):
        return TrialOutcome(None, refused=refusal(str(worker.name), socket.gethostname(), differences))
    return _run(order, _Wish(worker, key, distributed.Event(order.interrupt)))


class _Wish:
    """Whether the process that asked still wants the trial. It may be gone, or this worker may be closing."""

    def __init__(self, worker: Any, key: str, interrupt: Any) -> None:
        self._worker, self._key, self._interrupt = worker, key, interrupt
        self._asked, self._lasts = 0.0, True

    def lasts(self) -> bool:
        if self._lasts:
            task = self._worker.state.tasks.get(self._key)
            self._lasts = task is not None and task.state == "executing"
        if self._lasts and time.monotonic() > self._asked + _ASK:
            self._asked = time.monotonic()
            try:
                self._lasts = not self._interrupt.is_set()
            except Exception:  # the scheduler is gone
                self._lasts = False
        return self._lasts


def _run(order: Order, wish: _Wish) -> TrialOutcome:
    root = Root(order.root)
    while wish.lasts():
        if root_lock.holder(root.lock_file) is None:
            ended = _earlier_attempt(order, root) or _attempt(order, wish)
            if ended.exit_code != ExitCode.LOCKED:  # another run was faster
                return ended
        time.sleep(_POLL)
    return TrialOutcome(int(ExitCode.INTERRUPTED))


def _earlier_attempt(order: Order, root: Root) -> TrialOutcome | None:
    """Return how the run of an earlier attempt ended; None if it did not, or there was none."""
    try:
        run_id = read_run_id(order.run_file)
        context = open_store(root, read_only=True).run_context(run_id) if run_id else None
    except (OSError, SaeError):
        return None
    ended = str(context.properties.get(run_properties.END_PROPERTY, "")) if context else ""
    return TrialOutcome(int(_EXIT_CODES[ended]), last_error(order.output)) if ended in _EXIT_CODES else None


def _attempt(order: Order, wish: _Wish) -> TrialOutcome:
    command = (sys.executable, "-m", "pipeline", "run", *order.options, "--run-id-file", str(order.run_file))
    affecting = numeric_variables.affecting(os.environ)  # Dask sets some
    found = {name: value for name, value in os.environ.items() if name not in affecting}
    child = Child(command, order.output, PROJECT, parent_process.environment({**found, **order.environment}))
    watch = Watch(child, timeout=0.0, since=0.0, grace=INTERRUPT_GRACE)
    try:
        child.open_gate()
        while not watch.ended():
            if not wish.lasts():
                watch.interrupt("the sweep does not want it any more")
            time.sleep(_POLL)
    except BaseException:
        child.kill()
        raise
    return TrialOutcome(child.exit_code(), last_error(order.output))
