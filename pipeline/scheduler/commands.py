"""The commands that the daemon runs: `sae run`, `sae show` for the result, and `sae gc`."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import subprocess
import sys
from typing import Any

from components.evaluation import thresholds
from components.evaluation.thresholds import Gate
from pipeline.core.project import PROJECT
from pipeline.metadata.properties import PUSHED_MODEL
from pipeline.scheduler.types import Work

_SHOW_TIMEOUT = 60.0  # seconds; it takes one


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

    def run_state(self, run_id: str) -> dict[str, str]:
        """Return `state` and `error` of a run in ML Metadata; empty if it is unknown.

        A subprocess reads them, to keep the memory and the locks of ML Metadata out of the daemon.
        """
        try:
            done = subprocess.run(
                self.show(run_id),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                cwd=PROJECT,
                timeout=_SHOW_TIMEOUT,
                check=False,
            )
            run: dict[str, Any] = json.loads(done.stdout)
            return {"state": str(run["row"]["state"]), "error": _error(run)}
        except (OSError, subprocess.TimeoutExpired, ValueError, KeyError, TypeError):
            return {}


def _error(run: dict[str, Any]) -> str:
    """Return the error of a run; without one, those of its nodes and the thresholds that were not met."""
    if run["row"]["error"]:
        return str(run["row"]["error"])
    titles: dict[str, str] = run.get("slice_titles", {})
    found = [str(node["error"]) for node in run.get("nodes", ()) if node["error"] and _tells(node)]
    found += thresholds.reasons(
        Gate(one["metric"], titles.get(one["slice"], one["slice"]), one["value"], one["limit"], one["passed"])
        for one in run.get("thresholds", ())
        if one["value"] is not None and one["limit"] is not None
    )
    return "; ".join(dict.fromkeys(found))


def _tells(node: dict[str, Any]) -> bool:
    """Return whether the error of a node tells why a run ended so: not that of a node that had nothing to do.

    A node that pushes no model counts as skipped too.
    """
    return node["state"] != "skipped" or any(use["artifact"]["type"] == PUSHED_MODEL for use in node["outputs"])
