"""A schedule as units of systemd, for machines on which that shall do the scheduling in place of the daemon.

Of the policies, units can say less than the daemon does; what they cannot is said in a comment. What the directives
mean: the manual pages systemd.timer(5), systemd.service(5), systemd.syntax(7) and systemd.time(7).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

from pipeline.core.errors import ExitCode
from pipeline.scheduler import times, triggers
from pipeline.scheduler.cron import parse
from pipeline.scheduler.export.common import Call
from pipeline.scheduler.types import CatchUp, Overlap, Schedule, TimingKind

_WEEKDAYS = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat")
_FIRST = 60  # seconds from the timer's start to the first tick of an interval
_LISTED = 3  # values in a row from which on they are written as a range


@dataclasses.dataclass(frozen=True)
class Unit:
    """A unit: the name of its file, and what is in it."""

    name: str
    text: str


def units(schedule: Schedule, call: Call) -> tuple[Unit, Unit]:
    """A service that runs once, and the timer that starts it."""
    name = f"sae-{schedule.name}"
    return Unit(f"{name}.service", _service(schedule, call)), Unit(f"{name}.timer", _timer(schedule))


def _service(schedule: Schedule, call: Call) -> str:
    policies = schedule.policies
    lines = [
        *_head(schedule),
        *_left_out(schedule),
        "[Unit]",
        f"Description={_specified(_description(schedule))}",
        "",
        "[Service]",
        "Type=oneshot",
        *(f"Environment={_word(f'{name}={value}')}" for name, value in call.environment),
        f"WorkingDirectory={_specified(call.folder)}",
        f"ExecStart={' '.join(_argument(word) for word in call.command)}",
        f"# {int(ExitCode.LOCKED)}: another run holds the root, so this tick is skipped.",
        f"SuccessExitStatus={int(ExitCode.LOCKED)}",
    ]
    if policies.timeout:
        lines.append(f"TimeoutStartSec={policies.timeout:g}s")
    return "\n".join(lines) + "\n"


def _timer(schedule: Schedule) -> str:
    policies = schedule.policies
    lines = [*_head(schedule), "[Unit]", f"Description={_specified(_description(schedule))}", "", "[Timer]"]
    if schedule.timing.kind is TimingKind.CRON:
        lines += [f"OnCalendar={when}" for when in calendar(schedule.timing.cron, schedule.timing.zone)]
        lines.append(f"Persistent={'false' if policies.catch_up == CatchUp.NONE else 'true'}")
    else:
        lines += [f"OnActiveSec={_FIRST}s", f"OnUnitActiveSec={schedule.timing.every:g}s"]
    if policies.jitter:
        lines.append(f"RandomizedDelaySec={policies.jitter:g}s")
    lines += ["AccuracySec=1s", "", "[Install]", "WantedBy=timers.target"]
    return "\n".join(lines) + "\n"


def _description(schedule: Schedule) -> str:
    return f"sae run, schedule {schedule.name}: {triggers.explain(schedule.timing)}"


def _head(schedule: Schedule) -> Iterator[str]:
    yield f"# Written by `sae schedule export {schedule.name} --systemd`."
    yield f"# `sae schedule pause {schedule.name}` keeps a daemon from running it as well."


def _left_out(schedule: Schedule) -> Iterator[str]:
    """What the daemon would do and these units do not."""
    policies, plain_interval = schedule.policies, schedule.timing.kind is TimingKind.EVERY
    if policies.overlap == Overlap.QUEUE:
        yield "# Not said here: that a tick waits for a run that holds the root. It is skipped."
    if policies.catch_up == CatchUp.ALL:
        yield "# Not said here: that all missed ticks are made up for. One run does it for all."
    if plain_interval and policies.catch_up != CatchUp.NONE:
        yield "# Not said here: that missed ticks are made up for. systemd does so for calendars, not for intervals."
    if policies.retries:
        yield f"# Not said here: that a failure that may pass is tried again, {policies.retries} times at most."
    for when, command in (("failure", policies.on_failure), ("success", policies.on_success)):
        if command:
            yield f"# Not said here: that a command runs after a {when}. OnFailure= and OnSuccess= name units for it."
    yield f"# Not said here: that a tick is missed when it is more than {times.in_words(policies.max_late)} late."


def calendar(cron: str, zone: str) -> tuple[str, ...]:
    """Cron's fields as systemd writes them, `Mon..Fri *-*-* 03:00:00 UTC`.

    They are two where cron wants either the day of the month or the weekday: systemd wants both of one text.

    Raises:
      UsageError: `cron` is none.
    """
    fields = parse(cron)
    clock = f"{_values(fields.hour, 24)}:{_values(fields.minute, 60)}:00 {zone}"
    months, days = _values(fields.month, 12), _values(fields.day, 31)
    weekdays = _weekdays(fields.weekday)
    if fields.either_day:
        return f"*-{months}-{days} {clock}", f"{weekdays}*-{months}-* {clock}"
    return (f"{weekdays}*-{months}-{days} {clock}",)


def _values(values: Sequence[int], count: int) -> str:
    """Values with ranges for those in a row: `00,15,30,45`, `08..18`; `*` for all `count` of them."""
    if len(values) == count:
        return "*"
    return ",".join(
        f"{row[0]:02}..{row[-1]:02}" if len(row) >= _LISTED else ",".join(f"{value:02}" for value in row)
        for row in _rows(values)
    )


def _weekdays(values: Sequence[int]) -> str:
    """`Mon..Fri `, with a space behind it, as systemd counts: from Monday; nothing for all of them."""
    if len(values) == len(_WEEKDAYS):
        return ""
    rows = _rows(sorted(value or len(_WEEKDAYS) for value in values))
    named = [[_WEEKDAYS[value % len(_WEEKDAYS)] for value in row] for row in rows]
    return ",".join(f"{row[0]}..{row[-1]}" if len(row) >= _LISTED else ",".join(row) for row in named) + " "


def _rows(values: Sequence[int]) -> list[list[int]]:
    """Values parted where one is left out."""
    found: list[list[int]] = []
    for value in values:
        if found and value == found[-1][-1] + 1:
            found[-1].append(value)
        else:
            found.append([value])
    return found


def _specified(text: str) -> str:
    """Text in which systemd finds no specifier."""
    return text.replace("%", "%%")


def _word(text: str) -> str:
    """A text as one word of a line."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\t", "\\t")
    plain = escaped == text and text and not set(text) & set(" '`;#") and text.isprintable()
    return _specified(text if plain else f'"{escaped}"')


def _argument(text: str) -> str:
    """A word of a command, in which systemd also finds no variable."""
    return _word(text).replace("$", "$$")
