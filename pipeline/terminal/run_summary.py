"""The last lines of `sae run` and `sae resume`: the result, and the command to try next."""

from __future__ import annotations

import pathlib
from typing import TYPE_CHECKING

from components.evaluation.metrics import METRICS
from pipeline.core.errors import ExitCode
from pipeline.core.events import NodeState
from pipeline.core.text import number_text
from pipeline_config import PathsConfig, PipelineConfig

if TYPE_CHECKING:
    from pipeline.orchestration.summary import Summary

_METRICS = {metric.run_key: metric for metric in METRICS if metric.run_key}


def as_text(summary: Summary, program: str = "sae") -> str:
    """Return the result of a run, with the command to try next. `program` is what the user types for `sae`."""
    lines = ["", f"{summary.dataset}, run {summary.run_id}: {summary.state} in {summary.seconds:.1f} s"]
    if summary.notice:
        lines.append(f"note: {summary.notice}")
    if summary.error:
        lines.append(f"error: {summary.error}")
    if summary.metrics:
        pairs = [_metric(name, value) for name, value in summary.metrics.items()]
        widths = [max(map(len, texts)) for texts in zip(*pairs, strict=True)]
        lines += ["", "metrics on the test split"]
        lines += [f"  {title:<{widths[0]}}  {value:>{widths[1]}}" for title, value in pairs]
        lines.append("")
    if summary.blessed:
        lines.append(f"blessed{_served_text(summary, program)}")
    elif summary.blessed is False:
        lines.append("not blessed, not served: " + "; ".join(summary.reasons))
    if summary.report:
        lines.append(f"report: {summary.report}")
    if summary.exit_code == ExitCode.NODE_FAILED:
        lines.append(f"log:    {summary.log}")
    return "\n".join([*lines, f"next:   {next_command(summary, program)}"])


def _metric(name: str, value: float) -> tuple[str, str]:
    """Return title and value of a metric; one that is not declared is titled by its name."""
    metric = _METRICS.get(name)
    return (metric.title, metric.text(value)) if metric else (name, number_text(value))


def _served_text(summary: Summary, program: str) -> str:
    if summary.pushed_version:
        return f", served as version {summary.pushed_version}"
    if summary.kept_back:
        return f", not served: {summary.kept_back}"
    pusher = next((node["state"] for node in summary.nodes if node["id"] == "Pusher"), "")
    if pusher in (NodeState.CACHED.value, NodeState.SKIPPED.value):
        return f", not served: superseded or rolled back (`{program} models` lists who decided it and why)"
    return ""  # only a part of the pipeline ran, which does not push


def next_command(summary: Summary, program: str = "sae") -> str:
    """Return the most useful command after this run."""
    is_default = pathlib.Path(summary.root) == pathlib.Path(PathsConfig().root).resolve()
    root = "" if is_default else f" --root {summary.root}"
    profile = f" --profile {summary.profile}" if summary.profile != next(iter(PipelineConfig.profiles)) else ""
    if summary.exit_code == ExitCode.NODE_FAILED:
        return f"less {summary.log}"
    if summary.kept_back:
        return f"{program} promote {summary.run_id} --reason TEXT{root}   (serve it anyway)"
    if summary.exit_code == ExitCode.GATE_FAILED and summary.blessed is None:
        return f"{program} config show{profile}{root}   (the splits and the schema that the data is checked against)"
    if summary.blessed is False:
        return f"{program} show {summary.run_id}{root}   (the thresholds that the model missed, by slice)"
    return f"{program} show {summary.run_id}{root}   (nodes, metrics, configuration; `{program} serve` shows charts)"
