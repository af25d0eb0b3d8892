"""The commands that the daemon runs: `sae run`, `sae show` for the result, and `sae gc`."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import pathlib
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from components.evaluation import thresholds
from pipeline.core.project import PROJECT
from pipeline.core.text import bytes_text, counted
from pipeline.metadata.properties import PUSHED_MODEL
from pipeline.scheduler.types import Work

_SHOW_TIMEOUT = 60.0  # seconds; it takes one
_UNREADABLE = (OSError, subprocess.TimeoutExpired, ValueError, KeyError, TypeError, AttributeError)


@dataclasses.dataclass(frozen=True)
class Commands:
    """Command lines, on one root.

    Attributes:
      root: the pipeline root.
      sae: program and arguments of `sae`; the default is the code of the daemon.
    """

    root: pathlib.Path
    sae: tuple[str, ...] = (sys.executable, "-m", "pipeline")

    def run(self, work: Work, trigger: str, run_id_file: pathlib.Path) -> tuple[str, ...]:
        """Return `sae run` for a tick, or `sae sweep run`, whose runs have ids and triggers of their own."""
        options: tuple[str, ...] = ("--root", str(self.root))
        if not work.sweep:
            options += ("--trigger", trigger, "--run-id-file", str(run_id_file))
        return (*self.sae, *work.command(), *options)

    def show(self, run_id: str) -> tuple[str, ...]:
        """Return `sae show --json` of a run."""
        return (*self.sae, "show", run_id, "--root", str(self.root), "--json")

    def gc(self, work: Work) -> tuple[str, ...]:
        """Return `sae gc` with the settings of a schedule's runs."""
        return (*self.sae, "gc", "--yes", "--root", str(self.root), "--json", *work.config_options())

    def collected(self, output: str) -> str:
        """Write what `sae gc` deleted: `deleted 24 artifacts of 8 runs, 12.3 MB`; empty if its output does not tell."""
        with contextlib.suppress(*_UNREADABLE):
            found, _ = json.JSONDecoder().raw_decode(output[output.index("{") :])  # after notes, perhaps
            runs = {one["run"] for one in found["artifacts"]}
            size = bytes_text(int(found["freed"]))
            if runs:
                return f"deleted {counted(len(found['artifacts']), 'artifact')} of {counted(len(runs), 'run')}, {size}"
            return f"deleted leftovers and old versions, {size}" if found["freed"] else "nothing to delete"
        return ""

    def run_state(self, run_id: str) -> dict[str, str]:
        """Return `state` and `error` of a run in ML Metadata; empty if it is unknown.

        A subprocess reads them, to keep the memory and the locks of ML Metadata out of the daemon.
        """
        with contextlib.suppress(*_UNREADABLE):
            run = _read(self.show(run_id))
            return {"state": str(run["row"]["state"]), "error": _error(run)}
        return {}

    def sweep_state(self, name: str) -> dict[str, str]:
        """Return `points` of a sweep: `6 of 6 points of sweep l1`, with the others by state; empty if it is unknown."""
        with contextlib.suppress(*_UNREADABLE):
            row = _read((*self.sae, "sweep", "show", name, "--root", str(self.root), "--json"))["row"]
            counts = {state: int(count) for state, count in row["counts"].items()}
            done = f"{counts.pop('succeeded', 0)} of {row['points']} points of sweep {name}"
            others = ", ".join(f"{count} {state}" for state, count in counts.items())
            return {"points": f"{done} succeeded, {others}" if others else done}
        return {}


def _read(command: Sequence[str]) -> dict[str, Any]:
    """Return the JSON that a command prints. Raises one of `_UNREADABLE`."""
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, cwd=PROJECT, timeout=_SHOW_TIMEOUT, check=False
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _error(run: dict[str, Any]) -> str:
    """Return the error of a run; without one, those of its nodes and the thresholds that its model did not meet."""
    if run["row"]["error"]:
        return str(run["row"]["error"])
    titles: dict[str, str] = run.get("slice_titles", {})
    rows, overall, slices = run.get("thresholds", ()), run.get("metrics", {}), run.get("slices", {})
    missed = thresholds.reasons(*thresholds.shown(rows, overall, slices, titles))
    # Why a model that misses thresholds was not pushed says less than they do.
    found = [str(node["error"]) for node in run.get("nodes", ()) if node["error"] and _tells(node, pushes=not missed)]
    if missed:
        found.append(f"the model is not blessed: {'; '.join(missed)}")
    return "; ".join(dict.fromkeys(found))


def _tells(node: dict[str, Any], pushes: bool) -> bool:
    """Return whether the error of a node tells why a run ended so: not that of a node that had nothing to do.

    A node that pushes no model counts as skipped too; its error tells it where `pushes`.
    """
    pushed = any(use["artifact"]["type"] == PUSHED_MODEL for use in node["outputs"])
    return node["state"] != "skipped" or (pushes and pushed)
