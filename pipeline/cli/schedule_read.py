"""The commands that say what is planned, and what came of it. They write nothing."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli import completion, output
from pipeline.cli.options import in_place_of, json_option, root_option
from pipeline.cli.schedule import schedule, schedule_argument
from pipeline.core.errors import NotFoundError
from pipeline.core.pipeline_root import root_of

if TYPE_CHECKING:
    import pathlib

    from pipeline.scheduler.store import Book

_NEXT = 5  # times of a schedule that `show` prints; `list` needs the first
_TICKS = 10  # of its history


@dataclasses.dataclass(frozen=True)
class Asked:
    """What the options of reading say, and the time: all that is printed is of one moment.

    Attributes:
      folder: the pipeline root, absolute.
      as_json: whether JSON is wanted.
      now: in UTC.
    """

    folder: pathlib.Path
    as_json: bool
    now: datetime.datetime

    @contextlib.contextmanager
    def book(self) -> Iterator[Book | None]:
        """The book of the root; None where nothing was ever planned."""
        from pipeline.scheduler.store import Book

        book = Book.read(self.folder)
        if book is None:
            yield None
            return
        with book:
            yield book

    @contextlib.contextmanager
    def book_with(self, name: str) -> Iterator[Book]:
        """The book of the root. Raises `NotFoundError` where there is none, and so no schedule of this name."""
        with self.book() as book:
            if book is None:
                raise NotFoundError(
                    f"no schedule {name!r} in {self.folder}: `sae schedule add` adds one, --root names another folder"
                )
            yield book


def _reading(command: Callable[..., None]) -> Callable[..., None]:
    """The options that all of these have, handed to the command as one `Asked`."""

    def with_asked(root: str | None, as_json: bool, **others: Any) -> None:
        now = datetime.datetime.now(datetime.timezone.utc)
        command(Asked(root_of(root).path, as_json, now), **others)

    return root_option(json_option(in_place_of(command, with_asked)))


@schedule.command("list", short_help="List schedules, with their next time and last result.")
@_reading
def list_(asked: Asked) -> None:
    """List schedules: when, the next time, the last result, what they run."""
    from pipeline.scheduler import status, upcoming
    from pipeline.terminal import json_documents
    from pipeline.terminal import schedules as text

    with asked.book() as book:
        found = upcoming.planned(book, asked.now, 1) if book else ()
    daemon = status.daemon(asked.folder)
    if asked.as_json:
        output.write_json(json_documents.schedules(found, daemon))
        return
    if found:
        output.write(text.as_text(output.screen(), found, asked.now))
    output.note(text.note(found, daemon, str(asked.folder)))


@schedule.command(short_help="Show a schedule: next times, policies, history.")
@schedule_argument
@_reading
def show(asked: Asked, name: str) -> None:
    """Show a schedule: when, what it runs, its next times, its policies, its newest ticks."""
    from pipeline.scheduler import history as stretches
    from pipeline.scheduler import upcoming
    from pipeline.terminal import json_documents
    from pipeline.terminal import schedule as text

    with asked.book_with(name) as book:
        book.schedule(name)  # says which names there are
        [found] = [one for one in upcoming.planned(book, asked.now, _NEXT) if one.schedule.name == name]
        ticks = book.ticks(name, stretches.READ)
    if asked.as_json:
        output.write_json(json_documents.schedule(found, ticks[:_TICKS]))
    else:
        history = stretches.of(ticks)[:_TICKS]
        output.write(text.as_text(output.screen(), found, history, str(asked.folder), asked.now))


@schedule.command("next", short_help="Say when the next runs are.")
@click.argument("name", metavar="[NAME]", default="", shell_complete=completion.schedules)
@click.option(
    "-n",
    "--count",
    type=click.IntRange(min=1, max=10_000),
    default=5,
    show_default=True,
    metavar="N",
    help="How many times.",
)
@_reading
def next_(asked: Asked, name: str, count: int) -> None:
    """Say when the next runs are, of one schedule or of all: in UTC, and in words on the clocks of its zone."""
    from pipeline.scheduler import upcoming
    from pipeline.terminal import json_documents
    from pipeline.terminal import schedules as text

    with asked.book_with(name) if name else asked.book() as book:
        if book and name:
            book.schedule(name)
        found = upcoming.planned(book, asked.now, count) if book else ()
    times = text.times([one for one in found if name in ("", one.schedule.name)], count)
    if asked.as_json:
        output.write_json(json_documents.next_times(times))
        return
    if times:
        output.write(text.next_text(output.screen(), times, asked.now))
    else:
        output.note(text.next_note(found, name, str(asked.folder)))


@schedule.command(short_help="List what became of past ticks, and why.")
@click.argument("name", metavar="[NAME]", default="", shell_complete=completion.schedules)
@click.option(
    "--limit", type=click.IntRange(min=1), default=20, show_default=True, metavar="N", help="How many at most."
)
@_reading
def history(asked: Asked, name: str, limit: int) -> None:
    """List what was planned and what became of it, the newest first: started, caught up, skipped or missed, and why.

    Of one schedule, also one that was removed, or of all. Ticks that say the same one after another are one line.
    """
    from pipeline.scheduler import history as stretches
    from pipeline.terminal import json_documents
    from pipeline.terminal import schedule as text

    most = limit if asked.as_json else max(limit, stretches.READ)
    with asked.book_with(name) if name else asked.book() as book:
        ticks = book.ticks(name, most + 1) if book else ()
        if book and name and not ticks:
            book.schedule(name)  # an unknown name is a mistake, a schedule without ticks is not
    if asked.as_json:
        output.write_json(json_documents.history(ticks[:limit], len(ticks) > limit))
        return
    history = stretches.of(ticks[:most])
    if history:
        output.write(text.history_text(output.screen(), history[:limit]))
    more = len(history) > limit or len(ticks) > most
    output.note(text.history_note(min(limit, len(history)), more, name))


@schedule.command(short_help="Say whether the daemon runs, and what is wrong.")
@_reading
def status(asked: Asked) -> None:
    """Say whether the daemon runs, when it was last heard of, and which schedules failed last."""
    from pipeline.scheduler import status as status_module
    from pipeline.scheduler import upcoming
    from pipeline.terminal import json_documents
    from pipeline.terminal import schedules as text

    with asked.book() as book:
        found = upcoming.planned(book, asked.now, 1) if book else ()
    daemon = status_module.daemon(asked.folder)
    if asked.as_json:
        output.write_json(json_documents.scheduler_status(daemon, found))
        return
    output.write(text.status_text(output.screen(), daemon, found, asked.now))
    output.note(text.note(found, daemon, str(asked.folder)))
