"""The commands that change what is planned, and the daemon that starts it."""

from __future__ import annotations

import contextlib
import datetime
import functools
import logging
import pathlib
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli import completion, output
from pipeline.cli.group import sae
from pipeline.cli.options import program, request, root_option, setting_options
from pipeline.core.errors import NotFoundError, UsageError
from pipeline.core.pipeline_root import root_of
from pipeline.scheduler.types import DATA_CHECK_INTERVAL
from pipeline_config import SchedulePolicies

if TYPE_CHECKING:
    from pipeline.scheduler.store import Book
    from pipeline.scheduler.types import Schedule

_DEFAULTS = SchedulePolicies()
_SAID = 3  # next times that `add` and `resume` say
schedule_argument = click.argument("name", metavar="NAME", shell_complete=completion.schedules)


@sae.group(short_help="Plan runs, and start what is planned.")
def schedule() -> None:
    """Plan runs: every night, every few hours, or when the data changed; and start what is planned.

    Schedules belong to a pipeline root and are kept there. `sae schedule run` starts their runs, as long as it runs.
    """


def _policy_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options that say what becomes of a tick when things do not go as planned."""
    duration = functools.partial(click.option, metavar="TIME")
    options = [
        click.option(
            "--overlap",
            type=click.Choice(["skip", "queue"]),
            metavar="skip|queue",
            help=f"A tick while a run holds the root: skip it, or start it then.  [default: {_DEFAULTS.overlap}]",
        ),
        click.option(
            "--catch-up",
            type=click.Choice(["none", "one", "all"]),
            metavar="none|one|all",
            help=f"Missed ticks that are made up for, the newest ones.  [default: {_DEFAULTS.catch_up}]",
        ),
        click.option(
            "--catch-up-limit",
            type=int,
            metavar="N",
            help=f"How many at most, with all.  [default: {_DEFAULTS.catch_up_limit}]",
        ),
        duration(
            "--max-late",
            help=f"How late a tick is still in time; after that it is missed.  {_said(_DEFAULTS.max_late)}",
        ),
        duration("--jitter", help=f"Start up to so much late, to spread load.  {_said(_DEFAULTS.jitter)}"),
        click.option(
            "--retries",
            type=int,
            metavar="N",
            help=f"How often a failure that may pass is tried again.  [default: {_DEFAULTS.retries}]",
        ),
        duration(
            "--retry-wait", help=f"Wait before the first retry; doubled each time.  {_said(_DEFAULTS.retry_wait)}"
        ),
        duration("--timeout", help="Interrupt a run that takes longer.  [default: never]"),
        click.option(
            "--on-failure", metavar="COMMAND", help="Run this after a failure; it reads the run's JSON on its input."
        ),
        click.option("--on-success", metavar="COMMAND", help="The same after a success."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def _said(seconds: float) -> str:
    units = ((86_400, "d"), (3_600, "h"), (60, "m"), (1, "s"))
    size, unit = next((size, unit) for size, unit in units if seconds % size == 0 and (seconds or size == 1))
    return f"[default: {seconds / size:g}{unit}]"


@schedule.command(short_help="Add a schedule.")
@click.argument("name", metavar="NAME")
@click.option("--cron", metavar="TEXT", help='Five fields of cron: "0 3 * * *" is every day at 03:00.')
@click.option("--every", metavar="TIME", help="An interval, such as 30s, 15m, 6h, 1d or 1h30m.")
@click.option(
    "--on-data-change",
    is_flag=True,
    help=f"When the data changed; it is looked at --every {DATA_CHECK_INTERVAL / 60:g}m, or as given.",
)
@click.option("--zone", metavar="ZONE", help="Time zone of --cron, such as Europe/Berlin.  [default: UTC]")
@setting_options
@_policy_options
def add(
    name: str,
    cron: str | None,
    every: str | None,
    on_data_change: bool,
    zone: str | None,
    profile: str,
    config_file: pathlib.Path | None,
    assignments: tuple[str, ...],
    seed: int | None,
    root: str | None,
    **policies: Any,
) -> None:
    """Add a schedule. What it runs is what `sae run` would run with the same options.

    The configuration is checked now, and read again at each run: a --config file may change meanwhile. TIME is such as
    45s, 10m, 6h, 1d or 1h30m.
    """
    from pipeline.core.pipeline_root import Root
    from pipeline.scheduler import parsing, times
    from pipeline.scheduler.store import Book
    from pipeline.scheduler.types import Schedule

    timing = parsing.timing_of(cron, every, on_data_change, zone)
    work, folder = parsing.work_of(request(profile, config_file, assignments, seed, root), pathlib.Path.cwd())
    behaviour = parsing.policies_of(policies)
    now = datetime.datetime.now(datetime.timezone.utc)
    made = Schedule(name, timing, work, behaviour, times.as_text(now))
    place = Root(folder.resolve())
    place.create()
    with Book.open(place.path) as book:
        book.add(made)
    _tell(made, place.path, "added")


@schedule.command(short_help="Stop planning runs of a schedule.")
@schedule_argument
@root_option
def pause(name: str, root: str | None) -> None:
    """Plan no more runs of a schedule until it is resumed. A run in progress goes on."""
    with _book(root, name) as (book, folder):
        _tell(book.pause(name), folder, "paused")


@schedule.command(short_help="Plan runs of a paused schedule again.")
@schedule_argument
@root_option
def resume(name: str, root: str | None) -> None:
    """Plan runs of a paused schedule again, from now on: what would have been meanwhile is not made up for."""
    with _book(root, name) as (book, folder):
        _tell(book.resume(name), folder, "resumed")


@schedule.command(short_help="Remove a schedule.")
@schedule_argument
@root_option
def remove(name: str, root: str | None) -> None:
    """Remove a schedule. Its history stays, and a run in progress goes on."""
    with _book(root, name) as (book, _):
        book.remove(name)
    click.echo(f"removed {name}; `{program()} schedule history {name}` still shows what came of it")


@schedule.command(short_help="Run a schedule now.")
@schedule_argument
@root_option
def trigger(name: str, root: str | None) -> None:
    """Run a schedule now, or as soon as the root is free; also one that is paused. The daemon starts it."""
    from pipeline.scheduler import wording

    with _book(root, name) as (book, folder):
        tick = book.trigger(name)
    click.echo(f"asked for a run of {name} at {wording.stamp(tick.planned)} UTC")
    _warn(folder)


@schedule.command(short_help="The daemon: start what is planned, until it is stopped.")
@root_option
def run(root: str | None) -> None:
    """Start what is planned: the daemon. It stays in the foreground until it is stopped, and logs to standard error.

    Ctrl-C or SIGTERM plans nothing more and lets a run finish, for an hour at most; a second one interrupts the run.
    SIGHUP looks at the schedules at once, which it does every few seconds anyway. One daemon is enough for a root, and
    another one is refused, with 5.
    """
    from pipeline.scheduler import daemon

    _log_to_standard_error()
    raise SystemExit(int(daemon.run(root_of(root).path)))


def _log_to_standard_error() -> None:
    handler = logging.StreamHandler()
    formatter = logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%SZ")
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("pipeline").setLevel(logging.INFO)  # libraries say little that matters here


@schedule.command(short_help="Write schedules as units of systemd or lines of a crontab.")
@click.argument("name", metavar="[NAME]", default="", shell_complete=completion.schedules)
@click.option("--all", "every", is_flag=True, help="All schedules that are not paused.")
@click.option("--systemd", is_flag=True, help="A service and a timer of systemd each.")
@click.option("--cron", is_flag=True, help="A line of a crontab each.")
@click.option(
    "--to", "folder", type=click.Path(path_type=pathlib.Path), metavar="DIR", help="Write the units there as files."
)
@root_option
def export(name: str, every: bool, systemd: bool, cron: bool, folder: pathlib.Path | None, root: str | None) -> None:
    """Print schedules as units of systemd, or as lines of a crontab, for machines where these shall start the runs.

    They know less than the daemon of `sae schedule run`. What they leave out is said in comments.
    """
    if bool(name) == every:
        raise UsageError("name a schedule, or give --all")
    if systemd == cron:
        raise UsageError("give --systemd or --cron")
    if folder and cron:
        raise UsageError("--to is for --systemd: lines of a crontab are printed, for `crontab -e`")
    from pipeline.scheduler.export import common, crontab
    from pipeline.scheduler.export import systemd as systemd_module

    with _book(root, name, write=False) as (book, place):
        chosen = [one for one in book.schedules() if not one.paused] if every else [book.schedule(name)]
    calls = [(one, common.call(one, place, pathlib.Path.cwd(), "cron" if cron else "systemd")) for one in chosen]
    if cron:
        output.write("\n".join(crontab.lines(*pair) for pair in calls).rstrip())
        return
    units = [unit for pair in calls for unit in systemd_module.units(*pair)]
    if folder is None:
        output.write("\n".join(f"# {unit.name}\n{unit.text}" for unit in units).rstrip())
        return
    for path in common.write([(unit.name, unit.text) for unit in units], folder):
        output.write(str(path))


@contextlib.contextmanager
def _book(root: str | None, name: str, write: bool = True) -> Iterator[tuple[Book, pathlib.Path]]:
    """The book of a root, and the root's folder. Makes none: one without a book has no schedule of any name."""
    from pipeline.scheduler.store import Book

    folder = root_of(root).path
    found = Book.read(folder)
    if found is None:
        what = f"no schedule {name!r}" if name else "no schedule"
        raise NotFoundError(f"{what} in {folder}: `sae schedule add` adds one, --root names another folder")
    if write:
        found.close()
        found = Book.open(folder)
    with found as book:
        yield book, folder


def _tell(made: Schedule, folder: pathlib.Path, done: str) -> None:
    """What was done, and what comes next."""
    from pipeline.scheduler import times, triggers, wording

    click.echo(f"{done} {made.name}: {triggers.in_words(made.timing)}")
    now = datetime.datetime.now(datetime.timezone.utc)
    count = 0 if made.paused else _SAID
    zone = made.timing.zone
    for when in triggers.next_times(made.timing, times.from_text(made.created), now, count):
        text = times.as_text(when)
        utc = "" if zone == "UTC" else f"{wording.stamp(text)} UTC, "
        click.echo(f"next: {wording.moment(text, zone)} ({utc}{wording.distance(text, now)})")
    if not made.paused:
        _warn(folder)


def _warn(folder: pathlib.Path) -> None:
    """Says so where there is no daemon to start what is planned."""
    from pipeline.scheduler import status

    daemon = status.daemon(folder)
    if daemon.state in ("stopped", "silent"):
        output.note(f"the daemon is {daemon.state}: `{program()} schedule run` starts what is planned")
