"""The commands that change schedules, and `sae schedule export`."""

from __future__ import annotations

import contextlib
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

import click

from pipeline.cli import completion, output
from pipeline.cli.command import command
from pipeline.cli.options import (
    LocalPath,
    current_pipeline,
    resolve_root,
    root_option,
    schedule_argument,
    setting_options,
    together,
)
from pipeline.cli.schedule_read import note_damaged, retention
from pipeline.core import settings
from pipeline.core.errors import NotFoundError, SaeError, UnavailableError, UsageError
from pipeline.core.pipeline_root import Root
from pipeline.core.text import escaped
from pipeline.scheduler import status, times, triggers, wording
from pipeline.scheduler.export import common, crontab
from pipeline.scheduler.export import systemd as systemd_units
from pipeline.scheduler.store import ScheduleDatabase, check_name
from pipeline.scheduler.types import DATA_CHECK_INTERVAL, Schedule, Timing, Work
from pipeline.sweeps import files
from pipeline_config import SchedulePolicies

_NEXT = 3  # times that `add` and `resume` print
_DURATIONS = ("max_late", "jitter", "retry_wait", "timeout")
# The help of the policies for overlapping, late, missed, failed and hung runs.
_POLICIES = {
    "overlap": "When the root is locked by a run: skip the tick, or start it afterwards.",
    "catch_up": "Missed ticks to run later, newest first.",
    "catch_up_limit": "Maximum number of them, with all.",
    "max_late": "Start a tick up to TIME late; later it is missed.",
    "jitter": "Delay each start by up to TIME, to spread load.  [default: 0s]",
    "retries": "Maximum number of retries after a transient failure.",
    "retry_wait": "Wait before the first retry; doubled each time.",
    "timeout": "Interrupt a run that takes longer.  [default: never]",
    "on_failure": "Run COMMAND after a failure, with the run's JSON on its input.",
    "on_success": "Run COMMAND after a success, in the same way.",
}
cron_option = click.option(
    "--cron",
    metavar="TEXT",
    help='Cron expression with five fields, "0 3 * * *" is every day at 03:00, or @daily, @hourly and their like.',
)
zone_option = click.option("--zone", metavar="ZONE", help="Time zone of --cron, such as Europe/Berlin.  [default: UTC]")


def _policy_option(name: str) -> Any:
    """Return the option of a policy: with its choices and default, if that is neither empty nor 0."""
    declared = SchedulePolicies.settings()[name]
    kind: Any = click.Choice(declared.choices) if declared.choices else str
    metavar, shown = "|".join(declared.choices) or "COMMAND", str(declared.default)
    if name in _DURATIONS:
        metavar, shown = "TIME", _duration(float(declared.default))
    elif isinstance(declared.default, int):
        metavar, kind = "N", int
    default = f"  [default: {shown}]" if declared.default else ""
    return click.option(f"--{name.replace('_', '-')}", type=kind, metavar=metavar, help=f"{_POLICIES[name]}{default}")


def _duration(seconds: float) -> str:
    units = ((times.DAY, "d"), (times.HOUR, "h"), (times.MINUTE, "m"), (1, "s"))
    size, unit = next((size, unit) for size, unit in units if seconds % size == 0)
    return f"{seconds / size:g}{unit}"


