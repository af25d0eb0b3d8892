"""The JSON object of each reading command, and the same for the twins of pages. Keys are named as in `snapshots`.

Times are ISO 8601 in UTC. JSON has no NaN and no infinity: these become null.
"""

from __future__ import annotations

import dataclasses
import datetime
import enum
import json
import math
import pathlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # to list runs, all that these import would take longer than to read them
    from pipeline.artifacts import previews
    from pipeline.inspection.lineage import Lineage
    from pipeline.inspection.run_diff import Comparison
    from pipeline.inspection.views import Artifact, ArtifactRow, Page, Run, RunRow
    from pipeline.provenance.manifest import Manifest

SCHEMA_VERSION = 1


def plain(value: Any) -> Any:
    """A value as JSON knows them: dataclasses become objects, times texts."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    if isinstance(value, datetime.datetime):
        return value.astimezone(datetime.timezone.utc).isoformat(timespec="milliseconds")
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return str(value) if isinstance(value, pathlib.PurePath) else value


def text(fields: Mapping[str, Any]) -> str:
    """One object with its `schema_version`; ASCII, so that any terminal and any pipe can carry it."""
    return json.dumps({"schema_version": SCHEMA_VERSION, **plain(fields)}, indent=2, allow_nan=False)


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
