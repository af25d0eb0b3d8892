"""What the benchmarks share: a command measured to its end, times of its nodes and epochs, ratios, progress lines."""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

PROJECT = pathlib.Path(__file__).parents[1]
SHARED = PROJECT.parent / "shared"
SAE = (sys.executable, "-m", "pipeline")
STARTED = time.monotonic()
EPOCH = re.compile(r"^Trainer epoch (\d+)/\d+")
NODE = re.compile(r"^(\w+) (started|executed|failed)\b")
Span = tuple[float, float]  # seconds after the start of a process


class SkippedError(Exception):
    """Something that a part needs is missing; the message says what, and what to set."""


@dataclasses.dataclass(frozen=True)
class Sizes:
    """Sizes of what is measured; the defaults are those of the published figures.

    Attributes:
      epochs: of a training.
      pictures: of MNIST, which grow ten times.
      runs: in the store that commands read, and then ten times as many.
      starts: of a command that takes a moment.
      points: of a sweep.
      requests: that a server answers before its memory is read.
    """

    epochs: int = 50
    pictures: int = 70_000
    runs: int = 1_000
    starts: int = 5
    points: int = 10
    requests: int = 10_000


TRIAL = Sizes(epochs=2, pictures=700, runs=10, starts=1, points=2, requests=100)


@dataclasses.dataclass(frozen=True)
class Options:
    """How the parts measure.

    Attributes:
      rounds: times that candidates run.
      sizes: of what is measured.
      folder: for data and roots.
      data_dir: folder with MNIST, prepared by TFDS.
      yardsticks: folder with plain_keras.py and stock_tfx.py.
      before: another checkout, whose first runs alternate with those of this one; None: none.
    """

    rounds: int
    sizes: Sizes
    folder: pathlib.Path
    data_dir: pathlib.Path
    yardsticks: pathlib.Path
    before: pathlib.Path | None = None

    def environment(self) -> dict[str, str]:
        """Return the variables of commands that read MNIST."""
        if not (self.data_dir / "mnist").exists():
            raise SkippedError(f"it needs {self.data_dir / 'mnist'}: set TFDS_DATA_DIR")
        return {"TFDS_DATA_DIR": str(self.data_dir), "TF_USE_LEGACY_KERAS": "1", "TF_CPP_MIN_LOG_LEVEL": "2"}

    def yardstick(self, name: str) -> str:
        """Return the path of a script to compare with."""
        if not (self.yardsticks / name).exists():
            raise SkippedError(f"it needs {self.yardsticks / name}: set SAE_YARDSTICKS")
        return str(self.yardsticks / name)

    def work(self) -> tempfile.TemporaryDirectory[str]:
        """Make a folder that is removed at the end."""
        return tempfile.TemporaryDirectory(prefix="sae-bench-", dir=self.folder)


@dataclasses.dataclass(frozen=True)
class Measured:
    """A process that ended: wall seconds, peak memory in MiB, standard output, times of epochs and nodes."""

    seconds: float
    peak_mib: float
    output: str
    epochs: Mapping[int, float] = dataclasses.field(default_factory=dict)  # when each ended
    spans: Mapping[str, Span] = dataclasses.field(default_factory=dict)  # of each node that was executed

    @property
    def summary(self) -> dict[str, Any]:
        """The object that `sae run --json` prints."""
        return dict(json.loads(self.output))

    @property
    def epoch_seconds(self) -> float:
        """Median of all epochs but the first, which compiles: other nodes work beside some."""
        return statistics.median(self._epochs)

    @property
    def mean_epoch_seconds(self) -> float:
        """Mean of the same epochs."""
        return statistics.fmean(self._epochs)

    @property
    def _epochs(self) -> list[float]:
        ended = [self.epochs[epoch] for epoch in sorted(self.epochs)]
        return [after - before for before, after in itertools.pairwise(ended)]

    def node_seconds(self, node: str) -> float:
        begun, ended = self.spans[node]
        return ended - begun


def measure(
    command: Sequence[str],
    environment: Mapping[str, str] | None = None,
    *,
    on_line: Callable[[int, str], None] | None = None,
    exit_codes: Collection[int] = (0,),
    folder: pathlib.Path = PROJECT,
) -> Measured:
    """Run a command to its end; leave with its last line on standard error if it fails.

    Args:
      command: program and arguments.
      environment: variables that are added to those of this process.
      on_line: is called with the id of the process and each line that it writes to standard error.
      exit_codes: those of success.
      folder: working directory.
    """
    begun = time.monotonic()
    epochs: dict[int, float] = {}
    starts: dict[str, float] = {}
    spans: dict[str, Span] = {}
    with tempfile.TemporaryFile("w+") as output:
        env = {**os.environ, **(environment or {})}
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.PIPE, text=True, env=env, cwd=folder)
        assert process.stderr is not None
        line = ""
        for line in process.stderr:
            now = time.monotonic() - begun
            if epoch := EPOCH.match(line):
                epochs[int(epoch[1])] = now
            elif (node := NODE.match(line)) and node[2] == "started":
                starts[node[1]] = now
            elif node and node[1] in starts:
                spans[node[1]] = (starts[node[1]], now)
            if on_line:
                on_line(process.pid, line)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in exit_codes:
            sys.exit(f"error: {' '.join(command)} ended with exit code {process.returncode}: {line.strip()}")
        output.seek(0)
        return Measured(seconds, usage.ru_maxrss / 1024, output.read(), epochs, spans)


def alone(spans: Mapping[str, Span], nodes: Collection[str]) -> float:
    """Return the seconds in which some of these nodes ran and no other one did."""
    return covered(spans.values()) - covered([span for name, span in spans.items() if name not in nodes])


def covered(spans: Collection[Span]) -> float:
    """Return the seconds in at least one of the spans."""
    seconds, end = 0.0, 0.0
    for begun, ended in sorted(spans):
        seconds += max(0.0, ended - max(begun, end))
        end = max(end, ended)
    return seconds


def ratios(one: Sequence[float], other: Sequence[float]) -> list[float]:
    """Divide the values of consecutive rounds, because the speed of a machine drifts."""
    return [a / b for a, b in zip(one, other, strict=True)]


def say(text: str) -> None:
    """Print a line of progress with the seconds since the start."""
    print(f"[{time.monotonic() - STARTED:5.0f} s] {text}", flush=True)


def run_of_mnist(
    options: Options,
    root: pathlib.Path | str,
    *settings: str,
    arguments: Sequence[str] = (),
    project: pathlib.Path = PROJECT,
) -> Measured:
    """Run the pipeline of a checkout on MNIST in a root."""
    command = [*SAE, "run", "--json", "--root", str(root), *arguments]
    for setting in settings:
        command += ["--set", setting]
    return measure(command, options.environment(), folder=project)
