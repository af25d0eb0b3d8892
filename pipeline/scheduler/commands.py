"""The commands that the daemon runs: `sae run` for a tick, `sae show` for what became of it, `sae gc` after it."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import subprocess
import sys
from typing import Any

from pipeline.core.project import PROJECT
from pipeline.scheduler.types import Work

# The code that the daemon is made of, wherever it was started.
_SHOW_TIMEOUT = 60.0  # seconds; it takes one


@dataclasses.dataclass(frozen=True)
class Commands:
    """Command lines, on one root.

    Attributes:
      root: the pipeline root.
      sae: what to type for `sae`.
    """

    root: pathlib.Path
    sae: tuple[str, ...] = (sys.executable, "-m", "pipeline")

    def run(self, work: Work, trigger: str, run_id_file: pathlib.Path) -> tuple[str, ...]:
        """`sae run` for a tick."""
        options = ["run", "--profile", work.profile, "--root", str(self.root), "--trigger", trigger]
        options += ["--run-id-file", str(run_id_file)]
        if work.config_file:
            options += ["--config", work.config_file]
        for assignment in work.assignments:
            options += ["--set", assignment]
        if work.seed is not None:
            options += ["--seed", str(work.seed)]
        return (*self.sae, *options)

    def show(self, run_id: str) -> tuple[str, ...]:
        """`sae show --json` of a run."""
        return (*self.sae, "show", run_id, "--root", str(self.root), "--json")

    def gc(self, work: Work) -> tuple[str, ...]:
        """`sae gc` by the settings of a tick's work."""
        options = ["gc", "--yes", "--root", str(self.root), "--json"]
        if work.config_file:
            options += ["--config", work.config_file]
        for assignment in work.assignments:
            options += ["--set", assignment]
        return (*self.sae, *options)

    def run_state(self, run_id: str) -> dict[str, str]:
        """Return state and error of a run as the store has them; empty where it does not know the run.

        By the command: the store's library stays out of the daemon, with its memory and its locks.
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
    """Return why a run failed; where no node did, why nodes were skipped and which thresholds were not met."""
    if run["row"]["error"]:
        return str(run["row"]["error"])
    found = [str(node["error"]) for node in run.get("nodes", ()) if node["error"]]
    found += [
        f"{one['metric']} ({one['slice']}) is {one['value']:g}, the limit is {one['limit']:g}"
        for one in run.get("thresholds", ())
        if not one["passed"] and one["value"] is not None and one["limit"] is not None
    ]
    return "; ".join(dict.fromkeys(found))
