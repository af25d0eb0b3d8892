"""The commands that read schedules: `sae schedule list`, `show`, `next`, `history` and `status`."""

from __future__ import annotations

import datetime
import pathlib

import click

from pipeline.cli import completion, output
from pipeline.cli.command import command
from pipeline.cli.options import (
    current_pipeline,
    json_option,
    limit_option,
    number_option,
    resolve_root,
    root_option,
    schedule_argument,
)
from pipeline.core import settings
from pipeline.core.errors import SaeError
from pipeline.core.text import counted
from pipeline.scheduler import history, status, times, wording
from pipeline.scheduler.store import ScheduleDatabase
from pipeline.scheduler.types import Planned, Work
from pipeline.terminal import json_documents, schedules

_NEXT = 5  # times of a schedule that `show` prints; `list` needs the first
_MAX_DAMAGED = 5  # damaged rows named
_TICKS = 10  # of its history
_optional_name = click.argument("name", metavar="[NAME]", default="", shell_complete=completion.schedules)


@command("list")
@root_option
@json_option
def list_command(root: str | None, as_json: bool) -> None:
    """List schedules: trigger, next time, last result, options of `sae run`."""
    folder, now, found = _planned(root, 1)
    daemon = status.daemon(folder)
    if as_json:
        output.write_json(json_documents.schedules(found, daemon))
        return
    if found:
        output.write(schedules.list_text(output.screen(), found, now))
    output.note(schedules.note(found, daemon, str(folder)))


@command("show")
@schedule_argument
@root_option
@json_option
def show_command(name: str, root: str | None, as_json: bool) -> None:
    """Show a schedule: trigger, options of `sae run`, next times, policies, newest ticks."""
    folder, now, [found] = _planned(root, _NEXT, name)
    with ScheduleDatabase.read(folder) as database:
        ticks = database.ticks(name, history.MAX_READ)
    if as_json:
        output.write_json(json_documents.schedule(found, ticks[:_TICKS]))
    else:
        groups = history.group(ticks)[:_TICKS]
        kept = retention(found.schedule.work)
        output.write("\n".join(schedules.schedule_lines(output.screen(), found, groups, str(folder), now, kept)))


@command("next")
@_optional_name
@number_option("-n", "--count", limits=(1, 10_000), default=5, meaning="Number of times.")
@root_option
@json_option
def next_command(name: str, count: int, root: str | None, as_json: bool) -> None:
    """Show the next times of one schedule or of all: in UTC, and in words in the schedule's time zone."""
    folder, now, found = _planned(root, count, name)
    upcoming = schedules.times(found, count)
    if as_json:
        output.write_json(json_documents.next_times(upcoming))
    elif upcoming:
        output.write(schedules.next_text(output.screen(), upcoming, now))
    else:
        output.note(schedules.next_note(found, name, str(folder)))


@command("history")
@_optional_name
@limit_option
@root_option
@json_option
def history_command(name: str, limit: int, root: str | None, as_json: bool) -> None:
    """List the outcome of ticks, newest first: started, caught up, skipped or missed, and why.

    Of one schedule, which may be removed, or of all. Consecutive ticks with the same outcome are one row.
    """
    most = limit if as_json else max(limit, history.MAX_READ)
    folder = resolve_root(root).path
    with ScheduleDatabase.read(folder) as database:
        ticks = database.ticks(name, most + 1)
        if name and not ticks:
            database.schedule(name)  # an unknown name is an error, a schedule without ticks is not
        note_damaged(database, folder)
    if as_json:
        output.write_json(json_documents.history(ticks[:limit], len(ticks) > limit))
        return
    groups = history.group(ticks[:most])
    if groups:
        output.write(schedules.history_text(output.screen(), groups[:limit]))
    more = len(groups) > limit or len(ticks) > most
    output.note(schedules.history_note(min(limit, len(groups)), more, name))


@command("status")
@root_option
@json_option
def status_command(root: str | None, as_json: bool) -> None:
    """Show whether the daemon runs, its last heartbeat, and which schedules failed last."""
    folder, now, found = _planned(root, 1)
    daemon = status.daemon(folder)
    if as_json:
        output.write_json(json_documents.scheduler_status(daemon, found))
        return
    output.write(schedules.status_text(output.screen(), daemon, found, now))
    output.note(schedules.note(found, daemon, str(folder)))


def _planned(root: str | None, count: int, name: str = "") -> tuple[pathlib.Path, datetime.datetime, list[Planned]]:
    """Return the folder of a root, the time, and one of its schedules, or all, each with its next times."""
    folder, now = resolve_root(root).path, times.now()
    with ScheduleDatabase.read(folder) as database:
        if name:
            database.schedule(name)  # an unknown name is an error that lists the known ones
        found = status.planned(database, now, count)
        note_damaged(database, folder)
    return folder, now, [one for one in found if name in ("", one.schedule.name)]


def retention(work: Work) -> str:
    """Write what `sae gc` keeps after a run, with the settings as they are now."""
    if work.sweep:
        return wording.NO_RETENTION
    try:
        file = pathlib.Path(work.config_file) if work.config_file else None
        request = settings.Request("", file, work.assignments, config_type=current_pipeline().configuration)
        return wording.retention(settings.resolve(request).config.retention)
    except SaeError as error:  # such as of a file that is missing now; a tick says it too
        return f"unknown: {error}"


def note_damaged(database: ScheduleDatabase, folder: pathlib.Path) -> None:
    """Name the damaged rows of the schedule database; everything else is listed and run."""
    for name, reason in database.unreadable().items():
        text, command = wording.unreadable(name, reason)
        output.note(f"{text}: remove it with `{command}` and add it again")
    damaged = database.damaged_rows()
    for row in damaged[:_MAX_DAMAGED]:
        text, command = wording.damaged(row, folder)
        output.note(f"{text}: delete it with `{command}`")
    if len(damaged) > _MAX_DAMAGED:
        output.note(f"{counted(len(damaged) - _MAX_DAMAGED, 'more row is', 'more rows are')} damaged")
