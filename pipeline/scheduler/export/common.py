"""What systemd units and crontab lines share: the command, the comments, and writing files."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import sys
from collections.abc import Iterator, Mapping

from components import atomic_file
from components.errors import cause_text
from pipeline.core.errors import UnavailableError, UsageError
from pipeline.scheduler.types import Schedule, TimingKind
from pipeline_config import SchedulePolicies

_VARIABLES = ("TFDS_DATA_DIR",)  # environment variables that `sae run` reads


@dataclasses.dataclass(frozen=True)
class Call:
    """A command with its folder and environment.

    Attributes:
      command: the program, by its absolute path, and its arguments.
      folder: working directory, absolute: the base of relative paths in settings.
      environment: values of the variables that it needs, by name.
    """

    command: tuple[str, ...]
    folder: str
    environment: Mapping[str, str]


def call(schedule: Schedule, root: pathlib.Path, folder: pathlib.Path, by: str) -> Call:
    """Return the command that starts a schedule's runs.

    Args:
      schedule: the schedule.
      root: the pipeline root, absolute.
      folder: working directory, absolute.
      by: recorded as the trigger of each run: `systemd`, `cron`.

    Raises:
      UsageError: only the daemon can run the schedule, because it checks the data; or a value has a line break.
    """
    check(schedule)
    trigger = () if schedule.work.sweep else ("--trigger", f"{by} {schedule.name}")
    command = (*program(), *schedule.work.command(), "--root", str(root), *trigger)
    found = Call(command, str(folder), environment())
    for text in (*found.command, found.folder, *found.environment.values()):
        if "\n" in text or "\r" in text:
            raise UsageError(f"schedule {schedule.name} cannot be exported: {text!r} has a line break")
    return found


def check(schedule: Schedule) -> None:
    """Raise `UsageError` if only the daemon can run a schedule, because it checks the data."""
    if schedule.timing.kind is TimingKind.DATA_CHANGE:
        raise UsageError(
            f"schedule {schedule.name} cannot be exported: it runs when the data changed, and only the daemon "
            "checks that: `sae schedule run`"
        )


def environment() -> dict[str, str]:
    """Return the variables that a run reads and another scheduler does not inherit."""
    return {name: os.environ[name] for name in _VARIABLES if os.environ.get(name)}


def header(schedule: Schedule, option: str) -> Iterator[str]:
    """Yield the comments at the top of a file."""
    yield f"# Written by `sae schedule export {schedule.name} --{option}`."
    yield f"# `sae schedule pause {schedule.name}` keeps a daemon from running it as well."


def left_out(policies: SchedulePolicies) -> Iterator[str]:
    """Yield comments on the policies that neither systemd nor cron supports."""
    if policies.retries:
        yield f"# Left out: up to {policies.retries} retries after a transient failure."
    for when, command in (("failure", policies.on_failure), ("success", policies.on_success)):
        if command:
            yield f"# Left out: the command after a {when}."


def program() -> tuple[str, ...]:
    """Return `sae` beside the Python interpreter, else `python -m pipeline`; absolute."""
    python = pathlib.Path(sys.executable).absolute()
    beside = python.parent / "sae"
    return (str(beside),) if beside.is_file() else (str(python), "-m", "pipeline")


def write(texts: Mapping[str, str], folder: pathlib.Path) -> list[pathlib.Path]:
    """Write texts to files by name, atomically; return their paths.

    Raises:
      UnavailableError: the folder is missing or not writable.
    """
    for name, text in texts.items():
        try:
            atomic_file.write(folder / name, text)
        except OSError as error:
            raise UnavailableError(
                f"cannot write {folder / name}: {cause_text(error)}; name a folder that you may write"
            ) from error
    return [folder / name for name in texts]
