"""A node in a run."""

from __future__ import annotations

import collections
import dataclasses

from pipeline.core.errors import SaeError
from pipeline.inspection import logs
from pipeline.inspection.views import NodeRun, Run, RunRow
from pipeline.metadata import references
from pipeline.web import urls
from pipeline.web.formatting import cut
from pipeline.web.pages.base import Page, PageRequest, find_run, run_file_path

LINES = 40  # last lines of the log: about as long as a traceback of the libraries
_LONGEST_LINE = 2_000  # characters
_LARGEST_LOG = 4 * 1024 * 1024  # bytes searched for a node's lines; a run's log has about 100 KiB


@dataclasses.dataclass(frozen=True)
class NodeView:
    """The page.

    Attributes:
      log: the last lines that the run's log has of this node.
      log_cut: number of lines before these.
      has_log: whether the run has a log.
    """

    run: RunRow
    node: NodeRun
    log: tuple[str, ...]
    log_cut: int
    has_log: bool


def build(request: PageRequest, run: str, node: str) -> NodeView:
    """Read the run and find the node."""
    found = find_run(request.open_reader, run, "nodes", node)
    by_segment = {urls.segment(one.node): one.node for one in found.nodes}
    by_name = {one.node: one for one in found.nodes}
    one = by_name[by_segment.get(node) or references.find_node(node, list(by_name))]
    has_log = run_file_path(request.root, "logs", f"{found.row.id}.log") is not None
    lines, before = _log(request, found, one.node) if has_log and one.execution else ((), 0)
    return NodeView(found.row, one, lines, before, has_log)


def _log(request: PageRequest, run: Run, node: str) -> tuple[tuple[str, ...], int]:
    """Return the last lines of a node, and the number of lines before them."""
    assert request.root is not None
    try:
        path = logs.path_of(request.root, run.row.id)
        if path.stat().st_size > _LARGEST_LOG:
            return (), 0
        last: collections.deque[str] = collections.deque(maxlen=LINES)
        total = 0
        for line in logs.lines(path, logs.span_of(request.root, run, node)):
            last.append(cut(line, _LONGEST_LINE))
            total += 1
    except (SaeError, OSError):
        return (), 0
    return tuple(last), total - len(last)


PAGE = Page("node", "/runs/{run:name}/nodes/{node:name}", build)
