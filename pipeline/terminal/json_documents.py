"""The JSON document of each command, where it is more than the dataclass that the command prints.

Keys are the names of the fields of the dataclasses. Durations are seconds, times ISO 8601 in UTC; NaN and infinity
become null.
"""

from __future__ import annotations

import pathlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pipeline.core.pipeline_root import Root
from pipeline.core.serialization import jsonable

if TYPE_CHECKING:  # importing all of these would take longer than to list runs
    from pipeline.artifacts.sections import Preview
    from pipeline.core.root_lock import Holder
    from pipeline.core.settings import Settings
    from pipeline.inspection.run_diff import Comparison
    from pipeline.inspection.views import ArtifactDetails, ArtifactRow, Continuation, Run, RunRow
    from pipeline.maintenance.doctor import Check
    from pipeline.maintenance.fsck import Result
    from pipeline.maintenance.gc import Collected
    from pipeline.orchestration.summary import Summary
    from pipeline.provenance.manifest import Manifest
    from pipeline.registry.listing import Models
    from pipeline.registry.model_states import ModelStates
    from pipeline.scheduler.types import Daemon, Planned, Tick
    from pipeline.sweeps.definition import Objective
    from pipeline.sweeps.views import Combination, Point, Sweep


def run_summary(found: Summary) -> dict[str, Any]:
    """Of `sae run` and `sae resume`: all of `Summary` but the words for labels, with null for empty texts."""
    texts = {"error": found.error, "notice": found.notice, "kept_back": found.kept_back}
    fields = {**jsonable(found), **{name: text or None for name, text in texts.items()}}
    del fields["words"]
    return fields


def settings(found: Settings) -> dict[str, Any]:
    """Of `sae config show`: value and origin of each setting."""
    values = found.config.values()
    fields = {name: {"value": value, "origin": found.origins[name]} for name, value in values.items()}
    return {"profile": found.profile, "settings": fields}


def runs(rows: Sequence[RunRow], page: Continuation, starting: Holder | None = None) -> dict[str, Any]:
    """Of `sae runs`. `total`: of all runs; `more`: whether some are not listed; `starting`: id of a run, or null."""
    return {"runs": rows, "total": page.total, "more": bool(page.next), "starting": starting and starting.run}


def run(
    found: Run, evaluation: Preview | None, manifest: Manifest | None, slice_titles: Mapping[str, str]
) -> dict[str, Any]:
    """Of `sae show`: all of `Run`, the thresholds, titles of slices, and the settings; null without a manifest."""
    return {
        **jsonable(found),
        "thresholds": evaluation.records("thresholds") if evaluation else [],
        "slice_titles": slice_titles,
        "configuration": manifest.configuration if manifest else None,
    }


def artifacts(rows: Sequence[ArtifactRow], page: Continuation) -> dict[str, Any]:
    """Of `sae artifacts`. `total` is null where they were not counted."""
    return {"artifacts": rows, "total": page.total, "more": bool(page.next)}


def artifact(found: ArtifactDetails, preview: Preview | None) -> dict[str, Any]:
    """Of `sae artifact`: all of `ArtifactDetails`, and its preview; null where none was written."""
    return {**jsonable(found), "preview": preview}


def differences(found: Comparison) -> dict[str, Any]:
    """Of `sae diff`: all of `Comparison`, and whether nothing differs."""
    return {"same": found.same, **jsonable(found)}


def log(run_id: str, node: str, path: pathlib.Path, lines: Sequence[str]) -> dict[str, Any]:
    """Of `sae logs`. `node` is empty for the whole log."""
    return {"run": run_id, "node": node, "path": path, "lines": lines}


def report(run_id: str, path: pathlib.Path) -> dict[str, Any]:
    """Of `sae open`."""
    return {"run": run_id, "report": path}


def fsck(found: Result) -> dict[str, Any]:
    """Of `sae fsck`. `cut`: whether there are more findings than are listed."""
    return {
        "root": found.root,
        "sound": not found.damaged,
        "checked": found.checked,
        "counts": found.counts,
        "cut": found.is_cut,
        "findings": [{"damage": one.kind.is_damage, **jsonable(one)} for one in found.findings],
    }


def gc(found: Collected) -> dict[str, Any]:
    """Of `sae gc`. `too_large`: whether the kept artifacts take more than the policy allows."""
    return {**jsonable(found), "too_large": found.too_large}


def doctor(checks: Sequence[Check]) -> dict[str, Any]:
    """Of `sae doctor`."""
    return {
        "good": all(check.good for check in checks),
        "checks": [{name: getattr(check, name) for name in ("name", "good", "found", "advice")} for check in checks],
    }


def models(root: Root, found: Models) -> dict[str, Any]:
    """Of `sae models`."""
    return {"root": root.path, **jsonable(found)}


def best_of_sweep(
    found: Sweep, by: Objective, ranked: Sequence[Combination], points: Sequence[Point]
) -> dict[str, Any]:
    """Of `sae sweep best`: combinations, the best one first, and of each the point with the best model."""
    return {
        "sweep": found.row.name,
        "by": by,
        "best": [{"combination": one, "point": point} for one, point in zip(ranked, points, strict=True)],
    }


def model_states(store: str, found: ModelStates) -> dict[str, Any]:
    """Of `sae models` of a store without a root."""
    return {"store": store, **jsonable(found)}


def schedules(found: Sequence[Planned], daemon: Daemon) -> dict[str, Any]:
    """Of `sae schedule list`."""
    return {"schedules": found, "daemon": daemon}


def schedule(found: Planned, ticks: Sequence[Tick]) -> dict[str, Any]:
    """Of `sae schedule show`: all of `Planned`, and the newest ticks."""
    return {**jsonable(found), "ticks": ticks}


def next_times(found: Sequence[tuple[Planned, str]]) -> dict[str, Any]:
    """Of `sae schedule next`: the nearest first."""
    from pipeline.scheduler import wording

    rows = [
        {"schedule": one.schedule.name, "time": time, "words": wording.moment(time, one.schedule.timing.zone)}
        for one, time in found
    ]
    return {"times": rows}


def history(ticks: Sequence[Tick], more: bool) -> dict[str, Any]:
    """Of `sae schedule history`. `more`: whether there are older ones that are not listed."""
    return {"ticks": ticks, "more": more}


def scheduler_status(daemon: Daemon, found: Sequence[Planned]) -> dict[str, Any]:
    """Of `sae schedule status`: the daemon, and what is wrong.

    `unattended`: whether something is planned that no daemon will start; `failing`: by schedule, the last ticks that
    failed or were missed.
    """
    from pipeline.scheduler.status import failing, unattended

    return {
        "daemon": daemon,
        "schedules": len(found),
        "paused": [one.schedule.name for one in found if one.schedule.paused],
        "unattended": unattended(daemon, found),
        "failing": failing(found),
    }
