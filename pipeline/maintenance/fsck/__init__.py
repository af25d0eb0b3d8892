"""`sae fsck`: check artifacts against their digests, and ML Metadata against the disk. Write nothing.

Memory hardly grows with the root, by 200 bytes for each pushed version: ML Metadata is read page by page, files block
by block, folders one at a time.
"""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.core.pipeline_root import Root
from pipeline.maintenance.fsck import files, missing_rows, orphans, runs, served
from pipeline.maintenance.fsck.findings import Checked, Finding, FindingKind, Findings, Result
from pipeline.metadata.properties import PUSHED_MODEL
from pipeline.metadata.store import Store, open_store
from pipeline.registry import versions
from pipeline.registry.versions import Push

__all__ = ["Finding", "FindingKind", "Result", "check"]


def check(root: Root) -> Result:
    """Check a root.

    Raises:
      NotFoundError: it has no store.
      UnavailableError: the store cannot be opened or read.
    """
    store = open_store(root, read_only=True)
    checked = Checked()
    found = Findings(store)
    for finding in _findings(root, store, checked):
        found.add(finding)
    return Result(str(root.path), dict(vars(checked)), found.counts, found.listed())


def _findings(root: Root, store: Store, checked: Checked) -> Iterator[Finding]:
    last_push: Push | None = None
    pushes: dict[int, Push] = {}
    for artifact in store.all_artifacts():
        checked.artifacts += 1
        yield from files.artifact_findings(artifact, checked)
        if artifact.type == PUSHED_MODEL and (push := versions.push_of(artifact, root, store)):
            pushes[push.version] = push
            last_push = push if artifact.live else last_push
    # A run pushes, then publishes: in this order, a push in between is no finding.
    yield from served.findings(root, store, pushes, last_push, checked)
    yield from served.superseded_list(root, store)
    yield from runs.manifests(root, store, checked)
    yield from runs.unended(root, store, checked)
    yield from runs.lost_decisions(root, store)
    yield from missing_rows.findings(root)
    yield from orphans.findings(root, store, lambda path: any(one.published for one in store.artifacts_at(path)))
    yield from orphans.left_over_findings(root)
