"""`sae fsck`: a root's artifacts against their digests, and ML Metadata against the disk. Nothing is written.

Memory does not grow with the root: ML Metadata is read page by page, files block by block, folders one at a time.
Each module of this package looks at one thing and yields what it finds; `check` strings them together.
"""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.core.pipeline_root import Root
from pipeline.maintenance.fsck import artifacts, orphans, runs, served
from pipeline.maintenance.fsck.findings import Checked, Finding, FindingKind, Findings, Result
from pipeline.metadata.store import Store, open_store

__all__ = ["Finding", "FindingKind", "Result", "check"]


def check(root: Root) -> Result:
    """Looks at everything in a root.

    Raises:
      NotFoundError: there is no store in it.
      UnavailableError: the store cannot be opened or read.
    """
    store = open_store(root, read_only=True)
    checked = Checked()
    found = Findings(store)
    for finding in _look(root, store, checked):
        found.keep(finding)
    return Result(str(root.path), dict(vars(checked)), found.counts, found.listed())


def _look(root: Root, store: Store, checked: Checked) -> Iterator[Finding]:
    last_push = None
    for artifact in store.all_artifacts():
        checked.artifacts += 1
        yield from artifacts.findings(artifact, checked)
        last_push = served.push_of(artifact, root, store) or last_push
    # A run pushes first and publishes then: looked at in this order, a push in between is no damage.
    yield from served.findings(root, store, last_push, checked)
    yield from runs.manifests(root, store, checked)
    yield from runs.unended(root, store, checked)
    yield from orphans.findings(root, store)
