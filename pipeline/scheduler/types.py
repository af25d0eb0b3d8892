"""What schedules, ticks and the daemon are, as commands, pages and JSON show them.

A tick is one planned time of one schedule. Each ends as exactly one `Outcome`. Times are UTC, as
`2026-11-24T03:00:00Z`; durations are seconds.
"""

from __future__ import annotations

import dataclasses
import enum

from pipeline_config import SchedulePolicies

# Seconds between checks of the data, for a schedule that waits for it to change.
DATA_CHECK_INTERVAL = 600.0


class TimingKind(str, enum.Enum):
    """What makes a schedule's ticks."""

    CRON = "cron"
    EVERY = "every"
    DATA_CHANGE = "data-change"


class Overlap(str, enum.Enum):
    """What becomes of a tick whose time comes while a run holds the root."""

    SKIP = "skip"
    QUEUE = "queue"


class CatchUp(str, enum.Enum):
    """Which of the ticks that nobody was there for are made up for: none, the newest, or all up to a limit."""

    NONE = "none"
    ONE = "one"
    ALL = "all"


class Outcome(str, enum.Enum):
    """What a tick ended as."""

    STARTED = "started"
    CAUGHT_UP = "caught up"
    SKIPPED = "skipped"
    MISSED = "missed"


@dataclasses.dataclass(frozen=True)
class Timing:
    """When a schedule's ticks are.

    Attributes:
      kind: cron, an interval, or an interval at which the data set is looked at.
      cron: five fields, weekdays as cron counts them (0 and 7 are Sunday); empty for the others.
      every: seconds between ticks, or between looks at the data; 0 for cron.
      zone: name of the time zone that cron's fields are read in.
    """

    kind: TimingKind
    cron: str = ""
    every: float = 0.0
    zone: str = "UTC"


@dataclasses.dataclass(frozen=True)
class Work:
    """What a tick runs: the options of `sae run`.

    Attributes:
      profile: name of a profile.
      config_file: absolute path of a TOML file; empty without one.
      assignments: texts like `training.epochs=5`.
      seed: of `--seed`; None where not given.
    """

    profile: str
    config_file: str = ""
    assignments: tuple[str, ...] = ()
    seed: int | None = None


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
      run_id: empty where `sae run` ended before there was one.
      started, ended: when; `ended` is empty while it runs, or when nobody saw it end.
      exit_code: None while it runs, or when nobody saw it end.
      reason: why it failed, in one line; empty when it did not.
    """

    run_id: str
    started: str
    ended: str
    exit_code: int | None
    reason: str


@dataclasses.dataclass(frozen=True)
class Tick:
    """One planned time and what became of it.

    Attributes:
      schedule: name.
      planned: the time; with `manual`, when it was asked for.
      decision: what it ended as; None while it waits to be decided: its time is not over, or a run is in its way.
      decided: when that was recorded; empty while it waits.
      reason: why, in words for people: `a run held the root: ...`; empty for one that started in time.
      manual: whether `sae schedule trigger` asked for it.
      attempts: the runs, oldest first; empty unless it started.
      state: `waiting` (also for its next attempt), `running`, `succeeded`, `failed`, `interrupted`, `skipped` or
        `missed`.
      count: how many it stands for: older ones that were skipped for the same reason one after another are kept as one,
        the newest of them.
      since: planned time of the oldest of these; empty where it stands for itself alone.
    """

    schedule: str
    planned: str
    decision: Outcome | None
    decided: str
    reason: str
    manual: bool
    attempts: tuple[Attempt, ...]
    state: str
    count: int = 1
    since: str = ""


@dataclasses.dataclass(frozen=True)
class Daemon:
    """Who does the scheduling in a root.

    Attributes:
      state: `running`, `stopping`, `silent` (the process lives and has not been heard of for too long) or `stopped`.
      process: its id; None when there is none.
      since: when it started; empty when there is none.
      heard: when it was last heard of; empty when never.
    """

    state: str
    process: int | None
    since: str
    heard: str


@dataclasses.dataclass(frozen=True)
class Planned:
    """A schedule and where it stands.

    Attributes:
      schedule: what was added.
      words: its timing in words: `At 03:00 every day, UTC`.
      next: the next times; empty while it is paused.
      last: the newest decided tick that was not skipped; where all were, the newest; None before the first.
    """

    schedule: Schedule
    words: str
    next: tuple[str, ...]
    last: Tick | None


@dataclasses.dataclass(frozen=True)
class DaemonConfig:
    """Timing of the daemon, in seconds. Users cannot change it; tests do.

    Attributes:
      poll: between checks of the schedule database and of the run in progress.
      heartbeat: between two signs of life in the schedule database.
      drain: how long a daemon that is told to stop lets its run continue.
      interrupt_grace: how long an interrupted run may take to end before it is killed.
      command_timeout: how long a command after a run may take before it is killed.
    """

    poll: float = 2.0
    heartbeat: float = 10.0
    drain: float = 3_600.0
    interrupt_grace: float = 20.0
    command_timeout: float = 60.0
