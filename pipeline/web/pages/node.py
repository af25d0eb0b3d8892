"""One node in one run."""

from __future__ import annotations

import collections
import dataclasses

from pipeline.core import text
from pipeline.core.errors import NotFoundError, SaeError
from pipeline.inspection import logs
from pipeline.inspection.views import NodeRun, Run, RunRow
from pipeline.web import urls
from pipeline.web.formatting import cut
from pipeline.web.pages.base import Asked, Page, find_run, stored

LINES = 40  # of the log, the last ones: a traceback of the libraries is about as long
_LONGEST_LINE = 2_000  # characters
_LARGEST_LOG = 4 * 1024 * 1024  # bytes that are looked through for a node's lines; a run's log has about 100 KiB


@dataclasses.dataclass(frozen=True)
class NodeView:
    """The page.

    Attributes:
      log: the last lines of the run's log that are of this node.
      log_cut: how many lines of it come before these.
      has_log: whether there is a log of the run.
    """

    run: RunRow
    node: NodeRun
    log: tuple[str, ...]
    log_cut: int
    has_log: bool


def build(asked: Asked, run: str, node: str) -> NodeView:
    """Reads the run, and takes the node."""
    found = find_run(asked.open_reader, run, "nodes", node)
    for one in found.nodes:
        if node in (one.node, urls.segment(one.node)):
            has_log = stored(asked.root, "logs", f"{found.row.id}.log") is not None
            lines, before = _log(asked, found, one.node) if has_log and one.execution else ((), 0)
            return NodeView(found.row, one, lines, before, has_log)
    known = [one.node for one in found.nodes]
    raise NotFoundError(
        f"no node {node} in run {found.row.id}{text.closest(node, known)} (there are: {', '.join(known)})"
    )


def _log(asked: Asked, run: Run, node: str) -> tuple[tuple[str, ...], int]:
    """The last lines of a node, and how many come before them."""
    assert asked.root is not None
    try:
        path = logs.path_of(asked.root, run.row.id)
        if path.stat().st_size > _LARGEST_LOG:
            return (), 0
        last: collections.deque[str] = collections.deque(maxlen=LINES)
        total = 0
        for line in logs.lines(path, logs.span_of(asked.root, run, node)):
            last.append(cut(line, _LONGEST_LINE))
            total += 1
    except (SaeError, OSError):
        return (), 0
    return tuple(last), total - len(last)


PAGE = Page("node", "/runs/{run:name}/nodes/{node:name}", build)
