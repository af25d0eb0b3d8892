"""How a run ended: as JSON, and in words with the next command to try."""

from __future__ import annotations

import dataclasses
import json
import math
import pathlib
from typing import Any

from components.evaluation import thresholds
from components.push import decision as push_decision
from components.push import serving_dir
from pipeline.core import file_digests, settings
from pipeline.core.errors import ExitCode
from pipeline.core.events import NodeState, RunResult
from pipeline.core.pipeline_root import Root
from pipeline.definition import graph
from pipeline.definition.dataset import Source
from pipeline.metadata import store as metadata
from pipeline.metadata.run_properties import Headline
from pipeline.registry import versions
from pipeline_config import PathsConfig

SCHEMA_VERSION = 1
PCA_MSE = "pca_mse"  # custom property of a Report


@dataclasses.dataclass(frozen=True)
class Summary:
    """How a run ended, for people and as JSON."""

    run_id: str
    state: str
    dataset: str
    notice: str
    profile: str
    nodes: tuple[dict[str, Any], ...]
    metrics: dict[str, float]
    blessed: bool | None
    reasons: tuple[str, ...]
    kept_back: str
    pushed_version: str | None
    report: str | None
    root: str
    log: str
    seconds: float
    error: str
    exit_code: ExitCode

    def as_json(self) -> str:
        """The object that `--json` prints."""
        fields = dataclasses.asdict(self)
        fields["exit_code"] = int(self.exit_code)
        fields["error"] = self.error or None
        fields["notice"] = self.notice or None
        fields["kept_back"] = self.kept_back or None
        return json.dumps({"schema_version": SCHEMA_VERSION, **fields}, indent=2)


# Metrics of the summary, by their name in the Evaluator.
_METRICS = {
    "test_bce": "bce",
    "test_mse": "mse",
    "active_units": "active_units",
    "dead_units": "dead_units",
    "hoyer": "hoyer",
    "gini": "gini",
    "mean_image_bce": "mean_image_bce",
    "mean_image_mse": "mean_image_mse",
    "entropy_floor": "entropy_floor",
    "bce_to_mean_image": "bce_to_mean_image",
}


def of_run(
    store: metadata.Store,
    result: RunResult,
    resolved: settings.Settings,
    source: Source,
    root: Root,
    log: pathlib.Path,
    seconds: float,
) -> Summary:
    """The summary of a run that ended, from ML Metadata; whatever a failed or partial run did not make is absent."""
    executions = store.executions(result.run_id)

    def output(node: str, key: str) -> metadata.Output | None:
        execution = executions.get(node)
        good = execution is not None and execution.state in (NodeState.EXECUTED, NodeState.CACHED)
        return store.outputs(execution.id).get(key) if execution is not None and good else None

    metrics: dict[str, float] = {}
    reasons: tuple[str, ...] = ()
    evaluated = output("Evaluator", "evaluation")
    if evaluated and (evaluation := evaluation_of(evaluated)):
        metrics = {name: evaluation.overall[key] for name, key in _METRICS.items()}
        gates = graph.parameters(resolved.config, source)["Evaluator"]["gates"]
        reasons = thresholds.reasons(thresholds.judge(evaluation, thresholds.Gates(**gates)))
    blessing = output("Evaluator", "blessing")
    blessed = None if blessing is None else blessing.properties.get("blessed") == 1
    decision = output(graph.PUSH_GATE, "decision")
    kept_back = ""
    if blessed and decision and not decision.properties.get(push_decision.PUSH):
        kept_back = str(decision.properties.get(push_decision.REASON, ""))
    pushed = output("Pusher", "pushed_model")
    report = output("Report", "report")
    if report and PCA_MSE in report.properties:
        metrics["pca_mse"] = float(report.properties[PCA_MSE])
    exit_code = result.exit_code
    if exit_code == ExitCode.DONE and (blessed is False or kept_back):
        exit_code = ExitCode.GATE_FAILED
    return Summary(
        run_id=result.run_id,
        state="succeeded" if result.exit_code == ExitCode.DONE else "failed",
        dataset=f"{source.name} {source.version}",
        notice=source.notice,
        profile=resolved.profile,
        nodes=tuple(
            {
                "id": node.node,
                "state": node.state.value,
                "seconds": round(node.seconds, 3),
                "reason": node.reason or None,
            }
            for node in result.nodes
        ),
        metrics=metrics,
        blessed=blessed,
        reasons=reasons,
        kept_back=kept_back,
        pushed_version=_served_version(pushed, root) if pushed and blessed and not kept_back else None,
        report=str(pathlib.Path(report.uri) / "report.html") if report else None,
        root=str(root.path),
        log=str(log),
        seconds=round(seconds, 3),
        error=result.error,
        exit_code=exit_code,
    )


def _served_version(pushed: metadata.Output, root: Root) -> str | None:
    """The version as which a run's model is served; None where somebody replaced it."""
    held = pushed.properties.get(file_digests.MODEL) in versions.held_back(root)
    version = pushed.properties.get(serving_dir.PUSHED_VERSION)
    return None if held or version is None else str(version)


def headline_of(summary: Summary, trigger: str, state: str = "") -> Headline:
    """What of a summary is noted on the run's context. `state`: where it is not the summary's."""
    of_nodes = [node["state"] for node in summary.nodes]
    return Headline(
        state=state or summary.state,
        seconds=summary.seconds,
        dataset=summary.dataset,
        profile=summary.profile,
        trigger=trigger,
        test_bce=summary.metrics.get("test_bce"),
        test_mse=summary.metrics.get("test_mse"),
        active_units=summary.metrics.get("active_units"),
        dead_units=summary.metrics.get("dead_units"),
        blessed=None if summary.blessed is None else int(summary.blessed),
        executed=of_nodes.count(NodeState.EXECUTED.value),
        cached=of_nodes.count(NodeState.CACHED.value),
        pushed_version=summary.pushed_version,
        error=summary.error or None,
    )


def evaluation_of(evaluated: metadata.Output) -> thresholds.Evaluation | None:
    """The numbers that were noted of a ModelEvaluation; None where that was not done."""
    text = evaluated.properties.get(metadata.METRICS)
    if text is None:
        return None
    values = json.loads(str(text))
    per_label = {int(label): numbers for label, numbers in values["per_label"].items()}
    return thresholds.Evaluation(values["overall"], per_label)


def summary_text(summary: Summary, program: str = "sae") -> str:
    """The end of a run, for people. `program` is what they type to run `sae`."""
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
    """The command that is most useful after this run."""
    is_default = pathlib.Path(summary.root) == pathlib.Path(PathsConfig().root).resolve()
    root = "" if is_default else f" --root {summary.root}"
    options = (f" --profile {summary.profile}" if summary.profile != settings.DEFAULT_PROFILE else "") + root
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
