"""Export the pipeline as a DAG of Apache Airflow 2 or 3."""

from __future__ import annotations

import dataclasses
import datetime
import pathlib
import re
import shlex
from collections.abc import Iterator

from pipeline.core.errors import ExitCode, UsageError
from pipeline.definition.spec import Pipeline
from pipeline.export.tasks import tasks_of
from pipeline.export.template import quoted, render
from pipeline.scheduler import times, triggers
from pipeline.scheduler.attempt_result import TRANSIENT
from pipeline.scheduler.attempts import LONGEST_RETRY_WAIT
from pipeline.scheduler.export import common
from pipeline.scheduler.types import CatchUp, Schedule, Timing, TimingKind, Work
from pipeline_config import SchedulePolicies

_ID = re.compile(r"[A-Za-z0-9_.-]{1,250}")


@dataclasses.dataclass(frozen=True)
class DagRequest:
    """What a DAG runs, and when.

    Attributes:
      name: the id of the DAG.
      work: the options of `sae run`.
      root: the pipeline root, absolute.
      folder: working directory of the tasks, absolute: the base of relative paths in settings.
      timing: when it runs; None: only when it is triggered.
      policies: retries, timeout and missed runs.
      start: from when on it is scheduled.
      origin: the options that it was exported with, for its first lines.
    """

    name: str
    work: Work
    root: pathlib.Path
    folder: pathlib.Path
    timing: Timing | None
    policies: SchedulePolicies
    start: datetime.datetime
    origin: str = ""


def midnight(now: datetime.datetime, timing: Timing | None) -> datetime.datetime:
    """Return the beginning of this day in the time zone of a DAG."""
    return now.astimezone(triggers.zone_of(_zone(timing))).replace(hour=0, minute=0, second=0, microsecond=0)


def of_schedule(
    schedule: Schedule, name: str, root: pathlib.Path, folder: pathlib.Path, now: datetime.datetime
) -> DagRequest:
    """Return the request for a schedule. `now`: from when on missed runs are caught up, if all are.

    Raises:
      UsageError: only the daemon can run the schedule, or it runs a sweep.
    """
    common.check(schedule)
    if schedule.work.sweep:
        raise UsageError(
            f"schedule {schedule.name} cannot be exported: it runs the sweep {schedule.work.sweep}, and a DAG runs the "
            "nodes of one run; use `sae schedule export`"
        )
    start = now if schedule.policies.catch_up == CatchUp.ALL else times.from_text(schedule.created)
    origin = f" --schedule {schedule.name}"
    return DagRequest(name, schedule.work, root, folder, schedule.timing, schedule.policies, start, origin)


def dag(pipeline: Pipeline, request: DagRequest) -> str:
    """Return the text of a Python file with the DAG.

    Raises:
      UsageError: Airflow does not allow the id.
    """
    if not _ID.fullmatch(request.name):
        raise UsageError(
            f"a DAG cannot be called {request.name!r}: an id has 1 to 250 letters, digits, '-', '_' and '.'; give "
            "another one with --name"
        )
    command = (*common.program(), *pipeline.options, *request.work.command(), "--root", str(request.root))
    nodes, whole = tasks_of(pipeline)
    policies, zone = request.policies, _zone(request.timing)
    start = request.start.astimezone(triggers.zone_of(zone))
    return render(
        "dag.py.jinja",
        request=request,
        pipeline=pipeline,
        command=_untemplated(shlex.join(command)),
        folder=_untemplated(str(request.folder)),
        environment={name: _untemplated(value) for name, value in common.environment().items()},
        nodes=nodes,
        whole=whole,
        judged=[task.name for task in nodes if task.judged],
        gate_failed=int(ExitCode.GATE_FAILED),
        final=sorted(int(code) for code in set(ExitCode) - TRANSIENT - {ExitCode.DONE}),
        schedule=_schedule(request.timing),
        start=", ".join(map(str, start.timetuple()[:6])),
        zone=zone,
        catch_up=policies.catch_up == CatchUp.ALL,
        policies=policies,
        longest_wait=LONGEST_RETRY_WAIT,
        left_out=list(_left_out(request)),
    )


def _zone(timing: Timing | None) -> str:
    return timing.zone if timing else "UTC"


def _schedule(timing: Timing | None) -> str:
    """Return the schedule as a Python expression."""
    if timing is None:
        return "None"
    if timing.kind is TimingKind.EVERY:
        return f"timedelta(seconds={times.as_number(timing.every)})"
    return quoted(timing.cron)


def _untemplated(text: str) -> str:
    """Return a text that Airflow's templates leave as it is."""
    return text.replace("{", "{{ '{' }}")


def _left_out(request: DagRequest) -> Iterator[str]:
    """Yield what the daemon does and Airflow does not, one line each."""
    policies = request.policies
    if request.timing is None:
        return
    if policies.catch_up == CatchUp.NONE:
        yield "The newest missed run is caught up; Airflow cannot leave it out."
    if policies.jitter:
        yield f"Left out: jitter of up to {times.in_words(policies.jitter)}."
    for when, command in (("failure", policies.on_failure), ("success", policies.on_success)):
        if command:
            yield f"Left out: the command after a {when}; Airflow has callbacks for that."
