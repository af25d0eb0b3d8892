"""Read the log of a run, or the lines of one node.

Many libraries write to a log. Most lines begin with a time, in the local time of the machine that ran it; other lines
belong to the line before. Nodes run one after another, so a node's lines are those from its start to its end, taken
from the run's events, or else from ML Metadata. The workers of a cluster write logs of their own.
"""

from __future__ import annotations

import dataclasses
import datetime
import glob
import io
import pathlib
import re
from collections.abc import Iterator, Sequence

from components.errors import cause_text
from pipeline.core import event_log, events, regular_file
from pipeline.core.errors import NotFoundError, UnavailableError
from pipeline.core.events import NodeEnded, NodeStarted, NodeState, RunStarted
from pipeline.core.pipeline_root import Root
from pipeline.inspection.views import Run
from pipeline.metadata import references

_STAMP = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)[.,](\d{1,6})")
_ERROR = re.compile(rf"{_STAMP.pattern}\s+(ERROR|CRITICAL|FATAL)\b")
_TRACEBACK = "Traceback (most recent call last)"
_LONGEST = 100_000  # characters of one line; longer lines are split


@dataclasses.dataclass(frozen=True)
class TimeSpan:
    """The time in which a node ran, in UTC; `end` is None if it has not ended."""

    start: datetime.datetime
    end: datetime.datetime | None

    def contains(self, when: datetime.datetime) -> bool:
        """Return whether a time is inside."""
        return self.start <= when and (self.end is None or when <= self.end)


def path_of(root: Root | None, run_id: str) -> pathlib.Path:
    """Return the path of a run's log. Raises `NotFoundError` if it does not exist."""
    if root is None:
        raise NotFoundError("a store alone has no logs: read them with --root, in the root that it came from")
    path = root.logs / f"{run_id}.log"
    if path.parent != root.logs or not path.is_file():
        raise NotFoundError(f"no log of run {run_id} in {root.logs}: it was removed, or the run is from elsewhere")
    return path


def lines(path: pathlib.Path, span: TimeSpan | None = None) -> Iterator[str]:
    """Yield the lines of a log, without line ends; with `span`, only those from that time.

    Raises:
      UnavailableError: the log cannot be read.
    """
    inside = span is None
    try:
        with io.TextIOWrapper(regular_file.opened(path), "utf-8", "replace", newline="\n") as file:
            while line := file.readline(_LONGEST):
                if span is not None and (when := _time_of(line)) is not None:
                    inside = span.contains(when)
                if inside:
                    yield line.rstrip("\r\n")
    except OSError as error:
        raise UnavailableError(f"cannot read {path}: {cause_text(error)}") from error


def worker_lines(root: Root, run_id: str, node: str) -> Iterator[str]:
    """Yield the lines of a run's workers on a cluster, one log after the other, each with node and worker before it.

    A worker is named by its host, the process of its `sae worker`, and the id that the cluster gave it.

    Args:
      root: the root.
      run_id: the id of the run.
      node: a node; empty: all nodes.

    Raises:
      UnavailableError: a log cannot be read.
    """
    for path in sorted(root.worker_logs(run_id).glob(f"{glob.escape(node)}/*.log" if node else "*/*.log")):
        for line in lines(path):
            yield f"[{path.parent.name} {path.stem}] {line}"


def first_error(found: Sequence[str]) -> int | None:
    """Return the place of the first traceback among lines, or else of the first line of level ERROR; None without."""
    tracebacks = (place for place, line in enumerate(found) if line.startswith(_TRACEBACK))
    errors = (place for place, line in enumerate(found) if _ERROR.match(line))
    return next(tracebacks, next(errors, None))


def _time_of(line: str) -> datetime.datetime | None:
    match = _STAMP.match(line)
    if match is None:
        return None
    try:
        local = datetime.datetime.fromisoformat(match.group(1))
    except ValueError:
        return None
    return local.replace(microsecond=int(match.group(2).ljust(6, "0"))).astimezone(datetime.timezone.utc)


def span_of(root: Root, run: Run, wanted: str) -> TimeSpan:
    """Return the time in which a node ran.

    Raises:
      NotFoundError: the run has no such node, or the node did not run.
    """
    node = references.find_node(wanted, [one.node for one in run.nodes])
    span = _span_of_events(root, run.row.id, node)
    if span is not None:
        return span
    [found] = [one for one in run.nodes if one.node == node]
    if found.started is None:
        raise NotFoundError(
            f"{node} did not run in run {run.row.id} ({found.state.value}), so the log has no line of it"
        )
    # ML Metadata keeps milliseconds, a log microseconds.
    end = found.ended + datetime.timedelta(milliseconds=1) if found.ended else None
    return TimeSpan(found.started, end)


def _span_of_events(root: Root, run_id: str, node: str) -> TimeSpan | None:
    start = end = None
    for stamped in event_log.read(root.path, run_id):
        event = stamped.event
        # An event is written after what it describes, and its time is cut to milliseconds.
        after = stamped.when + datetime.timedelta(milliseconds=1)
        if isinstance(event, NodeStarted) and event.node == node:
            start, end = stamped.when, None
        elif isinstance(event, (NodeStarted, RunStarted)) and start is not None and end is None:
            end = stamped.when
        elif isinstance(event, NodeEnded) and event.node == node and event.state != NodeState.SKIPPED:
            if end is not None and event.reason == events.ENDED_EARLIER:  # it ended in an earlier attempt
                continue
            start = start or stamped.when - datetime.timedelta(seconds=event.seconds)
            end = after
    return TimeSpan(start, end) if start is not None else None
