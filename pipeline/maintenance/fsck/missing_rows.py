"""Rows that are missing in ML Metadata, by what other rows and folders say."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.core.pipeline_root import Root
from pipeline.maintenance.fsck.findings import Finding, FindingKind
from pipeline.metadata import missing_rows, root_store


def findings(root: Root) -> Iterator[Finding]:
    """Yield rows that are missing."""
    store = root_store.of(root)
    for number, sentence in enumerate(store.query(missing_rows.found)):
        advice = "" if number else f"; {store.restore_command} goes back to a copy of ML Metadata"
        yield Finding(FindingKind.ROW_MISSING, f"{sentence}{advice}", store.name)
