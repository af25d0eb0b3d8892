"""A run."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pipeline.artifacts import types
from pipeline.artifacts.sections import BarChart, LineChart, Preview
from pipeline.core import event_log, settings, shell
from pipeline.core.errors import SaeError
from pipeline.core.events import EpochEnded, Event, JobProgress, NodeEnded, NodeStarted, Note
from pipeline.core.pipeline_root import Root
from pipeline.core.text import counted, short_digest
from pipeline.inspection import run_diff, run_filter
from pipeline.inspection.reader import Reader
from pipeline.inspection.views import ArtifactRow, NodeRunState, Run, RunState
from pipeline.metadata import run_properties
from pipeline.provenance import manifest
from pipeline.provenance.manifest import Manifest
from pipeline.web import formatting
from pipeline.web.charts.dag import GraphNode, dag
from pipeline.web.charts.gantt import Span, gantt
from pipeline.web.formatting import DeclaredMetrics
from pipeline.web.pages import charts as drawn
from pipeline.web.pages.base import DELETED, Drawings, PageRequest, find_run, run_file_path, served_version
from pipeline.web.urls import Links
from pipeline_config import LOCAL_RUNNER, Configuration

_BESIDE_GRAPH = 528  # pixels: six thirteenths of a page in a window of 1280 with a scroll bar; the graph has the rest
_MOST_NOTES = 200  # notes on the page; a run has a few


@dataclasses.dataclass(frozen=True)
class RunInputs:
    """The inputs of a run, from its manifest.

    Attributes:
      command: the command line, as typed.
      again: the command that reruns it in the same root.
      verify: the command that reruns it in a clean environment and compares every artifact.
      configuration: settings by dotted name.
      facts: the rest by name, except long lists.
    """

    command: str
    again: str
    verify: str
    configuration: Mapping[str, str]
    facts: Mapping[str, str]


@dataclasses.dataclass(frozen=True)
class ShownOutput:
    """An output of the run, and the part of its preview that is shown. `files`: whether its files can be opened."""

    artifact: ArtifactRow
    preview: Preview
    files: bool


@dataclasses.dataclass(frozen=True)
class RunView:
    """The page.

    Attributes:
      run: from the store.
      previous, next: ids of the runs before and after it; empty if there are none.
      made_from: its inputs; None without a manifest.
      changes: the differences from the run before; None for the first run, and while it is running.
      live_epochs: epochs of a training in progress; their losses include the penalty.
      planned_epochs: number of epochs when training ends; None if unknown.
      live_job: the job on a cluster of the node that runs now; None if there is none.
      shown: sections of its outputs' previews.
      notes: messages of the orchestrator.
      has_log: whether there is a log.
      served_version: the served version, if it is this run's model; else 0.
      missing: what cannot be shown, and why.
      slice_titles: what people see in place of names of slices, such as `label cat` for `label 0`.
      words: what people see in labels and titles in place of other words, such as `vector` for `image`.
      parameters: headline settings, and those that are not the profile's and say something else than `run`, by name.
      resume: the command that continues a run that did not succeed; empty if there is none.
    """

    run: Run
    previous: str
    next: str
    made_from: RunInputs | None
    changes: run_diff.Comparison | None
    live_epochs: tuple[EpochEnded, ...]
    planned_epochs: int | None
    live_job: JobProgress | None
    shown: tuple[ShownOutput, ...]
    notes: tuple[Note, ...]
    has_log: bool
    served_version: int
    missing: tuple[str, ...]
    slice_titles: Mapping[str, str]
    words: Mapping[str, str]
    parameters: Mapping[str, Any]
    resume: str


def build(request: PageRequest, run: str) -> RunView:
    """Read the run with its previews."""
    reader = request.open_reader
    found = find_run(reader, run)
    run_id = found.row.id
    previous, following = _neighbours(reader, found)
    own = _manifest(request.root, run_id)
    outputs = [(kind, row) for kind in types.shown_on_run() if (row := found.output(kind.name))]
    read = [(kind, row, reader.preview(row)) for kind, row in outputs]
    shown = tuple(
        ShownOutput(row, chosen, request.root is not None and not row.unusable)
        for kind, row, preview in read
        if preview and (chosen := preview.chosen(kind.on_run + kind.payload_on_run)).sections
    )
    events = _events(request.root, run_id)
    running = found.row.state == RunState.RUNNING
    trained = any(isinstance(one, LineChart) for output in shown for one in output.preview.sections)
    live = () if trained else _epochs(events)
    return RunView(
        run=found,
        previous=previous,
        next=following,
        made_from=_run_inputs(request.root, own, reader.pipeline.configuration) if own and request.root else None,
        changes=run_diff.compare(reader, [previous, run_id]) if previous and not running else None,
        live_epochs=live,
        planned_epochs=live[-1].epochs if live else None,
        live_job=_job(events),
        shown=shown,
        notes=tuple(event for event in events if isinstance(event, Note))[:_MOST_NOTES],
        has_log=run_file_path(request.root, "logs", f"{run_id}.log") is not None,
        served_version=served_version(request, *(use.artifact for node in found.nodes for use in node.outputs)),
        missing=tuple(_missing(request, found, own, [row for _, row, preview in read if preview is None])),
        slice_titles=reader.slice_titles(run_id),
        words=reader.words(run_id),
        parameters=run_filter.parameters(
            found.row.settings, own.profile if own else "", reader.pipeline.configuration, found.row.dataset
        ),
        resume=_resume(request, found) if own else "",
    )


def _resume(request: PageRequest, found: Run) -> str:
    """Return the command that continues a run that ended without success; empty for others."""
    if request.root is None or found.row.state in (RunState.RUNNING, RunState.SUCCEEDED):
        return ""
    path = manifest.path_of(request.root.path, found.row.id)
    words = run_properties.options_of(found.properties).next_step(found.row.id, path)
    return request.selected.completed(words).split("`")[1]


def _neighbours(reader: Reader, found: Run) -> tuple[str, str]:
    """Return the ids of the previous run of the same pipeline and of the next run; the slow list is read once."""
    ids = reader.run_ids()
    place = ids.index(found.row.id)
    before = ids[place + 1] if place + 1 < len(ids) else ""
    if before and reader.run(before).row.pipeline != found.row.pipeline:
        before = reader.previous(found.row.id)
    return before, ids[place - 1] if place else ""


def _epochs(events: Iterable[Event]) -> tuple[EpochEnded, ...]:
    """Return the epochs of a run, in order; of one that was trained again after a resume, the last."""
    found: list[EpochEnded] = []
    for event in events:
        if isinstance(event, EpochEnded):
            found = [*(one for one in found if one.epoch < event.epoch), event]
    return tuple(found)


def _job(events: Iterable[Event]) -> JobProgress | None:
    """Return the state of the job of the node that runs now."""
    found = None
    for event in events:
        if isinstance(event, (NodeStarted, NodeEnded)):
            found = None
        elif isinstance(event, JobProgress):
            found = event
    return found


def _events(root: Root | None, run_id: str) -> list[Event]:
    if root is None or run_file_path(root, "progress", f"{run_id}.jsonl") is None:
        return []
    return [one.event for one in event_log.read(root.path, run_id)]


def _manifest(root: Root | None, run_id: str) -> Manifest | None:
    try:
        return manifest.read(root.path, run_id) if root else None
    except SaeError:
        return None


def _beam(own: Manifest) -> str:
    runner, name = own.configuration.get("engine.runner", LOCAL_RUNNER), own.engine.name
    if runner == LOCAL_RUNNER:
        return f"{name}, {counted(own.engine.workers, 'worker')}"
    return f"{name} on {runner}, parallelism {own.configuration.get('engine.parallelism', 1)}"


def _run_inputs(root: Root, own: Manifest, config_type: type[Configuration]) -> RunInputs:
    path, folder = shell.quoted(str(root.manifests / f"{own.run_id}.json")), shell.quoted(str(root.path))
    lock = short_digest(own.lock.digest) if own.lock else "unknown"
    facts = {
        "Profile": settings.applied_profile(own.profile, own.configuration, config_type) or "none",
        "Seed": str(own.seed),
        "Data set": f"{own.data.name} {own.data.version}",
        "Examples": ", ".join(f"{split} {size:,}" for split, size in own.data.split_sizes.items()),
        "Data fingerprint": short_digest(own.data.fingerprint),
        "Code": short_digest(own.code_digest),
        "Commit": manifest.commit_text(own),
        "TFX version": own.tfx_line,
        "Python": f"{own.python.implementation} {own.python.version}",
        "TensorFlow": own.tensorflow.version if own.tensorflow else "unknown",
        "Packages": f"{len(own.packages):,}, lock {lock}",
        "Processor": f"{own.machine.processor} ({own.machine.architecture})",
        "System": f"{own.machine.system}, {own.machine.libc}",
        "Beam": _beam(own),
    }
    return RunInputs(
        command=shell.joined(own.typed_command),
        again=f"sae run --like {path} --root {folder}",
        verify=f"sae verify {shell.quoted(own.run_id)} --root {folder}",
        configuration={name: str(value) for name, value in own.configuration.items()},
        facts=facts,
    )


def _missing(request: PageRequest, found: Run, own: Manifest | None, unread: Sequence[ArtifactRow]) -> list[str]:
    if request.root is None:
        if not unread:  # previews of artifacts that were found in a root
            return ["This store has no pipeline root: no manifests or logs are available."]
        return [
            "This store has no pipeline root: no pictures, curves, manifests or logs are available. "
            "The contents of ML Metadata are shown, and those of files that were found."
        ]
    lacking = []
    if own is None:
        lacking.append("This run has no manifest: its inputs are known only from the parameters of its nodes.")
    if deleted := [row for row in unread if row.state == DELETED]:
        lacking.append(
            f"The contents and previews of {', '.join(row.type for row in deleted)} were deleted. "
            f"Metrics and digests are kept; regenerate {deleted[0].type} with `sae restore {deleted[0].id}`."
        )
    names = [row.type for row in unread if row.state != DELETED]
    if names and found.row.state != RunState.RUNNING:
        lacking.append(
            f"There is no preview of {', '.join(names)}: `sae run` writes one when it executes the node. "
            "Data of ML Metadata is shown."
        )
    return lacking


def draw(view: RunView, to: Links, metrics: DeclaredMetrics) -> Drawings:
    """Draw the graph, the durations, curves and bars."""
    run = view.run
    links = {node.node: to.node(run.row.id, node.node) if node.execution else "" for node in run.nodes}
    boxes = [
        GraphNode(
            node.node,
            node.node,
            _detail(node.state, node.seconds),
            node.state.value,
            links[node.node],
            "cached" if node.state == NodeRunState.CACHED else "",  # in place of the second line
        )
        for node in run.nodes
    ]
    edges = [(before, node.node) for node in run.nodes for before in node.after]
    start = min((node.started for node in run.nodes if node.started), default=None)
    spans = [
        Span(
            node.node,
            (node.started - start).total_seconds() if node.started and start else None,
            node.seconds if node.started else None,
            node.state.value,
            links[node.node],
        )
        for node in run.nodes
    ]
    charted = any(isinstance(one, BarChart) for output in view.shown for one in output.preview.sections)
    return {
        "graph": dag(boxes, edges, title="Nodes of the run") if boxes else None,
        "durations": gantt(spans, width=_BESIDE_GRAPH) if spans else None,
        "curves": drawn.live_curves(view.live_epochs),
        "slices": None if charted else drawn.slices(run.slices, view.slice_titles, metrics),
    }


def _detail(state: NodeRunState, seconds: float | None) -> str:
    if state in (NodeRunState.EXECUTED, NodeRunState.FAILED, NodeRunState.RUNNING, NodeRunState.CANCELLED):
        return f"{state.value} · {formatting.duration(seconds)}"
    return "" if state == NodeRunState.CACHED else state.value
