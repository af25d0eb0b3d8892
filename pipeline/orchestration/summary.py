"""The result of a run, read from ML Metadata."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Mapping
from typing import Any

from components.push import decision as push_decision
from components.push import serving_dir
from pipeline.core import settings
from pipeline.core.errors import ExitCode
from pipeline.core.events import NodeEnded, NodeState
from pipeline.core.pipeline_root import Root
from pipeline.definition.spec import ConfiguredPipeline, Pipeline
from pipeline.metadata.properties import MODEL_DIGEST
from pipeline.metadata.run_properties import Headline
from pipeline.metadata.store import Store
from pipeline.metadata.types import Artifact
from pipeline.registry import decision_log, versions


@dataclasses.dataclass(frozen=True)
class RunResult:
    """How a run ended."""

    run_id: str
    nodes: tuple[NodeEnded, ...]  # every node of the pipeline, in order
    exit_code: ExitCode  # DONE, NODE_FAILED or GATE_FAILED (the data's gate; the model's is judged by its metrics)
    error: str  # the reason; empty if the run succeeded
    executions: Mapping[str, int] | None = None  # ids of those that succeeded, by node; None: ML Metadata has them


@dataclasses.dataclass(frozen=True)
class Summary:
    """The result of a run."""

    run_id: str  # the id of the run
    state: str  # `succeeded` or `failed`
    dataset: str  # name and version
    notice: str  # of the data set; empty: none
    profile: str  # name of the profile
    assignments: tuple[str, ...]  # `NAME=VALUE` of each setting that differs from the profile, but for the root
    part: str  # the options that select nodes; empty: all nodes
    nodes: tuple[dict[str, Any], ...]  # `id`, `state`, `seconds` and `reason` of each node, in order
    metrics: dict[str, float]  # by name
    blessed: bool | None  # None if no model was evaluated
    reasons: tuple[str, ...]  # why the model is not blessed
    kept_back: str  # why the push gate rejected the blessed model; empty: it did not
    pushed_version: str | None  # version as which the model is served; None if it is not
    report: str | None  # path of the report's page; None if there is none
    # root, log: paths of the pipeline root and of the run's log
    root: str
    log: str
    seconds: float  # duration, including earlier attempts
    error: str  # why the run failed; empty: it succeeded
    exit_code: ExitCode  # exit code of the command
    hints: tuple[str, ...] = ()  # at settings that do not suit the data set, if the model is not blessed
    # words of the data in labels of metrics, by those that they replace
    words: Mapping[str, str] = dataclasses.field(default_factory=dict)


def of_run(
    store: Store, result: RunResult, configured: ConfiguredPipeline, root: Root, seconds: float, part: str = ""
) -> Summary:
    """Return the summary of a run that ended; what a failed or partial run did not produce is absent.

    Args:
      store: to read it from.
      result: how the run ended.
      configured: the pipeline with its settings and data set.
      root: of the run.
      seconds: duration, including earlier attempts.
      part: the options that select nodes; empty: all nodes.
    """
    pipeline, dataset = configured.pipeline, configured.dataset
    succeeded = result.executions
    if succeeded is None:
        succeeded = {
            node: execution.id for node, execution in store.executions(result.run_id).items() if execution.has_succeeded
        }
    outputs = store.outputs_by_name(succeeded)
    blessing, decision, pushed, report = (
        outputs.get(name) if name else None
        for name in (pipeline.blessing, pipeline.decision, pipeline.pushed, pipeline.report)
    )
    measured = pipeline.metrics(configured, outputs)
    blessed = None if blessing is None else blessing.properties.get("blessed") == 1
    rejection = ""
    if blessed and decision and not decision.properties.get(push_decision.PUSH):
        rejection = str(decision.properties.get(push_decision.REASON, ""))
    exit_code = result.exit_code
    if exit_code == ExitCode.DONE and (blessed is False or rejection):
        exit_code = ExitCode.GATE_FAILED
    return Summary(
        run_id=result.run_id,
        state="succeeded" if result.exit_code == ExitCode.DONE else "failed",
        dataset=f"{dataset.name} {dataset.version}",
        notice=dataset.notice,
        profile=configured.settings.profile,
        assignments=settings.assignments(configured.settings),
        part=part,
        nodes=tuple(map(_document, result.nodes)),
        metrics=measured.metrics,
        blessed=blessed,
        reasons=measured.reasons,
        kept_back=rejection,
        pushed_version=_served_version(pushed, store, root) if pushed and blessed and not rejection else None,
        report=str(pathlib.Path(report.uri) / "report.html") if report else None,
        root=str(root.path),
        log=str(root.logs / f"{result.run_id}.log"),
        seconds=round(seconds, 3),
        error=result.error,
        exit_code=exit_code,
        words=pipeline.data.words(dataset),
        hints=pipeline.data.hints(configured.settings, measured.attainable) if blessed is False else (),
    )


def _document(node: NodeEnded) -> dict[str, Any]:
    state, seconds, reason = node.state.value, round(node.seconds, 3), node.reason or None
    return {"id": node.node, "state": state, "seconds": seconds, "reason": reason}


def _served_version(pushed: Artifact, store: Store, root: Root) -> str | None:
    """Return the version as which a run's model is served; None if the model was superseded or rolled back."""
    model = pushed.properties.get(MODEL_DIGEST)
    version = pushed.properties.get(serving_dir.PUSHED_VERSION)
    if version is None or model in decision_log.superseded(store):
        return None
    newest = serving_dir.newest_version(root.serving)
    if newest is not None and newest.name != str(version):  # perhaps this model, promoted after a rollback
        served = versions.find_served_push(store, root)
        if served is not None and served.is_of(pushed.id, str(model or "")):
            return str(served.version)
    return str(version)


def headline_of(summary: Summary, pipeline: Pipeline, trigger: str, state: str = "") -> Headline:
    """Return what is recorded on the run's context. `state`: replaces that of the summary."""
    states = [node["state"] for node in summary.nodes]
    recorded = [metric.run_key for metric in pipeline.declared_metrics if metric.recorded]
    return Headline(
        state=state or summary.state,
        seconds=summary.seconds,
        dataset=summary.dataset,
        profile=summary.profile,
        trigger=trigger,
        blessed=None if summary.blessed is None else int(summary.blessed),
        executed=states.count(NodeState.EXECUTED.value),
        cached=states.count(NodeState.CACHED.value),
        skipped=states.count(NodeState.SKIPPED.value),
        pushed_version=summary.pushed_version,
        error=summary.error or None,
        metrics={name: summary.metrics[name] for name in recorded if name in summary.metrics},
    )
