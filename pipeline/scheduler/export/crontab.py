"""Export a schedule as a crontab line (crontab(5)), for machines where cron starts the runs instead of the daemon."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

from pipeline.core.errors import UsageError
from pipeline.scheduler import cron, times
from pipeline.scheduler.export import common
from pipeline.scheduler.export.common import Call
from pipeline.scheduler.times import DAY, HOUR, MINUTE
from pipeline.scheduler.types import CatchUp, Overlap, Schedule, TimingKind


def lines(schedule: Schedule, call: Call) -> str:
    """Return comments on what is left out, the time zone and the line.

    Raises:
      UsageError: cron's fields cannot express the interval.
    """
    variables = [f"{name}={shlex.quote(value)}" for name, value in call.environment.items()]
    command = " ".join([f"cd {shlex.quote(call.folder)} &&", *variables, shlex.join(call.command)])
    # cron ends a command at a % and hands over the rest as its input, also within quotes.
    command = command.replace("%", "\\%")
    return "\n".join([*_comments(schedule), f"CRON_TZ={schedule.timing.zone}", f"{_fields(schedule)} {command}"]) + "\n"


def _fields(schedule: Schedule) -> str:
    timing = schedule.timing
    if timing.kind is TimingKind.CRON:
        fields = cron.parse(timing.cron)
        parsed = (fields.minute, fields.hour, fields.day, fields.month, fields.weekday)
        return " ".join(map(_field, timing.cron.split(), parsed))
    seconds = int(timing.every)
    if seconds % MINUTE == 0 and HOUR % seconds == 0:
        return f"*/{seconds // MINUTE} * * * *" if seconds < HOUR else "0 * * * *"
    if seconds % HOUR == 0 and DAY % seconds == 0:
        return f"0 */{seconds // HOUR} * * *" if seconds < DAY else "0 0 * * *"
    raise UsageError(
        f"schedule {schedule.name} cannot be a line of cron: {times.in_words(timing.every)} divides neither an hour "
        "into minutes nor a day into hours; use --systemd"
    )


def _field(word: str, values: Sequence[int]) -> str:
    """Return a field as written; names as numbers, because not every cron accepts them in ranges and lists."""
    return ",".join(map(str, values)) if any(map(str.isalpha, word)) else word


def _comments(schedule: Schedule) -> Iterator[str]:
    policies = schedule.policies
    yield from common.header(schedule, "cron")
    yield "# CRON_TZ works in cronie; other crons read the line in the machine's own time zone."
    if schedule.timing.kind is TimingKind.EVERY:
        yield "# cron counts the interval from midnight, the daemon from when the schedule was added."
    if policies.overlap == Overlap.QUEUE:
        yield "# Left out: a tick does not wait for a run that holds the root; it is skipped, with exit code 5."
    if policies.catch_up != CatchUp.NONE:
        yield "# Left out: missed ticks are not caught up."
    if policies.jitter:
        yield f"# Left out: jitter of up to {times.in_words(policies.jitter)}."
    if policies.timeout:
        yield f"# Left out: the timeout of {times.in_words(policies.timeout)}."
    yield from common.left_out(policies)
