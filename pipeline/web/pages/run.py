"""One run."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Mapping

from components.evaluation.thresholds import EpochLosses
from pipeline.artifacts import previews
from pipeline.core import event_log
from pipeline.core.errors import SaeError
from pipeline.core.events import EpochEnded, Note
from pipeline.core.pipeline_root import Root
from pipeline.inspection import run_diff
from pipeline.inspection.reader import Reader
from pipeline.inspection.views import ArtifactRow, NodeRunState, Run, RunState
from pipeline.provenance import manifest
from pipeline.provenance.manifest import Manifest
from pipeline.web import charts, formatting
from pipeline.web.pages import charts as drawn
from pipeline.web.pages.base import DELETED, Asked, Drawings, Page, find_run, served_version, stored
from pipeline.web.urls import Links

_HALF = 580  # pixels: half a wide page
_MOST_NOTES = 200  # notes shown of a run; ours have a few
# The metrics that tell most, shown large; then all in a table.
HEADLINE = ("bce", "mse", "active_units", "dead_units")


@dataclasses.dataclass(frozen=True)
class MadeFrom:
    """What the page says of a run's manifest.

    Attributes:
      command: the command line, as typed.
      again: the command that makes it again, in the same root.
      verify: the command that makes it again elsewhere and compares.
      configuration: every setting by its dotted name.
      facts: the rest by name, but for the long lists.
    """

    command: str
    again: str
    verify: str
    configuration: Mapping[str, str]
    facts: Mapping[str, str]


@dataclasses.dataclass(frozen=True)
class RunView:
    """The page.

    Attributes:
      run: as the store has it.
      previous, next: ids of the runs before and after it; empty where there are none.
      made_from: None where there is no manifest.
      changes: how it differs from the run before; None for the first run, and while it runs.
      epochs: of the training: while it runs, those so far, of which only the losses with the penalty are known.
      planned_epochs: how many there will be; None where that is not known.
      evaluation, blessing, decision, report: previews; None where there are none.
      evaluation_of, decision_of, model_run_of, report_of: the artifacts that they are of.
      report_page: whether the report can be opened.
      notes: what the orchestrator said.
      has_log: whether there is a log.
      served_version: the one that its model is served as; 0 where it is not.
      missing: what cannot be shown and why.
    """

    run: Run
    previous: str
    next: str
    made_from: MadeFrom | None
    changes: run_diff.Comparison | None
    epochs: tuple[EpochLosses, ...]
    live_epochs: tuple[EpochEnded, ...]
    planned_epochs: int | None
    evaluation: previews.Evaluation | None
    blessing: previews.Blessing | None
    decision: previews.PushDecision | None
    report: previews.Report | None
    evaluation_of: ArtifactRow | None
    decision_of: ArtifactRow | None
    model_run_of: ArtifactRow | None
    report_of: ArtifactRow | None
    report_page: bool
    notes: tuple[Note, ...]
    has_log: bool
    served_version: int
    missing: tuple[str, ...]


def build(asked: Asked, run: str) -> RunView:
    """Reads the run with its previews."""
    reader = asked.open_reader
    found = find_run(reader, run)
    run_id = found.row.id
    previous, following = _neighbours(reader, found)
    own = _manifest(asked.root, run_id)
    shown = {
        name: found.output(name) for name in ("ModelEvaluation", "ModelBlessing", "PushDecision", "Report", "ModelRun")
    }
    read = {name: reader.preview(row) if row else None for name, row in shown.items()}
    history, evaluation = read["ModelRun"], read["ModelEvaluation"]
    blessing, decision, report = read["ModelBlessing"], read["PushDecision"], read["Report"]
    running = found.row.state == RunState.RUNNING
    told = [one.event for one in _told(asked.root, run_id)]
    live = event_log.epochs(told)
    epochs = history.history if isinstance(history, previews.ModelRun) else ()
    report_of = shown["Report"]
    return RunView(
        run=found,
        previous=previous,
        next=following,
        made_from=_made_from(asked.root, own) if own and asked.root else None,
        changes=run_diff.compare(reader, [previous, run_id]) if previous and not running else None,
        epochs=epochs,
        live_epochs=() if epochs else live,
        planned_epochs=live[-1].epochs if live and not epochs else None,
        evaluation=evaluation if isinstance(evaluation, previews.Evaluation) else None,
        decision=decision if isinstance(decision, previews.PushDecision) else None,
        blessing=blessing if isinstance(blessing, previews.Blessing) else None,
        report=report if isinstance(report, previews.Report) else None,
        evaluation_of=shown["ModelEvaluation"],
        decision_of=shown["PushDecision"],
        model_run_of=shown["ModelRun"],
        report_of=report_of,
        report_page=asked.root is not None
        and report_of is not None
        and not report_of.unusable
        and any(file.name == "report.html" for file in reader.artifact(report_of.id).files),
        notes=tuple(event for event in told if isinstance(event, Note))[:_MOST_NOTES],
        has_log=stored(asked.root, "logs", f"{run_id}.log") is not None,
        served_version=served_version(asked, *filter(None, map(found.output, ("Model", "PushedModel")))),
        missing=tuple(_missing(asked, found, own, shown, read)),
    )


def _neighbours(reader: Reader, found: Run) -> tuple[str, str]:
    """Ids of the run before, of the same pipeline, and of the next one. The list takes long, so it is read once."""
    ids = reader.run_ids()
    place = ids.index(found.row.id)
    before = ids[place + 1] if place + 1 < len(ids) else ""
    if before and reader.run(before).row.pipeline != found.row.pipeline:
        before = reader.previous(found.row.id)
    return before, ids[place - 1] if place else ""


def _told(root: Root | None, run_id: str) -> list[event_log.Stamped]:
    if root is None or stored(root, "progress", f"{run_id}.jsonl") is None:
        return []
    return event_log.read(root.path, run_id)


def _manifest(root: Root | None, run_id: str) -> Manifest | None:
    try:
        return manifest.read(root.path, run_id) if root else None
    except SaeError:
        return None


def _made_from(root: Root, own: Manifest) -> MadeFrom:
    path, folder = shlex.quote(str(root.manifests / f"{own.run_id}.json")), shlex.quote(str(root.path))
    commit = "not known"
    lock = formatting.short_digest(own.lock.digest) if own.lock else "not known"
    if own.git is not None:
        commit = formatting.short_digest(own.git.commit) + (" and changes not committed" if own.git.dirty else "")
    sizes = ", ".join(f"{split} {size:,}" for split, size in own.data.split_sizes.items())
    short = {
        "Profile": own.profile,
        "Seed": str(own.seed),
        "Data set": f"{own.data.name} {own.data.version}",
        "Examples": sizes,
        "Content of the data": formatting.short_digest(own.data.fingerprint),
        "Code": formatting.short_digest(own.code_digest),
        "Commit": commit,
        "Line of TFX": own.tfx_line,
        "Python": f"{own.python.implementation} {own.python.version}",
        "TensorFlow": own.tensorflow.version if own.tensorflow else "not known",
        "Packages": f"{len(own.packages):,}, lock {lock}",
        "Processor": f"{own.machine.processor} ({own.machine.architecture})",
        "System": f"{own.machine.system}, {own.machine.libc}",
        "Beam": f"{own.engine.name}, {formatting.count(own.engine.workers, 'worker')}",
    }
    return MadeFrom(
        command=shlex.join(own.command),
        again=f"sae run --like {path} --root {folder}",
        verify=f"sae verify {shlex.quote(own.run_id)} --root {folder}",
        configuration={name: str(value) for name, value in own.configuration.items()},
        facts=short,
    )


def _missing(
    asked: Asked,
    found: Run,
    own: Manifest | None,
    shown: Mapping[str, ArtifactRow | None],
    read: Mapping[str, previews.Preview | None],
) -> list[str]:
    if asked.root is None:
        return [
            "This store has no pipeline root beside it: there are no pictures, curves, manifests or logs. What ML "
            "Metadata itself holds is shown."
        ]
    lacking = []
    if own is None:
        lacking.append(
            "No manifest is stored for this run, so what it was made from is known only from its nodes' parameters."
        )
    unread = [row for name, row in shown.items() if row is not None and read[name] is None]
    if deleted := [row for row in unread if row.state == DELETED]:
        lacking.append(
            f"Of {', '.join(row.type for row in deleted)} the bytes are deleted, and what would be shown of them. "
            f"Metrics and digests stay; `sae restore {deleted[0].id}` makes {deleted[0].type} again."
        )
    names = [row.type for row in unread if row.state != DELETED]
    if names and found.row.state != RunState.RUNNING:
        lacking.append(
            f"No preview was written of {', '.join(names)}: an older version or another pipeline made it. What ML "
            "Metadata and the files hold is shown."
        )
    return lacking


def draw(view: RunView, to: Links) -> Drawings:
    """The graph, the waterfall, curves and bars."""
    run = view.run
    boxes = [
        charts.GraphNode(
            node.node,
            node.node,
            _detail(node.state, node.seconds),
            node.state.value,
            to.node(run.row.id, node.node) if node.execution else "",
            "cached" if node.state == NodeRunState.CACHED else "",  # in place of the second line
        )
        for node in run.nodes
    ]
    edges = [charts.GraphEdge(before, node.node) for node in run.nodes for before in node.after]
    start = min((node.started for node in run.nodes if node.started), default=None)
    spans = [
        charts.Span(
            node.node,
            (node.started - start).total_seconds() if node.started and start else None,
            node.seconds if node.started else None,
            node.state.value,
            to.node(run.row.id, node.node) if node.execution else "",
        )
        for node in run.nodes
    ]
    evaluation = view.evaluation or (previews.Evaluation(run.metrics, run.slices, ()) if run.metrics else None)
    return {
        "graph": charts.dag(boxes, edges, title="Nodes of the run") if boxes else None,
        "waterfall": charts.gantt(spans, width=_HALF) if spans else None,
        "curves": drawn.curves(view.epochs) if view.epochs else drawn.live_curves(view.live_epochs),
        "slices": drawn.slices(evaluation) if evaluation else None,
        "units": drawn.units(view.report) if view.report else None,
    }


def _detail(state: NodeRunState, seconds: float | None) -> str:
    if state in (NodeRunState.EXECUTED, NodeRunState.FAILED, NodeRunState.RUNNING, NodeRunState.CANCELLED):
        return f"{state.value} · {formatting.duration(seconds)}"
    return "" if state == NodeRunState.CACHED else state.value


PAGE = Page("run", "/runs/{run:name}", build, draw)