@command("add")
@click.argument("name", metavar="NAME")
@cron_option
@click.option("--every", metavar="TIME", help="Interval, such as 30s, 15m, 6h, 1d or 1h30m.")
@click.option(
    "--on-data-change",
    is_flag=True,
    help=f"Run when the data changed; checked every {DATA_CHECK_INTERVAL / 60:g} min, change with --every.",
)
@zone_option
@click.option(
    "--sweep",
    default="",
    metavar="NAME",
    shell_complete=completion.sweeps,
    help="Run this sweep again instead of a single run: `sae sweep run NAME --again`.",
)
@click.option("--replace", is_flag=True, help="Replace the schedule of this name, if there is one.")
@setting_options
@together(*map(_policy_option, _POLICIES))
def add_command(
    request: settings.Request,
    name: str,
    sweep: str,
    cron: str | None,
    every: str | None,
    on_data_change: bool,
    zone: str | None,
    replace: bool,
    **policies: Any,
) -> None:
    """Add a schedule. It runs what `sae run` with the same options would run.

    The configuration and the data that it chooses are checked now; it is read again at each run, so a --config file may
    change in between. With --replace, options that are not given have their defaults, history stays, and a paused
    schedule stays paused. TIME is such as 45s, 10m, 6h, 1d or 1h30m.
    """
    check_name(name)
    timing = timing_of(cron, every, on_data_change, zone)
    if sweep and not request.is_empty:
        raise UsageError("--sweep excludes --profile, --config, --set and --seed: a sweep has settings of its own")
    work, folder = work_of(request, pathlib.Path.cwd())
    if sweep:
        if on_data_change:
            raise UsageError("--sweep works with --cron and --every: --on-data-change follows the data of one run")
        files.read(Root.at(folder), sweep)  # raises an error if there is no such sweep
        work = Work(work.profile, sweep=sweep)
    else:
        with contextlib.suppress(UnavailableError):  # the data may be there by then
            current_pipeline().data.look_up(settings.resolve(request))
    added = Schedule(name, timing, work, _policies(policies), times.as_text(times.now()))
    place = Root.at(folder)
    place.create()
    with ScheduleDatabase.open(place.path) as database:
        stored, verb = _store(database, added, replace)
        note_damaged(database, place.path)
    _print(stored, place.path, verb, retention(work))
    if not sweep:
        _warn_of_dataset(request)


def _warn_of_dataset(request: settings.Request) -> None:
    """Print a warning if ticks may not read the data set of the runs in the root."""
    from pipeline.orchestration import plan  # the other commands need neither
    from pipeline.orchestration import request as runs

    with contextlib.suppress(SaeError, OSError):  # the schedule is added; a tick says what is wrong with the root
        if warning := plan.dataset_warning(runs.RunRequest(current_pipeline(), request)):
            output.note(f"warning: {warning}")


def _store(database: ScheduleDatabase, schedule: Schedule, replace: bool) -> tuple[Schedule, str]:
    """Add a schedule, or replace that of its name; return it as it is stored, and what was done."""
    with contextlib.suppress(NotFoundError):
        if replace:
            return database.replace(schedule), "replaced"
    database.add(schedule)
    return schedule, "added"


def timing_of(cron: str | None, every: str | None, on_data_change: bool, zone: str | None) -> Timing:
    """Return the timing. Raises `UsageError` unless exactly one kind is given and valid."""
    if (cron is not None) + (every is not None and not on_data_change) + on_data_change != 1:
        raise UsageError(
            'give one of --cron, such as "0 3 * * *", --every, such as 6h, and --on-data-change (with it --every is '
            "the time between checks of the data)"
        )
    if cron is not None:
        return triggers.cron(cron, zone or "UTC")
    if zone is not None:
        raise UsageError(f"--zone {zone} works with --cron only: an interval is the same in every time zone")
    if on_data_change:
        return triggers.on_data_change(f"{int(DATA_CHECK_INTERVAL)}s" if every is None else every)
    assert every is not None  # else the first check fails
    return triggers.every(every)


def work_of(request: settings.Request, folder: pathlib.Path) -> tuple[Work, pathlib.Path]:
    """Return the options of a tick's run and the root, with absolute paths; check the configuration."""
    resolved = settings.resolve(request)
    config = resolved.config
    assignments = list(request.assignments)
    data_dir = str(config.values().get("data.data_dir", ""))
    if data_dir and not pathlib.Path(data_dir).is_absolute():
        assignments.append(f"data.data_dir={folder / data_dir}")  # the daemon may run in another folder
    config_file = str(folder / request.config_file) if request.config_file else ""
    return Work(resolved.profile, config_file, tuple(assignments), request.seed), folder / config.paths.root


def _policies(given: Mapping[str, Any]) -> SchedulePolicies:
    """Return the policies given, with defaults for the others. Raises `UsageError`."""
    values = {name: value for name, value in given.items() if value is not None}
    for name in _DURATIONS:
        if name in values:
            values[name] = times.duration(values[name], f"--{name.replace('_', '-')}")
    try:
        return SchedulePolicies(**values)
    except ValueError as error:
        raise UsageError(str(error)) from error


@command("pause")
@schedule_argument
@root_option
def pause_command(name: str, root: str | None) -> None:
    """Pause a schedule until it is resumed. A current run continues."""
    with _database(root, name) as (database, folder):
        _print(database.pause(name), folder, "paused")


@command("resume")
@schedule_argument
@root_option
def resume_command(name: str, root: str | None) -> None:
    """Resume a paused schedule from now on; ticks during the pause are not caught up."""
    with _database(root, name) as (database, folder):
        _print(database.resume(name), folder, "resumed")


