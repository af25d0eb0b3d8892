"""How a run ended, from ML Metadata."""

from __future__ import annotations

import dataclasses
import pathlib
from typing import Any

from components.evaluation import metrics
from components.push import decision as push_decision
from components.push import serving_dir
from pipeline.core.errors import ExitCode
from pipeline.core.events import NodeEnded, NodeState
from pipeline.core.pipeline_root import Root
from pipeline.definition.spec import ConfiguredPipeline
from pipeline.metadata.properties import MODEL_DIGEST
from pipeline.metadata.run_properties import Headline
from pipeline.metadata.store import Store
from pipeline.metadata.types import Artifact
from pipeline.registry import versions


@dataclasses.dataclass(frozen=True)
class RunResult:
    """How a run ended.

    Attributes:
      nodes: every node of the pipeline, in order.
      exit_code: DONE, NODE_FAILED or GATE_FAILED (the data's gate; the model's is judged by its metrics).
      error: the reason; empty if the run succeeded.
    """

    run_id: str
    nodes: tuple[NodeEnded, ...]
    exit_code: ExitCode
    error: str


@dataclasses.dataclass(frozen=True)
class Summary:
    """How a run ended."""

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


def of_run(
    store: Store,
    result: RunResult,
    configured: ConfiguredPipeline,
    root: Root,
    log: pathlib.Path,
    seconds: float,
) -> Summary:
    """The summary of a run that ended, from ML Metadata; whatever a failed or partial run did not make is absent."""
    pipeline, dataset = configured.pipeline, configured.dataset
    outputs = {
        (node, key): output
        for node, execution in store.executions(result.run_id).items()
        if execution.state in (NodeState.EXECUTED, NodeState.CACHED)
        for key, output in store.outputs(execution.id).items()
    }
    blessing, decision, pushed, report = (
        outputs.get(name) if name else None
        for name in (pipeline.blessing, pipeline.decision, pipeline.pushed, pipeline.report)
    )
    metrics, reasons = pipeline.metrics(configured, outputs)
    blessed = None if blessing is None else blessing.properties.get("blessed") == 1
    kept_back = ""
    if blessed and decision and not decision.properties.get(push_decision.PUSH):
        kept_back = str(decision.properties.get(push_decision.REASON, ""))
    exit_code = result.exit_code
    if exit_code == ExitCode.DONE and (blessed is False or kept_back):
        exit_code = ExitCode.GATE_FAILED
    return Summary(
        run_id=result.run_id,
        state="succeeded" if result.exit_code == ExitCode.DONE else "failed",
        dataset=f"{dataset.name} {dataset.version}",
        notice=dataset.notice,
        profile=configured.settings.profile,
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


def _served_version(pushed: Artifact, root: Root) -> str | None:
    """The version as which a run's model is served; None where somebody replaced it."""
    held = pushed.properties.get(MODEL_DIGEST) in versions.superseded_models(root)
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
        blessed=None if summary.blessed is None else int(summary.blessed),
        executed=of_nodes.count(NodeState.EXECUTED.value),
        cached=of_nodes.count(NodeState.CACHED.value),
        pushed_version=summary.pushed_version,
        error=summary.error or None,
        metrics=metrics.recorded(summary.metrics),
    )
