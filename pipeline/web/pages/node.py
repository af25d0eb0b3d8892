"""A node in a run."""

from __future__ import annotations

import dataclasses
import itertools
import pathlib

from pipeline.core.errors import SaeError
from pipeline.core.pipeline_root import Root
from pipeline.inspection import logs
from pipeline.inspection.views import NodeRun, NodeRunState, Run, RunRow
from pipeline.metadata import references
from pipeline.web import urls
from pipeline.web.formatting import cut
from pipeline.web.pages.base import PageRequest, find_run, run_file_path

LINES = 40  # of the log: about as long as a traceback of the libraries
_BEFORE = 5  # lines before an error
_LONGEST_LINE = 2_000  # characters
_LARGEST_LOG = 4 * 1024 * 1024  # bytes searched for a node's lines; a run's log has about 100 KiB


@dataclasses.dataclass(frozen=True)
class NodeView:
    """The page.

    Attributes:
      log: lines that the run's log has of this node: the last ones, or those around its first error if it failed.
      log_cut: number of lines before these.
      log_after: number of lines after these.
      error_line: place in `log` of the first error of a node that failed; None if there is none.
      has_log: whether the run has a log.
    """

    run: RunRow
    node: NodeRun
    log: tuple[str, ...]
    log_cut: int
    has_log: bool
    log_after: int
    error_line: int | None


def build(request: PageRequest, run: str, node: str) -> NodeView:
    """Read the run and find the node."""
    found = find_run(request.open_reader, run, "nodes", node)
    by_name = {one.node: one for one in found.nodes}
    one = by_name[references.find_node(urls.name_of(node, lambda: by_name), list(by_name))]
    log = run_file_path(request.root, "logs", f"{found.row.id}.log")
    lines = _log(request.root, log, found, one.node) if request.root and log and one.execution else []
    error = logs.first_error(lines) if one.state == NodeRunState.FAILED else None
    start = max(0, len(lines) - LINES) if error is None else max(0, error - _BEFORE)
    shown = tuple(lines[start : start + LINES])
    after = len(lines) - start - len(shown)
    return NodeView(found.row, one, shown, start, log is not None, after, None if error is None else error - start)


def _log(root: Root, log: pathlib.Path, run: Run, node: str) -> list[str]:
    """Return the lines of a node; none if the log is too large or cannot be read."""
    try:
        if log.stat().st_size > _LARGEST_LOG:
            return []
        own = logs.lines(log, logs.span_of(root, run, node))
        found = itertools.chain(own, logs.worker_lines(root, run.row.id, node))
        return [cut(line, _LONGEST_LINE) for line in found]
    except (SaeError, OSError):
        return []