@command("remove")
@schedule_argument
@root_option
def remove_command(name: str, root: str | None) -> None:
    """Remove a schedule. Its history stays, and a current run continues."""
    with _database(root, name, removes=True) as (database, _):
        database.remove(name)
        has_ticks = bool(database.ticks(name, 1))
    output.write(f"removed {name}" + (f"; `sae schedule history {name}` still lists its ticks" if has_ticks else ""))


@command("trigger")
@schedule_argument
@root_option
def trigger_command(name: str, root: str | None) -> None:
    """Run a schedule now, or as soon as the root is free, even when it is paused. The daemon starts the run."""
    with _database(root, name) as (database, folder):
        tick = database.trigger(name)
    planned = f"{wording.stamp(tick.planned)} UTC"
    output.write(f"requested a run of {name}, tick {planned}: the daemon starts it as soon as it can")
    _warn(folder)


@command("export")
@click.argument("name", metavar="[NAME]", default="", shell_complete=completion.schedules)
@click.option("--all", "every", is_flag=True, help="Export all schedules that are not paused.")
@click.option("--systemd", is_flag=True, help="Write a systemd service and timer for each.")
@click.option("--cron", is_flag=True, help="Write a crontab line for each.")
@click.option("--to", "folder", type=LocalPath(), metavar="DIR", help="Write the units to DIR as files.")
@root_option
def export_command(
    name: str, every: bool, systemd: bool, cron: bool, folder: pathlib.Path | None, root: str | None
) -> None:
    """Print schedules as systemd units or crontab lines, for machines where systemd or cron starts the runs.

    They support less than `sae schedule run`; comments list what is left out.
    """
    if bool(name) == every:
        raise UsageError("give either the name of a schedule or --all")
    if systemd == cron:
        raise UsageError("give either --systemd or --cron")
    if folder and cron:
        raise UsageError("--to works with --systemd; install crontab lines with `crontab -e`")
    place = resolve_root(root).path
    with ScheduleDatabase.read(place) as database:
        chosen = database.schedules() if every else (database.schedule(name),)
        note_damaged(database, place)
    if not chosen:
        raise NotFoundError(f"no schedule in {place}: {wording.HOW_TO_ADD}")
    if every:
        chosen = tuple(one for one in chosen if not one.paused)
    calls = [(one, common.call(one, place, pathlib.Path.cwd(), "cron" if cron else "systemd")) for one in chosen]
    if cron:
        output.write("\n".join(crontab.lines(*pair) for pair in calls).rstrip())
        return
    units = {name: text for pair in calls for name, text in systemd_units.units(*pair).items()}
    if folder is None:
        output.write("\n".join(f"# {name}\n{text}" for name, text in units.items()).rstrip())
        return
    for path in common.write(units, folder):
        output.write_data(escaped(path))


@contextlib.contextmanager
def _database(root: str | None, name: str, removes: bool = False) -> Iterator[tuple[ScheduleDatabase, pathlib.Path]]:
    """Open the schedule database of a root to change a schedule; return the root's folder too."""
    folder = resolve_root(root).path
    with ScheduleDatabase.read(folder) as database:
        if not (removes and name in database.unreadable()):
            database.schedule(name)  # an unknown name is an error, and creates no database
    with ScheduleDatabase.open(folder) as database:
        yield database, folder
        note_damaged(database, folder)


def _print(changed: Schedule, folder: pathlib.Path, verb: str, kept: str = "") -> None:
    """Print the change, the next times, and what is kept after a run."""
    output.write(f"{verb} {changed.name}: {triggers.explain(changed.timing)}")
    now = times.now()
    zone = changed.timing.zone
    count = 0 if changed.paused else _NEXT
    for when in triggers.next_times(changed.timing, times.from_text(changed.created), now, count):
        text = times.as_text(when)
        utc = "" if zone == "UTC" else f"{wording.stamp(text)} UTC, "
        output.write(f"next: {wording.moment(text, zone)} ({utc}{wording.distance(text, now)})")
    if kept:
        output.write(f"retention: {kept}")
    if not changed.paused:
        _warn(folder)


def _warn(folder: pathlib.Path) -> None:
    """Print a note if no daemon runs."""
    daemon = status.daemon(folder)
    if daemon.state in ("stopped", "silent"):
        output.note(f"the daemon is {daemon.state}: start it with `sae schedule run`")
