"""The JSON object of each reading command, and the same for the twins of pages. Keys are named as in `snapshots`.

Times are ISO 8601 in UTC. JSON has no NaN and no infinity: these become null.
"""

from __future__ import annotations

import pathlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pipeline.core.serialization import plain

if TYPE_CHECKING:  # to list runs, all that these import would take longer than to read them
    from pipeline.artifacts import previews
    from pipeline.inspection.lineage import Lineage
    from pipeline.inspection.run_diff import Comparison
    from pipeline.inspection.views import Artifact, ArtifactRow, Page, Run, RunRow
    from pipeline.provenance.manifest import Manifest


def runs(rows: Sequence[RunRow], page: Page) -> dict[str, Any]:
    """Of `sae runs`. `total`: how many there are in all; `more`: whether some of them are not listed."""
    return {"runs": plain(rows), "total": page.total, "more": bool(page.next)}


def run(found: Run, evaluation: previews.Preview | None, made_from: Manifest | None) -> dict[str, Any]:
    """Of `sae show`: all of `Run`, the thresholds, and the settings; null where there is no manifest."""
    return {
        **plain(found),
        "thresholds": plain(getattr(evaluation, "thresholds", ())),
        "configuration": plain(made_from.configuration) if made_from else None,
    }


def artifacts(rows: Sequence[ArtifactRow], page: Page) -> dict[str, Any]:
    """Of `sae artifacts`. `total` is null where they were not counted."""
    return {"artifacts": plain(rows), "total": page.total, "more": bool(page.next)}


def artifact(found: Artifact, preview: previews.Preview | None) -> dict[str, Any]:
    """Of `sae artifact`: all of `Artifact`, and what is shown of it; null where nothing was written."""
    return {**plain(found), "preview": plain(preview)}


def lineage(found: Lineage) -> dict[str, Any]:
    """Of `sae lineage`: `artifacts` by id, and the steps up and down."""
    return dict(plain(found))


def differences(found: Comparison) -> dict[str, Any]:
    """Of `sae diff`."""
    return {"same": found.same, **plain(found)}


def log(run_id: str, node: str, path: pathlib.Path, found: Sequence[str]) -> dict[str, Any]:
    """Of `sae logs`. `node` is empty for the whole log."""
    return {"run": run_id, "node": node, "path": str(path), "lines": list(found)}
