"""`sae show RUN`: nodes with inputs and outputs, metrics, thresholds and configuration of a run."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence

from components.evaluation.metrics import Metric, by_split
from pipeline.artifacts.sections import Preview, Table
from pipeline.core import settings, shell
from pipeline.core.text import counted, error_line, escaped, number_text, seconds_text, short_digest, when_text
from pipeline.inspection.views import ArtifactUse, NodeRun, NodeRunState, Run, VerificationRow
from pipeline.metadata.run_properties import RunAttempt
from pipeline.provenance.manifest import Manifest, commit_text
from pipeline.scheduler import run_trigger
from pipeline.terminal import preview as preview_text
from pipeline.terminal.table import Cell, Column, Screen, state_cell, yes_no

_NODES = (Column("node"), Column("state"), Column("time", right=True), Column("reason", min_width=20))
_USES = (Column(""), Column(""), Column("", right=True), Column("", drop=2), Column("", min_width=12, drop=1))
_PARAMETERS = (Column(""), Column(""), Column("", min_width=20))
_LONGEST_PARAMETER = 80  # characters, also in a pipe


def as_text(
    screen: Screen,
    run: Run,
    place: str,
    evaluation: Preview | None,
    manifest: Manifest | None,
    missing: str = "",
    declared: Sequence[Metric] = (),
    floors: Sequence[str] = (),
) -> str:
    """Return everything about a run.

    Args:
      screen: to fit the text to.
      run: to show.
      place: its root or store.
      evaluation: preview of its ModelEvaluation, if there is one.
      manifest: of the run, if there is one.
      missing: why there is none.
      declared: metrics of the pipeline, whose labels are shown.
      floors: why no model can meet a threshold, or hardly one, a sentence each.
    """
    labels = {one.name: one.label for one in declared}
    state = screen.styled(run.row.state.value, state_cell(run.row.state.value).style)
    lines = [f"{screen.heading(f'run {run.row.id}')}  {state}"]
    lines += [line for error in _errors(run) for line in screen.paragraph(error, "error: ", style="red")]
    lines += ["", *screen.pairs(_facts(run, place, manifest)), "", *_nodes(screen, run)]
    if run.metrics:
        lines += ["", *_metrics(screen, run, declared, labels)]
    thresholds = evaluation.labelled(labels).section("thresholds") if evaluation else None
    if isinstance(thresholds, Table):
        lines += ["", screen.heading(thresholds.title), *preview_text.table(screen, thresholds, "  ")]
        lines += [line for one in floors for line in screen.paragraph(one, "  ")]
    if manifest is None and any(node.parameters for node in run.nodes):
        lines += ["", screen.heading("parameters, in full with --parameters"), *_cut_to_lines(screen, run)]
    lines += ["", screen.heading("configuration")]
    if manifest is None:
        return "\n".join([*lines, *screen.paragraph(missing, "  ")])
    values = [(name, settings.text_of(value)) for name, value in manifest.configuration.items()]
    return "\n".join([*lines, *screen.pairs(values, "  ")])


def _facts(run: Run, place: str, manifest: Manifest | None) -> list[tuple[str, str | Cell]]:
    """Return names and values of what is known of a run as a whole."""
    row = run.row
    return [
        ("started", f"{when_text(row.started)} UTC" if row.started else ""),
        ("duration" if row.state.value != "running" else "running for", seconds_text(row.seconds)),
        ("data set", row.dataset or (f"{manifest.data.name} {manifest.data.version}" if manifest else "")),
        ("pipeline", row.pipeline),
        ("trigger", run_trigger.in_words(row.trigger or (manifest.trigger if manifest else ""))),
        ("command", shell.joined(manifest.typed_command) if manifest else ""),
        ("commit", commit_text(manifest) if manifest else ""),
        ("tags", ", ".join(row.tags)),
        ("note", f"{row.note} ({row.note_by}, {when_text(row.note_when)} UTC)" if row.note else ""),
        ("resumed", counted(len(run.attempts) - 1, "time") if run.attempts else ""),
        *((f"attempt {number}", _attempt(one)) for number, one in enumerate(run.attempts, 1)),
        ("blessed", state_cell(yes_no(row.blessed))),
        ("store", place),
        *(("verified", _verdict(one)) for one in run.verifications),
    ]


def _metrics(screen: Screen, run: Run, declared: Sequence[Metric], labels: Mapping[str, str]) -> list[str]:
    """Return the metrics of a run: on the test split, and beside them on the validation split if there are any."""
    test, validation = by_split(run.metrics, declared)
    if not validation:
        values = [(labels.get(name, name), number_text(value)) for name, value in test.items()]
        return [screen.heading("metrics on the test split"), *screen.pairs(values, "  ")]
    columns = (Column("split"), Column("test", right=True), Column("validation", right=True))
    rows = [
        [labels.get(name, name), *(number_text(one[name]) if name in one else "" for one in (test, validation))]
        for name in {**test, **validation}
    ]
    return [screen.heading("metrics"), *screen.table(columns, rows, "  ")]


def parameters_text(screen: Screen, run: Run) -> str:
    """Return the parameters of all nodes, whole; empty if none are recorded."""
    lines: list[str] = []
    for node in run.nodes:
        if node.parameters:
            pairs = _parameters(node)
            lines += ["", screen.heading(node.node), *(line for pair in pairs for line in _whole(screen, *pair))]
    return "\n".join(lines[1:])


def _whole(screen: Screen, name: str, value: str) -> list[str]:
    """Return a name and a value that may have several lines."""
    first, *rest = value.splitlines() or [""]
    if not rest:
        return [f"  {screen.styled(escaped(name), 'dim')}  {escaped(first)}"]
    return [f"  {screen.styled(escaped(name), 'dim')}", *(f"    {escaped(line)}" for line in (first, *rest))]


def _parameters(node: NodeRun) -> list[tuple[str, str]]:
    """Return name and value of each parameter, as text."""
    return [
        (name, json.dumps(value) if isinstance(value, Mapping) else str(value))
        for name, value in node.parameters.items()
    ]


def _cut_to_lines(screen: Screen, run: Run) -> list[str]:
    """Return a line for each parameter, beside the name of its node, which is not repeated."""
    cells: list[list[Cell | str]] = [
        ["" if place else node.node, Cell(name, "dim"), screen.cut(" ".join(value.split()), _LONGEST_PARAMETER)]
        for node in run.nodes
        for place, (name, value) in enumerate(_parameters(node))
    ]
    return screen.table(_PARAMETERS, cells, "  ")


def _errors(run: Run) -> Iterator[str]:
    """Yield the error of the run, then those of nodes that it does not contain."""
    if run.row.error:
        yield run.row.error
    for node in run.nodes:
        error = error_line(node.error)
        if node.state == NodeRunState.FAILED and error and error not in run.row.error:
            yield f"{node.node}: {error}"


def _verdict(one: VerificationRow) -> Cell:
    verdict, style = ("yes", "green") if one.verified else ("no, content differs", "red")
    what = f"only {one.node}" if one.node else "all nodes"
    return Cell(f"{verdict}, {what}, {when_text(one.when)} UTC", style)


def _attempt(one: RunAttempt) -> Cell:
    took = f", {seconds_text(one.seconds)}" if one.seconds is not None else ""
    why = f": {one.why}" if one.why else ""
    state = one.state or "not ended"
    return state_cell(state, f"{when_text(one.began)} UTC{took}, {state}{why}")


def _nodes(screen: Screen, run: Run) -> list[str]:
    """Return a line for each node, and below it one for each input and output."""
    table = screen.table(_NODES, [_node_cells(node) for node in run.nodes])
    uses = [list(_use_cells(node)) for node in run.nodes]
    used = iter(screen.table(_USES, [cells for own in uses for cells in own], "    "))
    lines = table[: len(table) - len(run.nodes)]
    for line, own in zip(table[len(lines) :], uses, strict=True):
        lines += [line, *itertools.islice(used, len(own))]
    return lines


def _node_cells(node: NodeRun) -> list[Cell | str]:
    if node.error:
        why = state_cell(node.state.value, error_line(node.error))
    elif node.cached_from:
        why = Cell(f"outputs of run {node.cached_from}", "dim")
    else:
        why = Cell("; ".join(node.reasons))
    time = "" if node.state == NodeRunState.CACHED else seconds_text(node.seconds)
    return [node.node, state_cell(node.state.value), time, why]


def _use_cells(node: NodeRun) -> Iterator[list[Cell | str]]:
    for verb, uses in (("input", node.inputs), ("output", node.outputs)):
        for use in uses:
            key = f"{use.key} {use.index}" if use.index else use.key
            yield [Cell(verb, "dim"), key, str(use.artifact.id), use.artifact.type or "artifact", _content(use)]


def _content(use: ArtifactUse) -> Cell:
    if use.artifact.removed:
        return Cell(use.artifact.state, "yellow")
    content = short_digest(use.artifact.content, with_type=True) or "without a digest"
    unusable = use.artifact.unusable
    return Cell(f"{content}  ({unusable})", "yellow") if unusable else Cell(content, "dim")
