"""What the units of systemd and the lines of a crontab have in common: how they start a run of a schedule."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import sys
from collections.abc import Iterable, Mapping

from components import atomic_file
from pipeline.core.errors import UnavailableError, UsageError
from pipeline.scheduler import wording
from pipeline.scheduler.types import Schedule, TimingKind

# What `sae run` reads from the environment, and is not said by its options.
_VARIABLES = ("TFDS_DATA_DIR",)


@dataclasses.dataclass(frozen=True)
class Call:
    """How a run is started from elsewhere.

    Attributes:
      command: the program, by its absolute path, and its arguments.
      folder: what it runs in, absolute: relative paths in settings count from there.
      environment: variables that it needs, by name.
    """

    command: tuple[str, ...]
    folder: str
    environment: tuple[tuple[str, str], ...] = ()


def call(
    schedule: Schedule, root: pathlib.Path, folder: pathlib.Path, by: str, environ: Mapping[str, str] = os.environ
) -> Call:
    """How a schedule's runs are started.

    Args:
      schedule: which.
      root: the pipeline root, absolute.
      folder: what they run in, absolute.
      by: who starts them, which is noted of each run: `systemd`, `cron`.
      environ: where variables are taken from that a run needs and that a service does not inherit.

    Raises:
      UsageError: the schedule waits for the data, for which nobody but the daemon looks; or a value holds a line end,
        which neither a unit nor a crontab can hold.
    """
    if schedule.timing.kind is TimingKind.DATA_CHANGE:
        raise UsageError(
            f"schedule {schedule.name} cannot be exported: it waits for the data to change, and only the daemon "
            "looks at that: `sae schedule run`"
        )
    made = Call(
        (*program(), "run", *wording.options(schedule.work), "--root", str(root), "--trigger", f"{by} {schedule.name}"),
        str(folder),
        tuple((name, environ[name]) for name in _VARIABLES if environ.get(name)),
    )
    for text in (*made.command, made.folder, *(value for _, value in made.environment)):
        if "\n" in text or "\r" in text:
            raise UsageError(f"schedule {schedule.name} cannot be exported: {text!r} holds a line end")
    return made


def program() -> tuple[str, ...]:
    """The command `sae` beside the interpreter that runs this, or the module where there is none; absolute."""
    python = pathlib.Path(sys.executable).absolute()
    beside = python.parent / "sae"
    return (str(beside),) if beside.is_file() else (str(python), "-m", "pipeline")


def write(files: Iterable[tuple[str, str]], folder: pathlib.Path) -> list[pathlib.Path]:
    """Writes files by name and text, each whole or not at all; returns where they are.

    Raises:
      UnavailableError: the folder is not there, or cannot be written.
    """
    made = []
    for name, text in files:
        path = folder / name
        try:
            atomic_file.write(path, text)
        except OSError as error:
            raise UnavailableError(
                f"cannot write {path}: {error.strerror}; name a folder that you may write"
            ) from error
        made.append(path)
    return made
