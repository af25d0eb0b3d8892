"""The last lines of `sae run` and `sae resume`: the result, and the commands to try next."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from components.evaluation.metrics import Metric
from pipeline.core import shell
from pipeline.core.errors import ExitCode
from pipeline.core.events import NOT_IN_PART, NodeState
from pipeline.core.suggestions import Selection
from pipeline.core.text import escaped, number_text
from pipeline.terminal.table import Column, Screen
from pipeline_config import PathsConfig

if TYPE_CHECKING:
    from pipeline.definition.spec import Pipeline
    from pipeline.orchestration.summary import Summary


def as_text(summary: Summary, pipeline: Pipeline, selected: Selection) -> str:
    """Return the result of a run and the commands to try next.

    Args:
      summary: of the run.
      pipeline: that ran.
      selected: what the user selected on the command line.
    """
    lines = ["", f"{escaped(summary.dataset)}, run {summary.run_id}: {summary.state} in {summary.seconds:.1f} s"]
    if summary.notice:
        lines.append(f"note: {escaped(summary.notice)}")
    if summary.error:
        lines.append(f"error: {escaped(summary.error)}")
    if summary.metrics:
        declared = [one.reworded(summary.words) for one in pipeline.declared_metrics]
        lines += ["", *metrics_table(summary.metrics, declared), ""]
    if summary.blessed:
        lines.append(f"blessed{_served_text(summary, pipeline)}")
    elif summary.blessed is False:
        lines.append("not blessed, not served: " + escaped("; ".join(summary.reasons)))
        lines += [f"note: {escaped(hint)}" for hint in summary.hints]
    if summary.report:
        lines.append(f"report: {escaped(summary.report)}")
    if summary.exit_code == ExitCode.NODE_FAILED:
        lines.append(f"log:    {escaped(summary.log)}")
    for number, (command, purpose) in enumerate(next_commands(summary, pipeline, selected).items()):
        # The command has a line of its own, so that it can be pasted.
        lines += [f"{'' if number else 'next:':<8}{command}", *([f"{'':<10}{purpose}"] if purpose else [])]
    return "\n".join(lines)


def metrics_table(values: Mapping[str, float], declared: Sequence[Metric]) -> list[str]:
    """Return a row for each metric of the model on the test split, with a column for each of its baselines.

    The title of a metric that is not declared is its name.
    """
    by_key = {one.run_key: one for one in declared if one.run_key in values}
    names = {one.name for one in by_key.values()}
    baselines = {key: one for key, one in by_key.items() if one.baseline_of in names}
    headings = list(dict.fromkeys(one.baseline for one in baselines.values()))
    rows = []
    for name, value in values.items():
        metric = by_key.get(name)
        if name in baselines or (metric and metric.validation_of):
            continue
        own = {} if metric is None else {b.baseline: b for b in baselines.values() if b.baseline_of == metric.name}
        rows.append(
            [
                metric.title if metric else name,
                metric.text(value) if metric else number_text(value),
                *(own[one].text(values[own[one].run_key]) if one in own else "" for one in headings),
            ]
        )
    columns = [Column("on the test split"), *(Column(one, right=True) for one in ("model", *headings))]
    return Screen().table(columns, rows, indent="  ")


def _served_text(summary: Summary, pipeline: Pipeline) -> str:
    if summary.pushed_version:
        return f", served as version {summary.pushed_version}"
    if summary.kept_back:
        return f", not served: {escaped(summary.kept_back)}"
    pusher = pipeline.pushed[0] if pipeline.pushed else ""
    node = next((node for node in summary.nodes if node["id"] == pusher), None)
    if node is None or node["reason"] == NOT_IN_PART:
        return ""
    if node["state"] in (NodeState.CACHED.value, NodeState.SKIPPED.value):
        return ", not served: superseded or rolled back (`sae models` lists who decided it and why)"
    return ""


def next_commands(summary: Summary, pipeline: Pipeline, selected: Selection) -> dict[str, str]:
    """Return the most useful commands after this run, each with its purpose, the first one first."""
    is_default = pathlib.Path(summary.root) == pathlib.Path(PathsConfig().root).resolve()
    root = "" if is_default else f" --root {shell.quoted(summary.root)}"
    default_profile = next(iter(pipeline.configuration.profiles), "")
    profile = f" --profile {shell.quoted(summary.profile)}" if summary.profile != default_profile else ""
    options = f"{profile}{root}" + "".join(f" --set {shell.quoted(one)}" for one in summary.assignments)
    program, run_id = selected.command, shell.quoted(summary.run_id)
    plan = {f"{program} plan{options}": "with --set NAME=VALUE: the nodes that run again when a setting changes"}
    if summary.exit_code == ExitCode.NODE_FAILED:
        again = f"resume {run_id}{root}"
        if summary.part:  # only runs of all nodes can be resumed
            again = f"run{options} {summary.part}"
        return {f"less {shell.quoted(summary.log)}": "", f"{program} {again}": "when the cause is removed"}
    if summary.kept_back:
        return {f"{program} promote {run_id} --reason TEXT{root}": "serve it anyway", **plan}
    if summary.exit_code == ExitCode.GATE_FAILED and summary.blessed is None:
        return {f"{program} config show{options}": "the splits and the schema that the data is checked against"}
    if summary.blessed is False:
        return {f"{program} show {run_id}{root}": "the thresholds that the model missed, by slice", **plan}
    return {**plan, f"{program} serve{root}": "runs, charts and models in a browser"}
