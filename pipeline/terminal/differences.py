"""`sae diff RUN RUN`: inputs and results of two runs, where they differ."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence

from components.evaluation.metrics import Metric, reworded
from pipeline.core.text import number_text, short_digest
from pipeline.inspection.run_diff import OVERALL, Comparison, MetricDifference
from pipeline.terminal.table import Cell, Column, Screen, state_cell

_ABSENT = "-"


def as_text(screen: Screen, found: Comparison, headline: Metric | None, declared: Sequence[Metric] = ()) -> str:
    """Return the differences of two runs, or that there are none.

    Args:
      screen: to fit the text to.
      found: the differences.
      headline: the only metric that is listed by slice.
      declared: metrics of the pipeline: their labels, and the losses, which may not be comparable.
    """
    old, new = (row.id for row in found.runs)
    lines = [screen.heading(f"{old} -> {new}")]
    if any(found.names):
        lines += screen.paragraph(" -> ".join(name or "settings not known" for name in found.names))
    lines.append("")
    parting = found.partings[0]
    if found.same:
        compared = "settings, data, code, packages, machine, metrics and the content of all outputs are the same"
        lines += screen.paragraph(
            "no difference in what could be compared" if found.unknown else f"no difference: {compared}"
        )
    elif parting.node:
        reasons = f": {'; '.join(parting.reasons)}" if parting.reasons else ""
        lines += screen.paragraph(f"{parting.node}{reasons}", "first difference: ")
    elif any(not content for one in found.outputs for content in one.contents):
        lines += ["first difference: not known, because outputs have no content digest"]
    else:
        lines += ["all outputs have the same content"]
    for text in found.unknown:
        lines += screen.paragraph(text, "not compared: ", style="yellow")
    lines += _settings(screen, found, old, new)
    lines += _states(screen, found, old, new)
    lines += _metrics(screen, found, old, new, headline, declared)
    lines += _outputs(screen, found, old, new)
    return "\n".join(lines)


def _settings(screen: Screen, found: Comparison, old: str, new: str) -> list[str]:
    lines = []
    columns = (Column("", min_width=12), Column(old, min_width=12), Column(new, min_width=12), Column("", drop=1))
    for group in dict.fromkeys(one.group for one in found.settings):
        rows: list[list[Cell | str]] = [
            [one.field, *one.values, Cell("" if one.matters else "no effect on results", "dim")]
            for one in found.settings
            if one.group == group
        ]
        lines += ["", screen.heading(group), *screen.table(columns, rows, "  ")]
    return lines


def _states(screen: Screen, found: Comparison, old: str, new: str) -> list[str]:
    if not found.states:
        return []
    columns = (Column(""), Column(old), Column(new))
    rows: list[list[Cell | str]] = [
        [one.node, *(state_cell(state or _ABSENT) for state in one.states)] for one in found.states
    ]
    return ["", screen.heading("nodes"), *screen.table(columns, rows, "  ")]


def _metrics(
    screen: Screen, found: Comparison, old: str, new: str, headline: Metric | None, declared: Sequence[Metric]
) -> list[str]:
    if not found.metrics:
        return []
    columns = (Column("", min_width=12), Column(old, right=True), Column(new, right=True), Column("change", right=True))
    shown = [one for one in found.metrics if one.slice == OVERALL or (headline and one.name == headline.name)]
    reasons = found.incomparable[1] if found.incomparable else ()
    losses = {name for one in declared if one.is_loss for name in (one.name, one.run_key)} if reasons else set()
    labels = {name: reworded(one.label, found.words) for one in declared for name in (one.name, one.run_key)}
    of = {one.name: one.validation_of for one in declared if one.validation_of}
    lines = []
    for split in ("test", "validation"):
        on_split = [one for one in shown if (one.name in of) == (split == "validation")]
        rows: list[list[Cell | str]] = [
            [
                _metric_name(dataclasses.replace(one, name=of.get(one.name, one.name)), found.slice_titles, labels),
                *(number_text(value) for value in one.values),
                Cell("not comparable", "yellow") if one.name in losses else _signed(one.deltas[1]),
            ]
            for one in on_split
        ]
        if rows:
            lines += ["", screen.heading(f"metrics on the {split} split")]
            if any(one.name in losses for one in on_split):
                lines += screen.paragraph("; ".join(reasons), "  Losses are not comparable: ", style="yellow")
            lines += screen.table(columns, rows, "  ")
    more = len(found.metrics) - len(shown)
    return [*lines, f"  and {more} more, of single slices; --json lists all"] if more else lines


def _signed(value: float | None) -> str:
    return "" if value is None else ("+" if value >= 0 else "-") + number_text(abs(value))


def _metric_name(metric: MetricDifference, titles: Mapping[str, str], labels: Mapping[str, str]) -> str:
    label = labels.get(metric.name, metric.name)
    return label if metric.slice == OVERALL else f"{label}, {titles.get(metric.slice, metric.slice)}"


def _outputs(screen: Screen, found: Comparison, old: str, new: str) -> list[str]:
    if not found.outputs:
        return []
    columns = (Column("", min_width=12), Column("", drop=1), Column(old, min_width=12), Column(new, min_width=12))
    rows: list[list[Cell | str]] = []
    for one in found.outputs:
        pairs = zip(one.contents, one.artifacts, strict=True)
        rows.append([one.node, one.key, *(_content(content, number, one.removed) for content, number in pairs)])
    return ["", screen.heading("content of outputs"), *screen.table(columns, rows, "  ")]


def _content(content: str, artifact: int, removed: Collection[int]) -> str:
    if artifact in removed:
        return f"artifact {artifact}, removed"
    return short_digest(content, with_type=True) or (f"artifact {artifact}, without a digest" if artifact else _ABSENT)
