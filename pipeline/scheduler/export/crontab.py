"""A schedule as a line of a crontab, for machines on which cron shall do the scheduling in place of the daemon.

What a line means: the manual page crontab(5).
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

from pipeline.core.errors import UsageError
from pipeline.scheduler import cron, times
from pipeline.scheduler.export.common import Call
from pipeline.scheduler.types import CatchUp, Overlap, Schedule, TimingKind

_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400  # seconds


def lines(schedule: Schedule, call: Call) -> str:
    """What cron cannot do, as comments; the zone; and the line.

    Raises:
      UsageError: the interval is none that cron's fields can say.
    """
    variables = [f"{name}={shlex.quote(value)}" for name, value in call.environment]
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
    if seconds % _MINUTE == 0 and _HOUR % seconds == 0:
        return f"*/{seconds // _MINUTE} * * * *" if seconds < _HOUR else "0 * * * *"
    if seconds % _HOUR == 0 and _DAY % seconds == 0:
        return f"0 */{seconds // _HOUR} * * *" if seconds < _DAY else "0 0 * * *"
    raise UsageError(
        f"schedule {schedule.name} cannot be a line of cron: {times.in_words(timing.every)} divides neither an hour "
        "into minutes nor a day into hours; --systemd can say it"
    )


def _field(word: str, values: Sequence[int]) -> str:
    """A field as it was written; names, which not every cron takes in ranges and lists, as numbers."""
    return ",".join(map(str, values)) if any(map(str.isalpha, word)) else word


def _comments(schedule: Schedule) -> Iterator[str]:
    policies = schedule.policies
    yield f"# Written by `sae schedule export {schedule.name} --cron`."
    yield f"# `sae schedule pause {schedule.name}` keeps a daemon from running it as well."
    yield "# CRON_TZ is known to cronie; other crons read the line in the machine's own time zone."
    if schedule.timing.kind is TimingKind.EVERY:
        yield "# cron counts the interval from midnight, the daemon from when the schedule was added."
    if policies.overlap == Overlap.QUEUE:
        yield "# Not said here: that a tick waits for a run that holds the root. It is skipped, with exit code 5."
    if policies.catch_up != CatchUp.NONE:
        yield "# Not said here: that missed ticks are made up for."
    if policies.jitter:
        yield f"# Not said here: that a tick starts up to {times.in_words(policies.jitter)} late."
    if policies.timeout:
        yield f"# Not said here: that a run is interrupted after {times.in_words(policies.timeout)}."
    if policies.retries:
        yield f"# Not said here: that a failure that may pass is tried again, {policies.retries} times at most."
    for when, command in (("failure", policies.on_failure), ("success", policies.on_success)):
        if command:
            yield f"# Not said here: that a command runs after a {when}."
