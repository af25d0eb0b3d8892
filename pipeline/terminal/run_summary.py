"""The last lines of `sae run` and `sae resume`: the result, and the command to try next."""

from __future__ import annotations

import math
import pathlib
from typing import TYPE_CHECKING

from pipeline.core.errors import ExitCode
from pipeline.core.events import NodeState
from pipeline_config import PathsConfig, PipelineConfig

if TYPE_CHECKING:
    from pipeline.orchestration.summary import Summary


def as_text(summary: Summary, program: str = "sae") -> str:
    """Return the result of a run, with the command to try next. `program` is what the user types for `sae`."""
    lines = ["", f"{summary.dataset}, run {summary.run_id}: {summary.state} in {summary.seconds:.1f} s"]
    if summary.notice:
        lines.append(f"note: {summary.notice}")
    if summary.error:
        lines.append(f"error: {summary.error}")
    if metrics := summary.metrics:
        lines += [
            "",
            f"{'on the test split':<24}{'model':>9}{'mean image':>12}{'PCA':>9}{'floor':>9}",
            f"{'  BCE, nats per pixel':<24}{metrics['test_bce']:9.4f}{metrics['mean_image_bce']:12.4f}"
            f"{'':>9}{metrics['entropy_floor']:9.4f}",
            f"{'  MSE':<24}{metrics['test_mse']:9.5f}{metrics['mean_image_mse']:12.5f}"
            f"{metrics.get('pca_mse', math.nan):9.5f}{0:9}",
            f"{'  active units per image':<24}{metrics['active_units']:9.1f}",
            f"{'  dead units':<24}{metrics['dead_units']:9.0f}",
            "",
        ]
    if summary.blessed:
        lines.append(f"blessed{_served_text(summary, program)}")
    elif summary.blessed is False:
        lines.append("not blessed, not served: " + "; ".join(summary.reasons))
    if summary.report:
        lines.append(f"report: {summary.report}")
    if summary.exit_code == ExitCode.NODE_FAILED:
        lines.append(f"log:    {summary.log}")
    return "\n".join([*lines, f"next:   {next_command(summary, program)}"])


def _served_text(summary: Summary, program: str) -> str:
    if summary.pushed_version:
        return f", served as version {summary.pushed_version}"
    if summary.kept_back:
        return f", not served: {summary.kept_back}"
    pusher = next((node["state"] for node in summary.nodes if node["id"] == "Pusher"), "")
    if pusher in (NodeState.CACHED.value, NodeState.SKIPPED.value):
        return f", not served: somebody replaced this model (`{program} models` says who and why)"
    return ""  # it was not to be pushed: a part of the pipeline ran


def next_command(summary: Summary, program: str = "sae") -> str:
    """Return the most useful command after this run."""
    is_default = pathlib.Path(summary.root) == pathlib.Path(PathsConfig().root).resolve()
    root = "" if is_default else f" --root {summary.root}"
    options = (f" --profile {summary.profile}" if summary.profile != next(iter(PipelineConfig.profiles)) else "") + root
    if summary.exit_code == ExitCode.NODE_FAILED:
        return f"less {summary.log}"
    if summary.kept_back:
        return f"{program} promote {summary.run_id} --reason TEXT{root}   (serves it all the same)"
    if summary.exit_code == ExitCode.GATE_FAILED and summary.blessed is None:
        return f"{program} config show{options}   (the splits and the schema that the data is held against)"
    if summary.blessed is False:
        return (
            f"{program} run{options} --set training.epochs=100   (train longer; the report shows where it falls short)"
        )
    return f"{program} run{options} --set model.l1=1e-4   (only what depends on the changed setting runs again)"
