"""Write times, policies and results of schedules in English, for terminal and pages."""

from __future__ import annotations

import datetime
import pathlib
import zoneinfo

from pipeline.core import shell
from pipeline.scheduler import schema, times
from pipeline.scheduler.attempt_result import first_reason
from pipeline.scheduler.schema import DamagedRow
from pipeline.scheduler.times import DAY, HOUR, MINUTE
from pipeline.scheduler.types import CatchUp, Daemon, Outcome, Overlap, Tick
from pipeline_config import RetentionConfig, SchedulePolicies

HOW_TO_ADD = '`sae schedule add nightly --cron "0 3 * * *"` adds the first one, --root selects another root'

KEEP_ALL = "--set retention.runs=1000000 --set retention.max_mib=0"
NO_RETENTION = "deletes nothing after a sweep: its points are compared later"


def moment(text: str, zone: str) -> str:
    """Write `Tuesday, 24 November 2026, 03:00 UTC`, in `zone`; in UTC if this machine does not know the zone."""
    when = times.from_text(text)
    try:
        when = when.astimezone(zoneinfo.ZoneInfo(zone))
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        when = when.astimezone(datetime.timezone.utc)
    return f"{when:%A}, {when.day} {when:%B} {when.year}, {_clock(when)} {when.tzname()}"


def stamp(text: str) -> str:
    """Write `2026-11-24 03:00`, in UTC, for tables; with seconds unless they are 0; empty for an empty text."""
    if not text:
        return ""
    when = times.from_text(text)
    return f"{when:%Y-%m-%d} {_clock(when)}"


def _clock(when: datetime.datetime) -> str:
    return f"{when:%H:%M:%S}" if when.second else f"{when:%H:%M}"


def distance(text: str, now: datetime.datetime) -> str:
    """Write how far a time is from now: `in 6 h 24 min`, `2 d ago`, `now`."""
    seconds = (times.from_text(text) - now).total_seconds()
    if abs(seconds) < 1:
        return "now"
    about = _rounded(abs(seconds))
    return f"in {times.in_words(about)}" if seconds > 0 else f"{times.in_words(about)} ago"


def _rounded(seconds: float) -> float:
    """Round to seconds below 2 minutes, to minutes below a day, to hours below a week, then to days."""
    step = 1 if seconds < 2 * MINUTE else MINUTE if seconds < DAY else HOUR if seconds < 7 * DAY else DAY
    return step * max(1, round(seconds / step))


def policies(given: SchedulePolicies) -> dict[str, str]:
    """Write the policies of a schedule, by what they control."""
    overlap = {Overlap.SKIP: "skipped", Overlap.QUEUE: "started when the current run ends"}
    missed = {
        CatchUp.NONE: "not caught up",
        CatchUp.ONE: "the newest is caught up",
        CatchUp.ALL: f"caught up, at most the newest {given.catch_up_limit:,}",
    }
    retries = "not retried"
    if given.retries:
        often = "once" if given.retries == 1 else f"up to {given.retries:,} times"
        longer = ", doubled each time" if given.retries > 1 else ""
        retries = f"retried {often}, after {times.in_words(given.retry_wait)}{longer}"
    return {
        "Overlapping ticks": overlap[Overlap(given.overlap)],
        "Missed ticks": missed[CatchUp(given.catch_up)],
        "On time": f"up to {times.in_words(given.max_late)} after the planned time",
        "Jitter": f"up to {times.in_words(given.jitter)}" if given.jitter else "none",
        "Transient failures": retries,
        "Timeout": f"{times.in_words(given.timeout)}, then interrupted" if given.timeout else "none",
        "Command after a failure": given.on_failure or "none",
        "Command after a success": given.on_success or "none",
    }


def retention(policy: RetentionConfig) -> str:
    """Write what the `sae gc` after a run deletes, and how to turn that off."""
    limit = f", and more above {policy.max_mib:,} MiB" if policy.max_mib else ""
    return (
        f"after each run deletes the outputs of all runs but the newest {policy.runs:,}, the served one, "
        f"{policy.pushed:,} pushed before it and pinned ones{limit} (off: {KEEP_ALL})"
    )


def unreadable(name: str, why: str) -> tuple[str, str]:
    """Write why a schedule cannot be read, and return the command that removes it."""
    return f"schedule {name!r} cannot be read and does not run ({why})", f"sae schedule remove {shell.quoted(name)}"


def damaged(row: DamagedRow, root: pathlib.Path) -> tuple[str, str]:
    """Write which row of the schedule database is damaged, and return the command that deletes it."""
    path = root / schema.NAME
    command = f"sqlite3 {shell.quoted(str(path))} 'DELETE FROM {row.table} WHERE rowid = {row.row}'"
    return f"{row} in {path} is damaged (column {row.column}) and left out", command


def result(tick: Tick) -> str:
    """Write the state of a tick, with `caught up`, `manual` or the number of attempts: `succeeded, caught up`."""
    found = [tick.state]
    if tick.decision is Outcome.CAUGHT_UP:
        found.append("caught up")
    if tick.manual:
        found.append("manual")
    if len(tick.attempts) > 1:
        found.append(f"{len(tick.attempts)} attempts")
    return ", ".join(found)


def reason(tick: Tick) -> str:
    """Write why a tick ended as it did: its own reason, and that of its last run."""
    return _joined(tick.reason, tick.attempts[-1].reason if tick.attempts else "")


def short_reason(tick: Tick) -> str:
    """Write the same for a table: of a run that did not pass a gate, only the first reason."""
    if not tick.attempts:
        return tick.reason
    last = tick.attempts[-1]
    return _joined(tick.reason, first_reason(last.exit_code, last.reason))


def _joined(*reasons: str) -> str:
    return "; ".join(text for text in dict.fromkeys(reasons) if text)


def run_of(tick: Tick) -> str:
    """Return the id of the tick's last run; empty if it had none."""
    return next((one.run_id for one in reversed(tick.attempts) if one.run_id), "")


def daemon(found: Daemon, now: datetime.datetime) -> str:
    """Write the state of the daemon, with process, start and last heartbeat."""
    heard = f"last heartbeat {distance(found.heard, now)}" if found.heard else ""
    if found.process is None:
        return f"{found.state}: {heard or 'never started here'}"
    parts = [f"process {found.process}", f"started {stamp(found.since)} UTC" if found.since else "", heard]
    return f"{found.state}: {', '.join(part for part in parts if part)}"
