"""Export a schedule as systemd units, for machines where systemd starts the runs instead of the daemon.

Units support fewer policies than the daemon; comments list what is left out. See systemd.timer(5),
systemd.service(5), systemd.syntax(7) and systemd.time(7).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from pipeline.core.errors import ExitCode
from pipeline.scheduler import times, triggers
from pipeline.scheduler.cron import parse
from pipeline.scheduler.export import common
from pipeline.scheduler.export.common import Call
from pipeline.scheduler.types import CatchUp, Overlap, Schedule, TimingKind

_WEEKDAYS = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat")
_FIRST = 60.0  # seconds from the timer's start to the first tick of an interval, unless the interval is shorter
_LISTED = 3  # values in a row from which on they are written as a range


def units(schedule: Schedule, call: Call) -> dict[str, str]:
    """Return a oneshot service and its timer: texts by file name."""
    name = f"sae-{schedule.name}"
    return {f"{name}.service": _service(schedule, call), f"{name}.timer": _timer(schedule)}


def _service(schedule: Schedule, call: Call) -> str:
    policies = schedule.policies
    lines = [
        *common.header(schedule, "systemd"),
        *_left_out(schedule),
        "[Unit]",
        f"Description={_specified(_description(schedule))}",
        "",
        "[Service]",
        "Type=oneshot",
        *(f"Environment={_word(f'{name}={value}')}" for name, value in call.environment.items()),
        f"WorkingDirectory={_specified(call.folder)}",
        f"ExecStart={' '.join(_argument(word) for word in call.command)}",
        f"# {int(ExitCode.LOCKED)}: another run holds the root, so this tick is skipped.",
        f"SuccessExitStatus={int(ExitCode.LOCKED)}",
    ]
    if policies.timeout:
        lines.append(f"TimeoutStartSec={times.as_number(policies.timeout)}s")
    return "\n".join(lines) + "\n"


def _timer(schedule: Schedule) -> str:
    policies = schedule.policies
    lines = [
        *common.header(schedule, "systemd"),
        "[Unit]",
        f"Description={_specified(_description(schedule))}",
        "",
        "[Timer]",
    ]
    if schedule.timing.kind is TimingKind.CRON:
        lines += [f"OnCalendar={when}" for when in calendar(schedule.timing.cron, schedule.timing.zone)]
        lines.append(f"Persistent={'false' if policies.catch_up == CatchUp.NONE else 'true'}")
    else:
        every = schedule.timing.every
        lines += [f"OnActiveSec={times.as_number(min(_FIRST, every))}s", f"OnUnitActiveSec={times.as_number(every)}s"]
    if policies.jitter:
        lines.append(f"RandomizedDelaySec={times.as_number(policies.jitter)}s")
    lines += ["AccuracySec=1s", "", "[Install]", "WantedBy=timers.target"]
    return "\n".join(lines) + "\n"


def _description(schedule: Schedule) -> str:
    return f"sae run, schedule {schedule.name}: {triggers.explain(schedule.timing)}"


def _left_out(schedule: Schedule) -> Iterator[str]:
    """Yield comments on what the daemon does and these units do not."""
    policies, plain_interval = schedule.policies, schedule.timing.kind is TimingKind.EVERY
    if policies.overlap == Overlap.QUEUE:
        yield "# Left out: a tick does not wait for a run that holds the root; it is skipped."
    if policies.catch_up == CatchUp.ALL:
        yield "# Left out: missed ticks are not run one by one; one run replaces them."
    if plain_interval and policies.catch_up != CatchUp.NONE:
        yield "# Left out: missed ticks are not caught up. systemd catches up calendars, not intervals."
    yield from common.left_out(policies)
    if policies.on_failure or policies.on_success:
        yield "# OnFailure= and OnSuccess= name units for such a command."
    yield f"# Left out: a tick that is more than {times.in_words(policies.max_late)} late is not missed, but run."


def calendar(cron: str, zone: str) -> tuple[str, ...]:
    """Return cron's fields in systemd's syntax, `Mon..Fri *-*-* 03:00:00 UTC`.

    Two texts if cron requires either day of the month or weekday: one text of systemd requires both.

    Raises:
      UsageError: `cron` is not valid.
    """
    fields = parse(cron)
    clock = f"{_values(fields.hour, 24)}:{_values(fields.minute, 60)}:00 {zone}"
    months, days = _values(fields.month, 12), _values(fields.day, 31)
    weekdays = _weekdays(fields.weekday)
    if fields.either_day:
        return f"*-{months}-{days} {clock}", f"{weekdays}*-{months}-* {clock}"
    return (f"{weekdays}*-{months}-{days} {clock}",)


def _values(values: Sequence[int], count: int) -> str:
    """Write values, consecutive ones as ranges: `00,15,30,45`, `08..18`; `*` for all `count` of them."""
    if len(values) == count:
        return "*"
    return ",".join(
        f"{row[0]:02}..{row[-1]:02}" if len(row) >= _LISTED else ",".join(f"{value:02}" for value in row)
        for row in _rows(values)
    )


def _weekdays(values: Sequence[int]) -> str:
    """Write `Mon..Fri ` with a trailing space, from Monday; empty for all days."""
    if len(values) == len(_WEEKDAYS):
        return ""
    rows = _rows(sorted(value or len(_WEEKDAYS) for value in values))
    named = [[_WEEKDAYS[value % len(_WEEKDAYS)] for value in row] for row in rows]
    return ",".join(f"{row[0]}..{row[-1]}" if len(row) >= _LISTED else ",".join(row) for row in named) + " "


def _rows(values: Sequence[int]) -> list[list[int]]:
    """Split values into consecutive rows."""
    rows = itertools.groupby(enumerate(values), key=lambda pair: pair[1] - pair[0])
    return [[value for _, value in row] for _, row in rows]


def _specified(text: str) -> str:
    """Escape specifiers."""
    return text.replace("%", "%%")


def _word(text: str) -> str:
    """Quote a text as one word."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\t", "\\t")
    plain = escaped == text and text and not set(text) & set(" '`;#") and text.isprintable()
    return _specified(text if plain else f'"{escaped}"')


def _argument(text: str) -> str:
    """Quote a word of a command; variables are escaped too."""
    return _word(text).replace("$", "$$")
