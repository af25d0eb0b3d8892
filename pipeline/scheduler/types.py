"""Schedules, ticks and the daemon, as commands, pages and JSON show them.

A tick is one planned time of one schedule. Each gets exactly one `Outcome`. Times are UTC, as
`2026-11-24T03:00:00Z`; durations are seconds.
"""

from __future__ import annotations

import dataclasses
import enum

from pipeline_config import SchedulePolicies

DATA_CHECK_INTERVAL = 600.0  # seconds between checks of the data; default of --on-data-change


class TimingKind(str, enum.Enum):
    """The kind of a schedule's trigger."""

    CRON = "cron"
    EVERY = "every"
    DATA_CHANGE = "data-change"


class Overlap(str, enum.Enum):
    """The policy for a tick that is due while a run holds the root."""

    SKIP = "skip"
    QUEUE = "queue"


class CatchUp(str, enum.Enum):
    """Which missed ticks are run later: none, the newest, or all up to a limit."""

    NONE = "none"
    ONE = "one"
    ALL = "all"


class Outcome(str, enum.Enum):
    """The recorded outcome of a tick."""

    STARTED = "started"
    CAUGHT_UP = "caught up"
    SKIPPED = "skipped"
    MISSED = "missed"


@dataclasses.dataclass(frozen=True)
class Timing:
    """When a schedule's ticks are.

    Attributes:
      kind: cron, an interval, or an interval at which the data set is checked.
      cron: five fields, weekdays as cron counts them (0 and 7 are Sunday); empty for the others.
      every: seconds between ticks, or between checks of the data; 0 for cron.
      zone: name of the time zone that cron's fields are read in.
    """

    kind: TimingKind
    cron: str = ""
    every: float = 0.0
    zone: str = "UTC"


@dataclasses.dataclass(frozen=True)
class Work:
    """What a tick runs: `sae run` with these options, or a sweep.

    Attributes:
      profile: name of a profile.
      config_file: absolute path of a TOML file; empty without one.
      assignments: texts like `training.epochs=5`.
      seed: of `--seed`; None where not given.
      sweep: name of a sweep, which has settings of its own; empty: a run.
    """

    profile: str
    config_file: str = ""
    assignments: tuple[str, ...] = ()
    seed: int | None = None
    sweep: str = ""

    def command(self) -> tuple[str, ...]:
        """Return the command of `sae` for a tick with its options, without the root."""
        return ("sweep", "run", self.sweep, "--again") if self.sweep else ("run", *self.options())

    def options(self) -> tuple[str, ...]:
        """Return the options that a tick gives to `sae run`, without the root."""
        seed = () if self.seed is None else ("--seed", str(self.seed))
        return ("--profile", self.profile, *self.config_options(), *seed)

    def config_options(self) -> tuple[str, ...]:
        """Return `--config` and `--set`, which `sae gc` has too."""
        config = ("--config", self.config_file) if self.config_file else ()
        return (*config, *(word for assignment in self.assignments for word in ("--set", assignment)))


@dataclasses.dataclass(frozen=True)
class Schedule:
    """One schedule, as it was added.

    Attributes:
      name: unique in a root: letters, digits, `-`, `_` and `.`.
      timing, work, policies: see there.
      created: when it was added.
      paused: since when; empty while it is active.
    """

    name: str
    timing: Timing
    work: Work
    policies: SchedulePolicies
    created: str
    paused: str = ""


@dataclasses.dataclass(frozen=True)
class Attempt:
    """One run of a tick.

    Attributes:
      run_id: empty if `sae run` ended before it had one.
      started, ended: when; `ended` is empty while it runs or if unknown.
      exit_code: None while it runs or if unknown.
      reason: why it failed, in one line; empty when it did not, but for a sweep: `6 of 6 points of sweep l1`.
    """

    run_id: str
    started: str
    ended: str
    exit_code: int | None
    reason: str


@dataclasses.dataclass(frozen=True)
class Tick:
    """One planned time and its outcome.

    Attributes:
      schedule: name.
      planned: the time; with `manual`, when it was requested.
      decision: its outcome; None while it waits: it may still start, or a run holds the root.
      decided: when the outcome was recorded; empty while it waits.
      reason: why, in words: `a run held the root: ...`; empty if it started on time.
      manual: whether `sae schedule trigger` requested it.
      attempts: the runs, oldest first; empty unless it started.
      state: `waiting` (also for its next attempt), `running`, `succeeded`, `failed`, `interrupted`, `skipped` or
        `missed`.
      count: number of ticks in it: consecutive ones that were skipped for the same reason are merged after a week.
      since: planned time of the oldest of these; empty if `count` is 1.
    """

    schedule: str
    planned: str
    decision: Outcome | None
    decided: str
    reason: str
    manual: bool
    attempts: tuple[Attempt, ...]
    state: str
    count: int
    since: str


@dataclasses.dataclass(frozen=True)
class Daemon:
    """The daemon of a root.

    Attributes:
      state: `running`, `stopping`, `silent` (the process lives, but its last heartbeat is too old) or `stopped`.
      process: its id; None if it is stopped.
      since: when it started; empty if it is stopped.
      heard: last heartbeat; empty if there was none.
    """

    state: str
    process: int | None
    since: str
    heard: str


@dataclasses.dataclass(frozen=True)
class Planned:
    """A schedule, its next times and its last result.

    Attributes:
      schedule: the schedule.
      words: its timing in words: `At 03:00 every day, UTC`.
      next: the next times; empty while it is paused.
      last: the newest tick with an outcome other than skipped, else the newest skipped one; None before the first.
      last_ended: the newest tick that ended or was missed, which `last` has not while it runs; None before the first.
    """

    schedule: Schedule
    words: str
    next: tuple[str, ...]
    last: Tick | None
    last_ended: Tick | None


@dataclasses.dataclass(frozen=True)
class DaemonConfig:
    """Timing of the daemon, in seconds. Users cannot change it; tests do.

    Attributes:
      poll: between checks of the schedule database and of the run in progress.
      drain: how long the current run may continue after SIGTERM.
      interrupt_grace: how long an interrupted run may take to end before it is killed.
      command_timeout: how long a command after a run may take before it is killed.
    """

    poll: float = 2.0
    drain: float = 3_600.0
    interrupt_grace: float = 20.0
    command_timeout: float = 60.0
